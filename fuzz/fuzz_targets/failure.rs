//! Fuzzes the diagnosis of failed turns and the redaction of Codex's stderr.

#![no_main]

use std::time::{Duration, SystemTime};

use codex_image::codex::events::{ExecEvent, Transcript};
use codex_image::codex::failure::{StderrDigest, detail, diagnose, diagnose_reconnects, now_in};
use codex_image::process::Exit;
use codex_image::text::lines::Lines;
use codex_image::text::printable::printable;
use codex_image::text::redact::{Redactor, redact};
use libfuzzer_sys::fuzz_target;

/// Secrets of several formats, each with the part that must not be shown. That part contains
/// [`MARK`].
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
/// Text before a secret. After a letter or a digit it would be part of another word.
const BEFORE: [&str; 4] = [" ", "\n", "\"", "("];

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let shown = redact(&text);
    assert_eq!(redact(&shown), shown, "redacting twice changes nothing");
    assert_eq!(printable(&shown), shown);

    // The input decides which secret is inserted where.
    let choice = bytes.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    let (secret, hidden) = SECRETS[choice % SECRETS.len()];
    let before = BEFORE[choice / 16 % BEFORE.len()];
    let (head, tail) = text.split_at(text.floor_char_boundary(choice / 64 % (text.len() + 1)));
    // Otherwise the input itself may contain the part.
    if !text.contains(MARK) {
        let shown = redact(&format!("{head}{before}{secret} {tail}"));
        assert!(!shown.contains(hidden), "{secret:?} between {head:?}{before:?} and {tail:?} is shown in {shown:?}");
    }

    let mut stderr = StderrDigest::default();
    let mut lines = Lines::new(1 << 10);
    let mut note = |line: &[u8]| stderr.note(line);
    lines.push(bytes, &mut note);
    lines.finish(&mut note);
    stderr.tail.push(bytes);
    let mut transcript = Transcript::default();
    let now = now_in(Some("UTC"));
    let diagnoses = [diagnose(&transcript, &stderr, Some(Exit::Code(1)), &now)];
    transcript.note(&ExecEvent::TurnFailed(text.to_string()));
    transcript.note(&ExecEvent::Error(text.to_string()));
    transcript.note(&ExecEvent::Reconnecting(text.to_string()));
    let diagnoses = diagnoses.into_iter().flatten();
    let diagnoses = diagnoses.chain(diagnose(&transcript, &StderrDigest::default(), None, &now));
    for diagnosis in diagnoses.chain([diagnose_reconnects(&transcript, &now)]) {
        // Messages contain nothing that Codex printed.
        let message = diagnosis.cause.to_string();
        assert!(message.len() < 500 && !message.contains(char::is_control), "{message:?}");
        if let Some(at) = diagnosis.resets_at {
            assert!(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO) < Duration::MAX);
        }
    }
    let detail = detail(&transcript, &stderr, &Redactor::default());
    assert_eq!(printable(&detail), detail);
});
