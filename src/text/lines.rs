//! Lines out of a stream of bytes, with bounded memory whatever comes.

/// Splits bytes at line feeds. A line longer than the cap is dropped as a whole and counted; what
/// follows it is not affected. A carriage return before the line feed and a byte-order mark at the
/// very beginning belong to no line.
#[derive(Debug)]
pub struct Lines {
    line: Vec<u8>,
    cap: usize,
    dropping: bool,
    at_start: bool,
    dropped: u64,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Lines {
    /// Lines of at most `cap` bytes.
    #[must_use]
    pub const fn new(cap: usize) -> Self {
        Self { line: Vec::new(), cap, dropping: false, at_start: true, dropped: 0 }
    }

    /// Takes in `bytes` and hands over every line that they complete.
    pub fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(&[u8])) {
        while let Some(at) = memchr::memchr(b'\n', bytes) {
            let (head, rest) = (&bytes[..at], &bytes[at + 1..]);
            bytes = rest;
            // Most lines arrive whole: those need no copy.
            if self.line.is_empty() && !self.dropping && head.len() <= self.cap {
                self.hand_over(head, &mut each);
            } else {
                self.keep(head);
                self.finish(&mut each);
            }
        }
        self.keep(bytes);
    }

    /// Hands over a last line that no line feed ended.
    pub fn finish(&mut self, mut each: impl FnMut(&[u8])) {
        if std::mem::take(&mut self.dropping) {
            self.dropped += 1;
        } else if !self.line.is_empty() {
            let line = std::mem::take(&mut self.line);
            self.hand_over(&line, &mut each);
            // The buffer is used again, unless one long line has made it large.
            if line.capacity() <= 64 << 10 {
                self.line = line;
            }
        }
        self.line.clear();
    }

    /// How many lines were too long.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn hand_over(&mut self, line: &[u8], each: &mut impl FnMut(&[u8])) {
        let line =
            if std::mem::take(&mut self.at_start) { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            each(line);
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
    fn the_result_does_not_depend_on_where_the_stream_is_cut() {
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
    fn a_line_over_the_cap_is_dropped_and_the_next_is_seen() {
        let long = [b'x'; 50];
        assert_eq!(split(&[&long, &long, b"\nshort\n"], 60), (vec!["short".to_owned()], 1));
        assert_eq!(split(&[&[b'x'; 61], b"\nshort"], 60), (vec!["short".to_owned()], 1));
        assert_eq!(split(&[&[b'x'; 60], b"\n"], 60).1, 0);
    }

    #[test]
    fn an_endless_line_costs_no_memory() {
        let mut lines = Lines::new(1 << 10);
        for _ in 0..10_000 {
            lines.push(&[b'x'; 1 << 10], |_| panic!("no line was ended"));
        }
        assert_eq!(lines.line.capacity(), 0);
    }
}
