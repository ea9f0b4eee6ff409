//! Fuzzes the parsing of Codex's stdout: lines, events, transcript, the app-server's answer.

#![no_main]

use codex_image::codex::events::{ExecEvent, Transcript};
use codex_image::codex::quota;
use codex_image::text::lines::Lines;
use codex_image_fuzz::memory::peak_of;
use libfuzzer_sys::fuzz_target;

/// Line limit: small, so that the fuzzer soon finds longer lines.
const CAP_BYTES: usize = 256;
/// Memory limit: a buffer doubles, and the old one exists while its bytes are copied.
const MAX_BYTES: usize = 4 * CAP_BYTES;

/// Returns the lines of a stream that arrives in these pieces, and the number of dropped lines.
fn lines_of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, u64) {
    let mut lines = Lines::new(CAP_BYTES);
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
    assert!(whole.0.iter().all(|line| !line.is_empty() && line.len() <= CAP_BYTES && !line.contains(&b'\n')));
    assert_eq!(lines_of(bytes.chunks(1)), whole, "one byte after the other");
    // At most 65 positions, since testing each would take quadratic time.
    for at in (0..bytes.len()).step_by(bytes.len() / 64 + 1) {
        let (head, tail) = bytes.split_at(at);
        assert_eq!(lines_of([head, tail]), whole, "cut at {at}");
    }

    let ((), peak) = peak_of(|| {
        let mut lines = Lines::new(CAP_BYTES);
        bytes.chunks(7).for_each(|piece| lines.push(piece, |_| {}));
        lines.finish(|_| {});
    });
    assert!(peak <= MAX_BYTES, "{peak} bytes were allocated");

    for quota in whole.0.iter().filter_map(|line| quota::parse(line)?.ok()) {
        let texts = quota.limits.iter().map(|limit| limit.id.as_str()).chain(quota.plan.as_deref());
        texts.for_each(|text| assert!(!text.contains(char::is_control), "{text:?}"));
    }

    let mut transcript = Transcript::default();
    for event in whole.0.iter().filter_map(|line| ExecEvent::parse(line)) {
        transcript.note(&event);
    }
    let words = transcript.agent_messages.text();
    assert!(words.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t')));
    if let Some(thread) = transcript.thread {
        let id = thread.to_string();
        assert!(id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'), "{id}");
    }
});
