//! Codex's stderr: why a turn failed, and the secrets that are not shown.

#![no_main]

use std::time::{Duration, SystemTime};

use codex_image::codex::events::{Event, Transcript};
use codex_image::codex::failure::{StderrDigest, clock, detail, diagnose, diagnose_trouble};
use codex_image::process::Exit;
use codex_image::text::lines::Lines;
use codex_image::text::printable::printable;
use codex_image::text::redact::{Redactor, redact};
use libfuzzer_sys::fuzz_target;

/// A secret of every known shape, each with the part that must never be seen. In each such part is
/// a [`MARK`].
const SECRETS: [(&str, &str); 12] = [
    ("eyJhbGciOiJub25lIn0.eyJGcmVkIjoiUVEifQ.UVFRUVFRUQ", "eyJGcmVkIjoiUVEifQ"),
    ("sk-proj-QQwertyQQ", "QQwertyQQ"),
    ("sess-QQwertyQQ", "QQwertyQQ"),
    ("rt_QQwertyQQ", "QQwertyQQ"),
    ("github_pat_QQwertyQQ", "QQwertyQQ"),
    ("https://user:QQwertyQQ@host.example/", "QQwertyQQ"),
    ("Authorization: Bearer QQwertyQQ", "QQwertyQQ"),
    ("\\\"refresh_token\\\":\\\"QQwertyQQ\\\"", "QQwertyQQ"),
    ("password=QQwertyQQ", "QQwertyQQ"),
    ("Cookie: a=1; b=QQwertyQQ", "QQwertyQQ"),
    ("glpat-QQwertyQQ", "QQwertyQQ"),
    ("QQwertyQQ@example.org", "QQwertyQQ"),
];
const MARK: char = 'Q';
/// What may stand before a secret. After a letter or a digit it would be part of another word.
const BEFORE: [&str; 4] = [" ", "\n", "\"", "("];

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let shown = redact(&text);
    assert_eq!(redact(&shown), shown, "what is shown is shown as it is");
    assert_eq!(printable(&shown), shown);

    // Which secret is planted where is the input's choice.
    let choice = bytes.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    let (secret, kept) = SECRETS[choice % SECRETS.len()];
    let before = BEFORE[choice / 16 % BEFORE.len()];
    let (head, tail) = text.split_at(text.floor_char_boundary(choice / 64 % (text.len() + 1)));
    // What is seen is then the planted one.
    if !text.contains(MARK) {
        let shown = redact(&format!("{head}{before}{secret} {tail}"));
        assert!(!shown.contains(kept), "{secret:?} between {head:?}{before:?} and {tail:?} is shown in {shown:?}");
    }

    let mut stderr = StderrDigest::default();
    let mut lines = Lines::new(1 << 10);
    let mut note = |line: &[u8]| stderr.note(line);
    lines.push(bytes, &mut note);
    lines.finish(&mut note);
    stderr.tail.push(bytes);
    let mut transcript = Transcript::default();
    let clock = clock(Some("UTC"));
    let told = [diagnose(&transcript, &stderr, Some(Exit::Code(1)), &clock)];
    transcript.note(&Event::TurnFailed(text.to_string()));
    transcript.note(&Event::Trouble(text.to_string()));
    transcript.note(&Event::Reconnecting(text.to_string()));
    let told = told.into_iter().flatten();
    let told = told.chain(diagnose(&transcript, &StderrDigest::default(), None, &clock));
    for diagnosis in told.chain([diagnose_trouble(&transcript, &clock)]) {
        // What reaches people says nothing of what Codex printed.
        let message = diagnosis.cause.to_string();
        assert!(message.len() < 500 && !message.contains(char::is_control), "{message:?}");
        if let Some(at) = diagnosis.resets_at {
            assert!(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO) < Duration::MAX);
        }
    }
    let detail = detail(&transcript, &stderr, &Redactor::default());
    assert_eq!(printable(&detail), detail);
});
