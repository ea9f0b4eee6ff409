//! The end of a stream, kept in bounded memory, and shown without secrets.

use std::collections::VecDeque;
use std::sync::LazyLock;

use regex::Regex;

/// The last bytes of a stream.
#[derive(Debug)]
pub struct Tail {
    bytes: VecDeque<u8>,
    cap: usize,
    cut: bool,
}

impl Tail {
    /// Keeps at most `cap` bytes.
    #[must_use]
    pub const fn new(cap: usize) -> Self {
        Self { bytes: VecDeque::new(), cap, cut: false }
    }

    /// Takes in `bytes`, letting go of the oldest.
    pub fn push(&mut self, bytes: &[u8]) {
        let surplus = (self.bytes.len() + bytes.len()).saturating_sub(self.cap);
        self.cut |= surplus > 0;
        self.bytes.drain(..surplus.min(self.bytes.len()));
        let bytes = &bytes[bytes.len().saturating_sub(self.cap)..];
        self.bytes.extend(bytes);
    }

    /// What was kept, as readable text without secrets. A first line that lost its beginning is left out: half a secret is
    /// not recognised as one.
    #[must_use]
    pub fn text(&self) -> String {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        let whole =
            if self.cut { memchr::memchr(b'\n', &bytes).map_or(&[][..], |at| &bytes[at + 1..]) } else { &bytes };
        redact(&String::from_utf8_lossy(whole)).trim().to_owned()
    }
}

/// What stands in the place of a secret.
const HIDDEN: &str = "[redacted]";

/// Terminal control sequences: colours, cursor movements, titles. Not those with a space or a sign before their last letter, which are
/// rare: one that is cut off would take the beginning of the next word along, and what is left of a secret is not known as one.
static ESCAPES: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\x1b(\[[0-?]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\^_])"));

/// Secrets by their own form, and by the name before them. What a match puts into its groups `before` is kept. A word begins as in
/// ASCII: for Unicode's own boundaries the fast engines give up at the first other character.
static SECRETS: LazyLock<[Regex; 4]> = LazyLock::new(|| {
    [
        // JSON Web Tokens, also with an empty signature.
        regex(r"(?P<before>)(?-u:\b)eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?"),
        // Keys and sessions of OpenAI, GitHub and refresh tokens.
        regex(r"(?P<before>)(?-u:\b)(sk|sess|rt|ghp|gho|ghs|ghu|github_pat)[-_][A-Za-z0-9_*.-]{6,}"),
        // The user part of a URL, whose password may hold an @ of its own.
        regex(r"(?P<before>[A-Za-z][A-Za-z0-9+.-]*://)[^/\s]+@"),
        // name: value, name=value, "name":"value", \"name\":\"value\", Bearer value; where one name follows another, the value behind both.
        regex(
            r#"(?i)(?P<before>((?-u:\b)(bearer|basic)\s+|(access[_-]?token|refresh[_-]?token|id[_-]?token|api[_-]?key|authorization|client[_-]?secret|password|passwd|cookie)[\\"']*\s*[:=]\s*[\\"']*)+)[^\s"'\\,;&}]+"#,
        ),
    ]
});

#[expect(clippy::expect_used, reason = "the patterns are constants, and a test compiles all of them")]
fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}

/// The text without secrets, terminal sequences and control characters.
#[must_use]
pub fn redact(text: &str) -> String {
    let mut text = ESCAPES.replace_all(text, "").into_owned();
    text.retain(|c| c == '\n' || c == '\t' || !c.is_control());
    for secret in SECRETS.iter() {
        text = secret.replace_all(&text, format!("${{before}}{HIDDEN}")).into_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_survives() {
        let jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2ln";
        for (text, secret) in [
            (format!("token {jwt} end"), "eyJ"),
            ("key sk-proj-abc123DEF456 end".to_owned(), "abc123"),
            ("API key configured - sk-abc***xyz".to_owned(), "abc"),
            ("sess-0123456789abcdef".to_owned(), "0123"),
            ("refresh rt_0123456789abcdef".to_owned(), "0123"),
            ("Authorization: Bearer abcdef0123456789".to_owned(), "abcdef"),
            ("authorization=abcdef0123456789".to_owned(), "abcdef"),
            (r#"{"access_token":"abcdef0123","x":1}"#.to_owned(), "abcdef"),
            (r#"Some("{\"refresh_token\":\"abcdef0123\"}")"#.to_owned(), "abcdef"),
            ("https://user:hunter2@proxy.example:8080/".to_owned(), "hunter2"),
            ("https://user:hun@ter2@proxy.example:8080/".to_owned(), "ter2"),
            ("password = hunter2".to_owned(), "hunter2"),
            ("Basic authorization: hunter2".to_owned(), "hunter2"),
            ("cookie: password = hunter2".to_owned(), "hunter2"),
            ("\x1b[31msk-\x1b[0mabc123DEF456".to_owned(), "abc123"),
            ("sk-abc\u{0}123DEF456".to_owned(), "123"),
            ("\x1b[ sk-abc123DEF456".to_owned(), "abc123"),
            ("clésk-abc123DEF456".to_owned(), "abc123"),
        ] {
            let shown = redact(&text);
            assert!(!shown.contains(secret), "{text} -> {shown}");
            assert!(shown.contains(HIDDEN), "{text} -> {shown}");
        }
    }

    #[test]
    fn ordinary_words_survive() {
        let text = "ERROR codex_core::tools::router: error=image generation failed: http 429 Too Many Requests\n\tat task-runner";
        assert_eq!(redact(text), text);
        assert_eq!(redact("see https://example.org/a@b"), "see https://example.org/a@b");
    }

    #[test]
    fn the_tail_keeps_the_end_in_whole_lines() {
        let mut tail = Tail::new(16);
        tail.push(b"first line\n");
        assert_eq!(tail.text(), "first line");
        tail.push(b"second line\nthird");
        assert_eq!(tail.text(), "third");
        tail.push(&[b'x'; 100]);
        assert_eq!(tail.text(), "", "a line without its beginning is not shown");
    }

    #[test]
    fn a_secret_across_the_edge_of_two_chunks_is_redacted() {
        let text = b"key sk-proj-abcdefghijklmnop end";
        for at in 0..text.len() {
            let mut tail = Tail::new(1000);
            tail.push(&text[..at]);
            tail.push(&text[at..]);
            assert_eq!(tail.text(), "key [redacted] end");
        }
    }

    #[test]
    fn a_flood_costs_no_memory() {
        let mut tail = Tail::new(1 << 10);
        for _ in 0..10_000 {
            tail.push(&[b'x'; 4 << 10]);
        }
        assert!(tail.bytes.capacity() <= 4 << 10);
    }
}
