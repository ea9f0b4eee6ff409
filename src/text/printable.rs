//! Removes what misleads a terminal or a reader from text: escape sequences, control characters,
//! invisible characters.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::pattern::regex;

/// One or more terminal sequences (ECMA-48), in their 7-bit and 8-bit forms.
///
/// Matches only sequences with a known final byte. Of an unfinished sequence only the escape
/// character is removed later, so that the match cannot swallow the beginning of a secret.
pub(super) static SEQUENCES: LazyLock<Regex> = LazyLock::new(|| {
    regex(concat!(
        // OSC, DCS, SOS, PM, APC: titles, links, pictures. On one line, up to BEL or ST.
        r"(?:(?:\x1b[\]PX^_]|[\x{90}\x{98}\x{9d}-\x{9f}])[^\x07\x1b\x{9c}\n]*(?:\x07|\x1b\\|\x{9c})",
        // CSI: colours, cursor movements, modes.
        r#"|(?:\x1b\[|\x{9b})[0-?]*(?:[@-~]|[ "]q|!p|[$'*][@-~])"#,
        // Character sets, cursor and keypad.
        r"|\x1b(?:\([0B]|[78=>DEHMNOZ\\]))+",
    ))
});

/// Returns the text without terminal sequences, control characters and invisible characters.
///
/// Turns every kind of line break into `\n` and keeps tabs. Keeps joiners between visible
/// characters, as in emoji of several parts and in Persian or Hindi. Removes tag characters, even
/// in flags such as England's: models read text that is spelled in tags, people do not see it.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let text = SEQUENCES.replace_all(text, "");
    let mut shown = String::with_capacity(text.len());
    let mut last = Kept::Gap;
    let mut chars =
        text.chars().filter(|&c| is_break(c) || c == '\t' || !(c.is_control() || is_invisible(c))).peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        let (kept, kind) = match c {
            '\r' if next == Some('\n') => continue,
            c if is_break(c) => ('\n', Kept::Gap),
            c if c.is_whitespace() => (c, Kept::Gap),
            c if is_selector(c) && matches!(last, Kept::Visible) => (c, Kept::Selector),
            c if is_joiner(c) && !matches!(last, Kept::Gap | Kept::Joiner) && next.is_some_and(is_visible) => {
                (c, Kept::Joiner)
            }
            c if is_selector(c) || is_joiner(c) => continue,
            c => (c, Kept::Visible),
        };
        shown.push(kept);
        last = kind;
    }
    Cow::Owned(shown)
}

/// Kind of the character that was kept last.
enum Kept {
    Gap,
    Visible,
    Selector,
    Joiner,
}

/// Whether `c` is printable regardless of its neighbours.
fn is_plain(c: char) -> bool {
    matches!(c, ' '..='~' | '\n' | '\t') || !(c.is_control() || is_break(c) || is_attached(c) || is_invisible(c))
}

fn is_visible(c: char) -> bool {
    is_plain(c) && !c.is_whitespace()
}

/// Whether `c` ends a line.
const fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

const fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// Unicode's `Variation_Selector`.
const fn is_selector(c: char) -> bool {
    matches!(c, '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

const fn is_attached(c: char) -> bool {
    is_joiner(c) || is_selector(c)
}

/// Unicode's `Default_Ignorable_Code_Point` (16.0) without joiners and variation selectors, and
/// interlinear annotations: characters that reorder text, have no width or hide text.
const fn is_invisible(c: char) -> bool {
    !is_attached(c)
        && matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Returns the text as one printable line of at most `max_chars` characters.
///
/// Folds white space to single spaces. Replaces what does not fit with an ellipsis.
#[must_use]
pub fn one_line(text: &str, max_chars: usize) -> String {
    let text = printable(text);
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default().chars();
    let line = first.chain(words.flat_map(|word| [' '].into_iter().chain(word.chars())));
    // One character more than the limit shows that the text does not fit.
    let mut line: Vec<char> = line.take(max_chars + 1).collect();
    if line.len() > max_chars {
        let fitting = max_chars.saturating_sub(1);
        let text: String = line.iter().collect();
        let ends = GRAPHEME_CLUSTER.find_iter(&text).scan(0, |end, cluster| {
            *end += cluster.as_str().chars().count();
            Some(*end)
        });
        let end = ends.take_while(|&end| end <= fitting).last().filter(|&end| end >= fitting / 2).unwrap_or(fitting);
        line.truncate(end);
        while line.last().is_some_and(|c| c.is_whitespace()) {
            line.pop();
        }
        line.push('…');
    }
    line.into_iter().collect()
}

/// Unicode's extended grapheme clusters, as far as a cut line needs them: a flag, or a character
/// with its marks and all characters that joiners attach to it.
static GRAPHEME_CLUSTER: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?:\p{gcb=RI}{2}|.)(?:\u{200d}.|[\p{gcb=Extend}\p{gcb=SpacingMark}\u{200d}])*"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_terminal_sequences_whole() {
        for (text, shown) in [
            ("\u{1b}[1;31mred\u{1b}[0m", "red"),
            ("\u{1b}[38;2;1;2;3mred\u{1b}[m", "red"),
            ("\u{9b}31mred\u{9b}0m", "red"),
            ("\u{1b}[?25l\u{1b}[2J\u{1b}[Hhome", "home"),
            ("\u{1b}[2 qcursor\u{1b}[!preset", "cursorreset"),
            ("\u{1b}[?2026$pmode", "mode"),
            ("\u{1b}]0;a title\u{7}text", "text"),
            ("\u{1b}]8;;https://example.org\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{9d}0;a title\u{9c}text", "text"),
            ("\u{1b}P1$r0m\u{1b}\\text", "text"),
            ("\u{90}q#0\u{9c}text", "text"),
            ("\u{1b}_Ga=T;AAAA\u{1b}\\text", "text"),
            ("\u{1b}^private\u{1b}\\\u{1b}Xstring\u{1b}\\text", "text"),
            ("\u{1b}(B\u{1b}7\u{1b}8\u{1b}=\u{1b}Mtext", "text"),
            // Unfinished or unknown sequences: only the escape character goes.
            ("\u{1b}]0;no end", "]0;no end"),
            ("\u{1b}]0;no end\nnext\u{7}", "]0;no end\nnext"),
            ("a lone \u{1b} escape \u{1b}", "a lone  escape "),
            ("\u{1b}[12", "[12"),
        ] {
            assert_eq!(printable(text), shown, "{text:?}");
        }
    }

    #[test]
    fn removes_control_and_invisible_characters() {
        let all = ('\0'..=char::MAX).filter(|&c| c.is_control() || is_invisible(c)).filter(|&c| !is_break(c));
        for c in all.filter(|&c| c != '\t') {
            assert_eq!(printable(&format!("a{c}é")), "aé", "{c:?}");
        }
        // Characters seen in attacks that disguise text.
        for c in "\u{202a}\u{202e}\u{2066}\u{2069}\u{200b}\u{200e}\u{200f}\u{61c}\u{feff}\u{e0001}\u{e007f}".chars() {
            assert!(is_invisible(c), "{c:?}");
        }
        assert_eq!(printable("a\r\nb\rc\u{85}d\u{2028}e\u{2029}f\u{b}g\u{c}h\ti\n"), "a\nb\nc\nd\ne\nf\ng\nh\ti\n");
    }

    #[test]
    fn keeps_joiners_between_visible_characters() {
        for text in [
            "a family \u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{200d}\u{1f466}",
            "a heart on fire \u{2764}\u{fe0f}\u{200d}\u{1f525}",
            "a flag \u{1f1e9}\u{1f1ea}, a rainbow \u{1f3f3}\u{fe0f}\u{200d}\u{1f308}",
            "a key 1\u{fe0f}\u{20e3}, a hand \u{1f44b}\u{1f3fd}",
            "\u{0645}\u{06cc}\u{200c}\u{062e}\u{0648}\u{0627}\u{0647}\u{0645}",
            "\u{0915}\u{094d}\u{200d}\u{0937}",
            "\u{845b}\u{e0100}",
        ] {
            assert_eq!(printable(text), text);
        }
    }

    #[test]
    fn removes_joiners_that_join_nothing() {
        assert_eq!(printable("a\u{200d}\u{200c}\u{200d}b"), "a\u{200d}b");
        assert_eq!(printable("\u{200d}a \u{200c} b\u{200d}"), "a  b");
        assert_eq!(printable("a\u{200d} b\u{200c}\nc\u{200d}\u{fe0f}"), "a b\nc\u{fe0f}");
        assert_eq!(printable("a\u{fe0f}\u{fe00}\u{e0100}b"), "a\u{fe0f}b");
        assert_eq!(printable(" \u{fe0f}a"), " a");
        let england = "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}";
        assert_eq!(printable(england), "\u{1f3f4}");
    }

    #[test]
    fn leaves_printable_text_unchanged() {
        let all: String = ('\0'..=char::MAX).filter(|&c| is_plain(c)).collect();
        assert!(matches!(printable(&all), Cow::Borrowed(_)));
        for text in
            ["\u{1b}[31m\u{9b}x\u{1b}", "a\u{1b}\u{1b}[31m[31mb", "a\u{200d}\u{200b}\u{200d}b", "\u{1b}\u{200b}[31m"]
        {
            let once = printable(text).into_owned();
            assert_eq!(printable(&once), once, "{text:?}");
        }
    }

    #[test]
    fn folds_a_message_to_one_printable_line() {
        assert_eq!(one_line("  a\n\tb\u{0}c\r\n\u{1b}[31md\u{2028} e ", 200), "a bc d e");
        assert_eq!(one_line("", 200), "");
        assert_eq!(one_line("\n \n", 200), "");
    }

    #[test]
    fn cuts_a_long_message_to_the_limit_in_characters() {
        for text in ["é".repeat(1000), "ab ".repeat(1000), "x".repeat(201), format!("{} y", "x".repeat(199))] {
            let line = one_line(&text, 200);
            assert!(line.chars().count() <= 200, "{}", line.chars().count());
            assert!(line.ends_with('…') && !line.ends_with(" …"));
        }
        assert_eq!(one_line(&"x".repeat(200), 200), "x".repeat(200));
    }

    #[test]
    fn cuts_a_message_between_grapheme_clusters() {
        let family = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}";
        assert_eq!(one_line(&format!("aaaaaa{family}"), 10), "aaaaaa…");
        assert_eq!(one_line(&format!("aaaa{family} c"), 10), format!("aaaa{family}…"));
        // Nine characters fit, so only a part of the second cluster would.
        for one in [
            "\u{1f1e9}\u{1f1ea}",                  // a flag: two regional indicators
            "\u{1f468}\u{1f3fd}\u{200d}\u{1f33e}", // a skin tone within a family
            "1\u{fe0f}\u{20e3}",                   // a key
            "\u{5d0}\u{5b8}",
            "\u{e01}\u{e31}\u{e48}",
            "\u{915}\u{93f}", // vowels of Hebrew, Thai, Devanagari
            "o\u{1dce}\u{20d7}\u{fe20}",
        ] {
            let chars = one.chars().count();
            for before in 8 - chars..=8 {
                let line = one_line(&format!("{}{one}{one} c and more", "a".repeat(before)), 10);
                let whole = (9 - before) / chars;
                let expected = format!("{}{}", "a".repeat(before), one.repeat(whole.min(2)));
                assert!(
                    line.starts_with(&format!("{expected}…")) || line.starts_with(&format!("{expected} c")),
                    "{line:?}"
                );
            }
        }
        assert_eq!(one_line(&"e\u{301}".repeat(10), 10), format!("{}…", "e\u{301}".repeat(4)));
        // A cluster longer than the line is cut, also behind a short one.
        assert_eq!(one_line(&"\u{1f468}\u{200d}".repeat(100), 10).chars().count(), 10);
        assert_eq!(one_line(&format!("ab{}", "\u{1f468}\u{200d}".repeat(100)), 10).chars().count(), 10);
    }
}
