//! Fuzzes the parsing of Codex's rollouts, plain and compressed: every picture found is in the
//! input and within the limit.

#![no_main]

use std::io::Read;
use std::ops::ControlFlow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use codex_image::codex::rollout::{RecordedImage, images_in, recorded_sandbox_in};
use codex_image::files::Inflated;
use codex_image_fuzz::memory::peak_of;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const MAX_PICTURE_BYTES: u64 = 64;
/// Memory limit: the read buffer, and a line with up to 64 KiB around a picture.
const MAX_BYTES: usize = 512 << 10;
/// Memory limit for decompression: the window, which grows by doubling, and the tables.
const MAX_INFLATING_BYTES: usize = 36 << 20;
/// Output limit: longer streams only take longer.
const MAX_INFLATED_BYTES: u64 = 1 << 20;

/// Returns at most 13 bytes for each read.
struct ShortReads<'a>(&'a [u8]);

impl Read for ShortReads<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = buffer.len().min(13);
        self.0.read(&mut buffer[..most])
    }
}

fn all(rollout: impl Read) -> (Vec<RecordedImage>, bool) {
    let mut found = Vec::new();
    let too_large = images_in(rollout, MAX_PICTURE_BYTES, |recorded| {
        found.push(recorded);
        ControlFlow::Continue(())
    });
    (found, too_large)
}

/// Returns every string in the value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// Whether `text` contains `picture`, as base64 or plain.
fn contains_picture(text: &str, picture: &[u8]) -> bool {
    let plain: String = text.chars().filter(|c| !c.is_ascii_whitespace() && *c != '=').collect();
    // The last base64 character may have unused bits.
    let encoded = BASE64.encode(picture);
    text.as_bytes() == picture || plain.contains(&encoded[..encoded.len() - 1])
}

fuzz_target!(|bytes: &[u8]| {
    let (_, peak) = peak_of(|| std::io::copy(&mut Inflated::new(bytes).take(MAX_INFLATED_BYTES), &mut std::io::sink()));
    assert!(peak <= MAX_INFLATING_BYTES, "{peak} bytes were allocated");

    assert_eq!(recorded_sandbox_in(ShortReads(bytes)), recorded_sandbox_in(bytes));
    let whole = all(bytes);
    assert_eq!(all(ShortReads(bytes)), whole);
    for RecordedImage { bytes: picture, .. } in &whole.0 {
        assert!(!picture.is_empty() && picture.len() as u64 <= MAX_PICTURE_BYTES);
        let is_there = bytes.split(|byte| *byte == b'\n').any(|line| {
            let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
            match serde_json::from_slice::<Value>(line) {
                Ok(value) => texts(&value).into_iter().any(|text| contains_picture(text, picture)),
                // Invalid JSON outside of the parts that are read is accepted.
                Err(_) => memchr::memmem::find(line, b"\"image_gen").is_some(),
            }
        });
        assert!(is_there, "{picture:?} is not in the rollout");
    }

    let (count, peak) = peak_of(|| {
        let mut count = 0;
        images_in(bytes, MAX_PICTURE_BYTES, |_| {
            count += 1;
            ControlFlow::Break(())
        });
        count
    });
    assert_eq!(count, whole.0.len().min(1), "`Break` ends the search");
    assert!(peak <= MAX_BYTES, "{peak} bytes were allocated");
});
