//! Text that this package did not write, made safe to show: bounded, printable, without secrets.

pub mod lines;
pub mod printable;
pub mod redact;
pub mod tail;

/// The longest name that stands in a sentence, in characters.
const NAME_CHARS: usize = 100;
/// How much of a name is looked at, in bytes.
const LONGEST_NAME_BYTES: usize = 4 << 10;

/// A name from outside of this package, without secrets and cut, as it may stand between backticks
/// in a message.
#[must_use]
pub fn name(text: &str) -> String {
    let text = redact::redact(beginning(text, LONGEST_NAME_BYTES));
    printable::one_line(&text, NAME_CHARS).replace('`', "'")
}

/// The beginning of `text`, at most `bytes` of it. A word that would be torn is left out, unless it
/// takes more than half of the place: half a secret is not recognised as one.
#[must_use]
pub fn beginning(text: &str, bytes: usize) -> &str {
    let start = &text[..text.floor_char_boundary(bytes)];
    if start.len() == text.len() || text[start.len()..].starts_with(char::is_whitespace) {
        return start;
    }
    match start.rfind(char::is_whitespace) {
        Some(end) if end > bytes / 2 => &start[..end],
        _ => start,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_printable() {
        assert_eq!(name("my-relay"), "my-relay");
        assert_eq!(name("a\u{202e}b\n\u{1b}[31m`c`\u{200b}"), "ab 'c'");
        assert_eq!(name(&"x".repeat(10_000)).chars().count(), NAME_CHARS);
        assert_eq!(
            name(&format!("at https://me:{}@example.org", "aB3".repeat(5))),
            "at https://[redacted]@example.org"
        );
    }

    #[test]
    fn a_beginning_ends_with_a_whole_word() {
        assert_eq!(beginning("one two three", 100), "one two three");
        assert_eq!(beginning("one two three", 9), "one two");
        assert_eq!(beginning("one two three", 7), "one two");
        assert_eq!(beginning("a longword", 8), "a longwo", "half of it would be lost");
        assert_eq!(beginning("ééé", 3), "é");
    }
}
