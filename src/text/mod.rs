//! Makes text from other programs safe to show: bounded, printable, without secrets.

pub mod lines;
pub mod pattern;
pub mod printable;
pub mod redact;
pub mod tail;

/// Longest name in a message, in characters.
const MAX_NAME_CHARS: usize = 100;
/// Longest input that [`name`] reads.
const MAX_NAME_INPUT_BYTES: usize = 4 << 10;

/// Returns an external name as one short printable line without secrets and backticks, so that a
/// message can quote it between backticks.
#[must_use]
pub fn name(text: &str) -> String {
    let text = redact::redact(beginning(text, MAX_NAME_INPUT_BYTES));
    printable::one_line(&text, MAX_NAME_CHARS).replace('`', "'")
}

/// Returns the beginning of `text`, at most `max_bytes` of it.
///
/// Leaves out a word that would be cut, because the redactor does not recognise half a secret. Cuts
/// a word if half of `max_bytes` would be lost without it.
#[must_use]
pub fn beginning(text: &str, max_bytes: usize) -> &str {
    let start = &text[..text.floor_char_boundary(max_bytes)];
    if start.len() == text.len() || text[start.len()..].starts_with(char::is_whitespace) {
        return start;
    }
    match start.rfind(char::is_whitespace) {
        Some(end) if end > max_bytes / 2 => &start[..end],
        _ => start,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortens_and_redacts_a_name() {
        assert_eq!(name("my-relay"), "my-relay");
        assert_eq!(name("a\u{202e}b\n\u{1b}[31m`c`\u{200b}"), "ab 'c'");
        assert_eq!(name(&"x".repeat(10_000)).chars().count(), MAX_NAME_CHARS);
        assert_eq!(
            name(&format!("at https://me:{}@example.org", "aB3".repeat(5))),
            "at https://[redacted]@example.org"
        );
    }

    #[test]
    fn a_beginning_ends_with_a_whole_word() {
        assert_eq!(beginning("one two three", 100), "one two three");
        assert_eq!(beginning("one two three", 13), "one two three");
        assert_eq!(beginning("one two three", 9), "one two");
        assert_eq!(beginning("one two three", 7), "one two");
        assert_eq!(beginning("12345 word", 8), "12345");
        assert_eq!(beginning("1234 words", 8), "1234 wor", "half of it would be lost");
        assert_eq!(beginning("ééé", 3), "é");
    }
}
