//! Codex's stdout: lines, events, and what is remembered of them.

#![no_main]

use codex_image::codex::events::{Event, Transcript};
use codex_image::text::lines::Lines;
use codex_image_fuzz::memory::peak_of;
use libfuzzer_sys::fuzz_target;

/// Small, so that long lines are found soon.
const CAP: usize = 256;
/// A buffer grows by doubling, and the old one is still there while its bytes move.
const MOST_BYTES: usize = 4 * CAP;

/// The lines of a stream that arrives in these pieces, and how many were too long.
fn lines_of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, u64) {
    let mut lines = Lines::new(CAP);
    let mut seen = Vec::new();
    let mut note = |line: &[u8]| seen.push(line.to_vec());
    for piece in pieces {
        lines.push(piece, &mut note);
    }
    lines.finish(&mut note);
    (seen, lines.dropped())
}

fuzz_target!(|bytes: &[u8]| {
    let whole = lines_of([bytes]);
    assert!(whole.0.iter().all(|line| !line.is_empty() && line.len() <= CAP && !line.contains(&b'\n')));
    assert_eq!(lines_of(bytes.chunks(1)), whole, "one byte after the other");
    // All places would be quadratic; these are all where the input is short.
    for at in (0..bytes.len()).step_by(bytes.len() / 64 + 1) {
        let (head, tail) = bytes.split_at(at);
        assert_eq!(lines_of([head, tail]), whole, "cut at {at}");
    }

    let ((), peak) = peak_of(|| {
        let mut lines = Lines::new(CAP);
        bytes.chunks(7).for_each(|piece| lines.push(piece, |_| {}));
        lines.finish(|_| {});
    });
    assert!(peak <= MOST_BYTES, "{peak} bytes were held");

    let mut transcript = Transcript::default();
    for event in whole.0.iter().filter_map(|line| Event::parse(line)) {
        transcript.note(&event);
    }
    let words = transcript.words.text();
    assert!(words.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t')));
    if let Some(thread) = transcript.thread {
        let id = thread.to_string();
        assert!(id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'), "{id}");
    }
});
