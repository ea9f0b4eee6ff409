//! Codex's record of a thread, plain or compressed: what it hands over stands in it, and keeps to the limit.

#![no_main]

use std::io::Read;
use std::ops::ControlFlow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use codex_image::codex::rollout::{Recorded, pictures_in, statement_in};
use codex_image::files::Inflated;
use codex_image_fuzz::memory::peak_of;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const LIMIT: u64 = 64;
/// The buffer that is read into, and a line: what surrounds a picture may take 64 KiB.
const MOST_BYTES: usize = 512 << 10;
/// The window of a compressed record, which grows by doubling, and its tables.
const MOST_INFLATING_BYTES: usize = 36 << 20;
/// What more than [`MOST_INFLATED`] comes out of is only slow.
const MOST_INFLATED: u64 = 1 << 20;

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

/// Every text in the value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// Whether `picture` is what `text` stands for: as base64 or as it is.
fn stands_for(text: &str, picture: &[u8]) -> bool {
    let plain: String = text.chars().filter(|c| !c.is_ascii_whitespace() && *c != '=').collect();
    // The last character may have bits that stand for nothing.
    let encoded = BASE64.encode(picture);
    text.as_bytes() == picture || plain.contains(&encoded[..encoded.len() - 1])
}

fuzz_target!(|bytes: &[u8]| {
    let (_, peak) = peak_of(|| std::io::copy(&mut Inflated::new(bytes).take(MOST_INFLATED), &mut std::io::sink()));
    assert!(peak <= MOST_INFLATING_BYTES, "{peak} bytes were held");

    assert_eq!(statement_in(Slow(bytes)), statement_in(bytes));
    let whole = all(bytes);
    assert_eq!(all(Slow(bytes)), whole);
    for Recorded { bytes: picture, .. } in &whole.0 {
        assert!(!picture.is_empty() && picture.len() as u64 <= LIMIT);
        let mut lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| {
            let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
            serde_json::from_slice::<Value>(line).ok()
        });
        let is_there = lines.any(|line| texts(&line).into_iter().any(|text| stands_for(text, picture)));
        assert!(is_there, "{picture:?} is not in the record");
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
