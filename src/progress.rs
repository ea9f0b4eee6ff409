//! What is said while a generation runs.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where in its story a generation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for a free place.
    Queued,
    /// Looking for the CLI and at its login.
    Preflight,
    /// The CLI is being started.
    Starting,
    /// Codex has opened its thread.
    Started,
    /// The agent says something.
    Message,
    /// The agent runs a command.
    Command,
    /// The connection to the backend is being made anew.
    Reconnecting,
    /// The first sign of the picture.
    Image,
    /// The picture is being proven.
    Checking,
    /// Codex is being stopped.
    Stopping,
}

impl Phase {
    /// The name that JavaScript sees.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Preflight => "preflight",
            Self::Starting => "starting",
            Self::Started => "started",
            Self::Message => "message",
            Self::Command => "command",
            Self::Reconnecting => "reconnecting",
            Self::Image => "image",
            Self::Checking => "checking",
            Self::Stopping => "stopping",
        }
    }
}

/// One thing said.
#[derive(Debug, Clone)]
pub struct Event {
    /// Where in the story.
    pub phase: Phase,
    /// One line of at most [`MESSAGE_CHARS`] characters, usable as it is.
    pub message: String,
    /// Time since the call.
    pub elapsed: Duration,
    /// The thread of the turn, once known.
    pub thread_id: Option<Arc<str>>,
}

/// The longest message, in characters: listeners store these lines and show them in one row.
pub const MESSAGE_CHARS: usize = 200;

/// Says things to whoever listens. Cheap to clone; never blocks.
#[derive(Clone)]
pub struct Progress {
    began: Instant,
    listener: Arc<dyn Fn(Event) + Send + Sync>,
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress").field("began", &self.began).finish_non_exhaustive()
    }
}

impl Progress {
    /// Everything said goes to `listener`, with the time since now.
    #[must_use]
    pub fn new(listener: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self { began: Instant::now(), listener: Arc::new(listener) }
    }

    /// Since when the time is counted.
    #[must_use]
    pub const fn began(&self) -> Instant {
        self.began
    }

    /// Says `message`, shortened to one line.
    pub fn say(&self, phase: Phase, message: &str, thread_id: Option<&Arc<str>>) {
        let message = one_line(message);
        (self.listener)(Event { phase, message, elapsed: self.began.elapsed(), thread_id: thread_id.cloned() });
    }
}

/// The text as one printable line of at most [`MESSAGE_CHARS`] characters: white space and control characters folded
/// to single spaces, what does not fit replaced by an ellipsis.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(4 * MESSAGE_CHARS));
    let mut chars = 0;
    let printable = |c: char| !c.is_whitespace() && !c.is_control();
    for word in text.split(|c| !printable(c)).filter(|word| !word.is_empty()) {
        if chars > 0 {
            line.push(' ');
            chars += 1;
        }
        for c in word.chars() {
            if chars >= MESSAGE_CHARS {
                let keep = line.char_indices().nth(MESSAGE_CHARS - 1).map_or(line.len(), |(at, _)| at);
                line.truncate(keep);
                line.truncate(line.trim_end().len());
                line.push('…');
                return line;
            }
            line.push(c);
            chars += 1;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_printable_line() {
        assert_eq!(one_line("  a\n\tb\u{0}c\r\n\u{1b}[31m d "), "a b c [31m d");
        assert_eq!(one_line(""), "");
        assert_eq!(one_line("\n \n"), "");
    }

    #[test]
    fn a_long_message_is_cut_to_the_limit_in_characters_not_bytes() {
        for text in ["é".repeat(1000), "ab ".repeat(1000), "x".repeat(201), format!("{} y", "x".repeat(199))] {
            let line = one_line(&text);
            assert!(line.chars().count() <= MESSAGE_CHARS, "{}", line.chars().count());
            assert!(line.ends_with('…'));
        }
        assert_eq!(one_line(&"x".repeat(200)), "x".repeat(200));
    }
}
