//! Codex's record of a thread: what it hands over stands in it, and keeps to the limit.

#![no_main]

use std::io::Read;
use std::ops::ControlFlow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use codex_image::codex::rollout::{Recorded, pictures_in, statement_in};
use codex_image_fuzz::memory::peak_of;
use libfuzzer_sys::fuzz_target;

const LIMIT: u64 = 64;
/// The buffer that is read into, and a line: what surrounds a picture may take 64 KiB.
const MOST_BYTES: usize = 512 << 10;

/// Reads as slowly as the system may let it.
struct Slow<'a>(&'a [u8]);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = buffer.len().min(13);
        self.0.read(&mut buffer[..most])
    }
}

fn all(record: impl Read) -> (Vec<Recorded>, bool) {
    let mut found = Vec::new();
    let too_large = pictures_in(record, LIMIT, |recorded| {
        found.push(recorded);
        ControlFlow::Continue(())
    });
    (found, too_large)
}

fuzz_target!(|bytes: &[u8]| {
    assert_eq!(statement_in(Slow(bytes)), statement_in(bytes));
    let whole = all(bytes);
    assert_eq!(all(Slow(bytes)), whole);
    for Recorded { bytes: picture, .. } in &whole.0 {
        assert!(!picture.is_empty() && picture.len() as u64 <= LIMIT);
        let text = BASE64.encode(picture);
        assert!(memchr::memmem::find(bytes, text.as_bytes()).is_some(), "{text} is not in the record");
    }

    let (count, peak) = peak_of(|| {
        let mut count = 0;
        pictures_in(bytes, LIMIT, |_| {
            count += 1;
            ControlFlow::Break(())
        });
        count
    });
    assert_eq!(count, whole.0.len().min(1), "the first is the last if told so");
    assert!(peak <= MOST_BYTES, "{peak} bytes were held");
});
