//! Keeps the end of a stream in bounded memory.

use std::collections::VecDeque;

use super::printable::printable;
use super::redact::Redactor;

/// The last bytes of a stream.
#[derive(Debug)]
pub struct Tail {
    bytes: VecDeque<u8>,
    max_shown_bytes: usize,
    /// Whether older bytes were dropped.
    is_cut: bool,
}

impl Tail {
    /// Creates a tail that shows at most `max_shown_bytes`.
    ///
    /// It keeps twice as many bytes, because the redactor does not recognise a secret whose
    /// beginning is missing.
    #[must_use]
    pub const fn new(max_shown_bytes: usize) -> Self {
        Self { bytes: VecDeque::new(), max_shown_bytes, is_cut: false }
    }

    /// Appends `bytes` and drops the oldest.
    pub fn push(&mut self, bytes: &[u8]) {
        let cap = 2 * self.max_shown_bytes;
        let surplus = (self.bytes.len() + bytes.len()).saturating_sub(cap);
        self.is_cut |= surplus > 0;
        self.bytes.drain(..surplus.min(self.bytes.len()));
        let bytes = &bytes[bytes.len().saturating_sub(cap)..];
        self.bytes.extend(bytes);
    }

    /// Returns the tail as printable text without secrets.
    #[must_use]
    pub fn text(&self) -> String {
        self.redacted(&Redactor::default())
    }

    /// Returns the last line that is not blank, as printable text. For matching only, never to be
    /// shown: it is not redacted.
    #[must_use]
    pub fn last_line(&self) -> Option<String> {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        printable(&text).lines().map(str::trim).rfind(|line| !line.is_empty()).map(str::to_owned)
    }

    /// Returns the tail as printable text, redacted by `redactor`.
    #[must_use]
    pub fn redacted(&self, redactor: &Redactor) -> String {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        let text = redactor.redact(&String::from_utf8_lossy(&bytes));
        let start = match text.len().checked_sub(self.max_shown_bytes) {
            Some(surplus @ 1..) => text.ceil_char_boundary(surplus),
            // Redaction shortened the text so much that the cut first line would be shown.
            _ if self.is_cut => text.find('\n').unwrap_or(text.len()),
            _ => 0,
        };
        text[start..].trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_end_of_the_stream() {
        let mut tail = Tail::new(16);
        tail.push(b"first line\n");
        assert_eq!(tail.text(), "first line");
        tail.push(b"second line\nthird");
        assert_eq!(tail.text(), "econd line\nthird");
        tail.push("é".repeat(100).as_bytes());
        assert_eq!(tail.text(), "é".repeat(8), "a line that is longer is cut, not dropped");
        tail.push("x".repeat(100).as_bytes());
        assert_eq!(tail.text(), "x".repeat(16));
    }

    #[test]
    fn returns_the_last_line_whole_and_printable() {
        let mut tail = Tail::new(1000);
        assert_eq!(tail.last_line(), None);
        tail.push(b"first\n\x1b[31mrefresh token: 503\x1b[0m\r\n \n");
        assert_eq!(tail.last_line().as_deref(), Some("refresh token: 503"));
    }

    #[test]
    fn does_not_show_half_a_secret() {
        let secret = format!("sk-{}", "aB3".repeat(5));
        for noise in 0..80 {
            let mut tail = Tail::new(32);
            tail.push(format!("{secret}{}\nthe end", " ".repeat(noise)).as_bytes());
            let text = tail.text();
            assert!(!text.contains("aB3") && text.ends_with("the end"), "{noise}: {text}");
        }
        // Redaction shortens the text to less than the limit; the cut beginning stays hidden.
        let mut tail = Tail::new(64);
        tail.push(format!("{0}\n{0} the end", format!("sk-{}", "aB3".repeat(30))).as_bytes());
        assert_eq!(tail.text(), "[redacted] the end");
    }

    #[test]
    fn redacts_a_secret_that_spans_two_chunks() {
        let text = b"key sk-proj-abcdefghijklmnop end";
        for at in 0..text.len() {
            let mut tail = Tail::new(1000);
            tail.push(&text[..at]);
            tail.push(&text[at..]);
            assert_eq!(tail.text(), "key [redacted] end");
        }
    }

    #[test]
    fn a_flood_stays_within_the_memory_limit() {
        let mut tail = Tail::new(1 << 10);
        for _ in 0..10_000 {
            tail.push(&[b'x'; 4 << 10]);
        }
        assert!(tail.bytes.capacity() <= 8 << 10);
    }
}
