//! Splits a byte stream into lines, in bounded memory.

/// Splits bytes at line feeds.
///
/// Drops and counts lines longer than the cap. Strips a carriage return before the line feed and a
/// byte-order mark at the start of the stream. Skips empty lines.
#[derive(Debug)]
pub struct Lines {
    line: Vec<u8>,
    cap: usize,
    dropping: bool,
    at_start: bool,
    dropped: u64,
}

/// Largest line buffer that is kept for the next line.
const MAX_REUSED_BYTES: usize = 64 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Lines {
    /// Creates a splitter for lines of at most `cap` bytes.
    #[must_use]
    pub const fn new(cap: usize) -> Self {
        Self { line: Vec::new(), cap, dropping: false, at_start: true, dropped: 0 }
    }

    /// Appends `bytes` and passes every line that they complete to `on_line`.
    pub fn push(&mut self, mut bytes: &[u8], mut on_line: impl FnMut(&[u8])) {
        while let Some(at) = memchr::memchr(b'\n', bytes) {
            let (head, rest) = (&bytes[..at], &bytes[at + 1..]);
            bytes = rest;
            // Fast path without a copy: most lines arrive whole.
            if self.line.is_empty() && !self.dropping && head.len() <= self.cap {
                self.emit(head, &mut on_line);
            } else {
                self.keep(head);
                self.finish(&mut on_line);
            }
        }
        self.keep(bytes);
    }

    /// Passes a last line without a line feed to `on_line`.
    pub fn finish(&mut self, mut on_line: impl FnMut(&[u8])) {
        if std::mem::take(&mut self.dropping) {
            self.dropped += 1;
        } else if !self.line.is_empty() {
            let line = std::mem::take(&mut self.line);
            self.emit(&line, &mut on_line);
            // Reuses the buffer unless one long line made it large.
            if line.capacity() <= MAX_REUSED_BYTES {
                self.line = line;
            }
        }
        self.line.clear();
    }

    /// Number of lines dropped because they were too long.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn emit(&mut self, line: &[u8], on_line: &mut impl FnMut(&[u8])) {
        let line =
            if std::mem::take(&mut self.at_start) { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            on_line(line);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.dropping {
            return;
        }
        if self.line.len() + bytes.len() > self.cap {
            self.dropping = true;
            self.line = Vec::new();
        } else {
            self.line.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(chunks: &[&[u8]], cap: usize) -> (Vec<String>, u64) {
        let mut lines = Lines::new(cap);
        let mut seen = Vec::new();
        for chunk in chunks {
            lines.push(chunk, |line| seen.push(String::from_utf8_lossy(line).into_owned()));
        }
        lines.finish(|line| seen.push(String::from_utf8_lossy(line).into_owned()));
        (seen, lines.dropped())
    }

    #[test]
    fn chunk_boundaries_do_not_change_the_lines() {
        let text = b"\xef\xbb\xbfone\r\n\ntwo\xff\n  three\nfour";
        let whole = split(&[text], 100);
        assert_eq!(whole.0, ["one", "two\u{fffd}", "  three", "four"]);
        for at in 0..=text.len() {
            assert_eq!(split(&[&text[..at], &text[at..]], 100), whole, "cut at {at}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(split(&bytes, 100), whole);
    }

    #[test]
    fn drops_a_line_over_the_cap_and_keeps_the_next() {
        let long = [b'x'; 50];
        assert_eq!(split(&[&long, &long, b"\nshort\n"], 60), (vec!["short".to_owned()], 1));
        assert_eq!(split(&[&long, &long, b"more\nsh", b"ort\n"], 60), (vec!["short".to_owned()], 1));
        assert_eq!(split(&[&[b'x'; 61], b"\nshort"], 60), (vec!["short".to_owned()], 1));
        assert_eq!(split(&[&[&[b'x'; 61], b"\nshort".as_slice()].concat()], 60), (vec!["short".to_owned()], 1));
        assert_eq!(split(&[&[b'x'; 60], b"\n"], 60).1, 0);
    }

    #[test]
    fn reuses_its_buffer_unless_a_line_made_it_large() {
        let buffer_after = |length: usize| {
            let mut lines = Lines::new(1 << 20);
            lines.push(&vec![b'x'; length], |_| panic!("no line was ended"));
            lines.push(b"\n", |line| assert_eq!(line.len(), length));
            lines.line.capacity()
        };
        assert!(buffer_after(100) >= 100);
        assert!(buffer_after(64 << 10) >= 64 << 10);
        assert_eq!(buffer_after((64 << 10) + 1), 0);
    }

    #[test]
    fn buffers_nothing_of_an_endless_line() {
        let mut lines = Lines::new(1 << 10);
        for _ in 0..10_000 {
            lines.push(&[b'x'; 1 << 10], |_| panic!("no line was ended"));
        }
        assert_eq!(lines.line.capacity(), 0);
    }
}
