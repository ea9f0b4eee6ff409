//! The end of a stream, kept in bounded memory.

use std::collections::VecDeque;

use super::printable::printable;
use super::redact::Redactor;

/// The last bytes of a stream.
#[derive(Debug)]
pub struct Tail {
    bytes: VecDeque<u8>,
    shown: usize,
    cut: bool,
}

impl Tail {
    /// Shows at most `shown` bytes. Keeps twice as many: at the edge may be the end of a secret,
    /// which is not recognised without its beginning.
    #[must_use]
    pub const fn new(shown: usize) -> Self {
        Self { bytes: VecDeque::new(), shown, cut: false }
    }

    /// Appends `bytes`, and drops the oldest.
    pub fn push(&mut self, bytes: &[u8]) {
        let cap = 2 * self.shown;
        let surplus = (self.bytes.len() + bytes.len()).saturating_sub(cap);
        self.cut |= surplus > 0;
        self.bytes.drain(..surplus.min(self.bytes.len()));
        let bytes = &bytes[bytes.len().saturating_sub(cap)..];
        self.bytes.extend(bytes);
    }

    /// The end as readable text without secrets.
    #[must_use]
    pub fn text(&self) -> String {
        self.redacted(&Redactor::default())
    }

    /// The last line that is not blank, as readable text. It is not redacted: interpret it, but
    /// never show it.
    #[must_use]
    pub fn last_line(&self) -> Option<String> {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        printable(&text).lines().map(str::trim).rfind(|line| !line.is_empty()).map(str::to_owned)
    }

    /// The end as readable text, without what `redactor` hides.
    #[must_use]
    pub fn redacted(&self, redactor: &Redactor) -> String {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        let text = redactor.redact(&String::from_utf8_lossy(&bytes));
        let start = match text.len().checked_sub(self.shown) {
            Some(surplus @ 1..) => text.ceil_char_boundary(surplus),
            // So much was redacted that the edge would be shown.
            _ if self.cut => text.find('\n').unwrap_or(text.len()),
            _ => 0,
        };
        text[start..].trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept() {
        let mut tail = Tail::new(16);
        tail.push(b"first line\n");
        assert_eq!(tail.text(), "first line");
        tail.push(b"second line\nthird");
        assert_eq!(tail.text(), "econd line\nthird");
        tail.push("é".repeat(100).as_bytes());
        assert_eq!(tail.text(), "é".repeat(8), "a line that is longer is not lost");
        tail.push("x".repeat(100).as_bytes());
        assert_eq!(tail.text(), "x".repeat(16));
    }

    #[test]
    fn the_last_line_is_whole_and_printable() {
        let mut tail = Tail::new(1000);
        assert_eq!(tail.last_line(), None);
        tail.push(b"first\n\x1b[31mrefresh token: 503\x1b[0m\r\n \n");
        assert_eq!(tail.last_line().as_deref(), Some("refresh token: 503"));
    }

    #[test]
    fn half_a_secret_is_not_shown() {
        let secret = format!("sk-{}", "aB3".repeat(5));
        for noise in 0..80 {
            let mut tail = Tail::new(32);
            tail.push(format!("{secret}{}\nthe end", " ".repeat(noise)).as_bytes());
            let text = tail.text();
            assert!(!text.contains("aB3") && text.ends_with("the end"), "{noise}: {text}");
        }
        // What is taken out makes room for the edge.
        let mut tail = Tail::new(64);
        tail.push(format!("{0}\n{0} the end", format!("sk-{}", "aB3".repeat(30))).as_bytes());
        assert_eq!(tail.text(), "[redacted] the end");
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
        assert!(tail.bytes.capacity() <= 8 << 10);
    }
}
