//! What `codex exec --json` prints: one JSON object a line (all versions).
//!
//! No event reports images in any version. What is read: the thread, the agent's messages and
//! commands, failures, and what the turn cost. `error` events and `error` items occur in successful
//! runs too; only `turn.failed` is final.

use serde::Deserialize;

use super::ThreadId;
use super::prompt::UNAVAILABLE;
use crate::text::beginning;
use crate::text::tail::Tail;

/// One line of stdout, as far as it matters.
#[derive(Debug, PartialEq, Eq)]
pub enum ExecEvent {
    /// The first line of a turn.
    ThreadStarted(ThreadId),
    /// A message of the agent.
    Message(String),
    /// The agent has begun to run a command.
    CommandStarted,
    /// Codex connects anew: "Reconnecting... 2/5 (…)" (all versions).
    Reconnecting(String),
    /// Something else went wrong that Codex itself may get over.
    Trouble(String),
    /// The turn is over, and well.
    TurnCompleted(Option<Usage>),
    /// The turn is over, and not well.
    TurnFailed(String),
}

/// Tokens of one turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Usage {
    /// Tokens sent.
    #[serde(default)]
    pub input_tokens: u64,
    /// Tokens of these that the backend had cached.
    #[serde(default)]
    pub cached_input_tokens: u64,
    /// Tokens received.
    #[serde(default)]
    pub output_tokens: u64,
    /// Tokens of these spent on reasoning; absent in older versions.
    pub reasoning_output_tokens: Option<u64>,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Line {
    #[serde(rename = "thread.started")]
    ThreadStarted { thread_id: String },
    #[serde(rename = "item.started")]
    ItemStarted { item: Item },
    #[serde(rename = "item.completed")]
    ItemCompleted { item: Item },
    #[serde(rename = "turn.completed")]
    TurnCompleted { usage: Option<Usage> },
    #[serde(rename = "turn.failed")]
    TurnFailed { error: Message },
    #[serde(rename = "error")]
    Error { message: String },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Item {
    AgentMessage {
        text: String,
    },
    CommandExecution {},
    Error {
        message: String,
    },
    #[serde(other)]
    Other,
}

impl ExecEvent {
    /// Reads one line. A line that is no event, or none that matters, is none.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        match serde_json::from_slice(line).ok()? {
            Line::ThreadStarted { thread_id } => ThreadId::parse(&thread_id).map(Self::ThreadStarted),
            Line::ItemStarted { item: Item::CommandExecution {} } => Some(Self::CommandStarted),
            Line::ItemCompleted { item: Item::AgentMessage { text } } => Some(Self::Message(text)),
            Line::ItemCompleted { item: Item::Error { message } } | Line::Error { message } => {
                let is_anew = message.starts_with("Reconnecting");
                Some(if is_anew { Self::Reconnecting(message) } else { Self::Trouble(message) })
            }
            Line::TurnCompleted { usage } => Some(Self::TurnCompleted(usage)),
            Line::TurnFailed { error } => Some(Self::TurnFailed(error.message)),
            Line::ItemStarted { .. } | Line::ItemCompleted { .. } | Line::Other => None,
        }
    }
}

/// How much of the agent's messages is shown, in bytes.
const WORDS_BYTES: usize = 8 << 10;
/// How much of any other message is kept, in bytes. The backend's JSON in `turn.failed` has some
/// hundred.
pub const MESSAGE_BYTES: usize = 16 << 10;

/// What is remembered of a turn's events. Bounded, however long the turn.
#[derive(Debug)]
pub struct Transcript {
    /// The thread, once it has started.
    pub thread: Option<ThreadId>,
    /// The end of the agent's messages.
    pub words: Tail,
    /// Whether the agent answered that it has no image tool.
    pub says_unavailable: bool,
    /// The last trouble that Codex reported.
    pub trouble: Option<String>,
    /// The message of its last reconnect.
    pub reconnecting: Option<String>,
    /// Why the turn failed.
    pub failed: Option<String>,
    /// Whether the turn completed.
    pub completed: bool,
    /// What the turn cost, if it completed.
    pub usage: Option<Usage>,
}

impl Default for Transcript {
    fn default() -> Self {
        Self {
            thread: None,
            words: Tail::new(WORDS_BYTES),
            says_unavailable: false,
            trouble: None,
            reconnecting: None,
            failed: None,
            completed: false,
            usage: None,
        }
    }
}

impl Transcript {
    /// Whether Codex has reported that the turn succeeded.
    #[must_use]
    pub const fn has_succeeded(&self) -> bool {
        self.completed && self.failed.is_none()
    }

    /// Takes in one event. Only the first thread counts: the agent's own threads, or a line that it
    /// made Codex print, never lead to another store.
    pub fn note(&mut self, event: &ExecEvent) {
        match event {
            ExecEvent::ThreadStarted(thread) => _ = self.thread.get_or_insert_with(|| thread.clone()),
            ExecEvent::Message(text) => {
                self.says_unavailable |= text.lines().any(|line| line.trim() == UNAVAILABLE);
                self.words.push(text.as_bytes());
                self.words.push(b"\n");
            }
            ExecEvent::Reconnecting(message) => {
                let message = beginning(message, MESSAGE_BYTES);
                self.reconnecting = Some(message.to_owned());
                self.trouble = Some(message.to_owned());
            }
            ExecEvent::Trouble(message) => self.trouble = Some(beginning(message, MESSAGE_BYTES).to_owned()),
            ExecEvent::TurnFailed(message) => self.failed = Some(beginning(message, MESSAGE_BYTES).to_owned()),
            ExecEvent::TurnCompleted(usage) => {
                self.completed = true;
                self.usage = *usage;
            }
            ExecEvent::CommandStarted => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<ExecEvent> {
        ExecEvent::parse(line.as_bytes())
    }

    #[test]
    fn known_lines_become_events() {
        let id = "019e5f2a-7c44-7bb0-9d3e-0123456789ab";
        assert_eq!(
            parse(&format!(r#"{{"type":"thread.started","thread_id":"{id}"}}"#)),
            Some(ExecEvent::ThreadStarted(ThreadId::parse(id).unwrap()))
        );
        assert_eq!(
            parse(r#"{"type":"item.completed","item":{"id":"item_0","type":"agent_message","text":"hi"}}"#),
            Some(ExecEvent::Message("hi".into()))
        );
        assert_eq!(
            parse(
                r#"{"type":"item.started","item":{"id":"i","type":"command_execution","command":"cp a b","status":"in_progress"}}"#
            ),
            Some(ExecEvent::CommandStarted)
        );
        assert_eq!(
            parse(r#"{"type":"turn.failed","error":{"message":"no"}}"#),
            Some(ExecEvent::TurnFailed("no".into()))
        );
        assert_eq!(
            parse(r#"{"type":"turn.completed","usage":{"input_tokens":3,"cached_input_tokens":1,"output_tokens":2}}"#),
            Some(ExecEvent::TurnCompleted(Some(Usage {
                input_tokens: 3,
                cached_input_tokens: 1,
                output_tokens: 2,
                reasoning_output_tokens: None
            })))
        );
    }

    #[test]
    fn what_is_unknown_or_broken_is_passed_over() {
        for line in [
            "",
            "Reading prompt from stdin...",
            "{",
            "null",
            "[]",
            r#"{"type":"thread.started","thread_id":"../../x"}"#,
            r#"{"type":"something.new","x":1}"#,
            r#"{"type":"item.completed","item":{"type":"something_new"}}"#,
            r#"{"type":"item.updated","item":{"type":"todo_list"}}"#,
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
        assert_eq!(ExecEvent::parse(b"\xff\xfe{\"type\":\"x\"}"), None);
    }

    #[test]
    fn the_first_thread_stays_and_messages_are_kept_in_part() {
        let (first, second) = ("019e5f2a-7c44-7bb0-9d3e-0123456789ab", "019e5f2a-7c44-7bb0-9d3e-0123456789ac");
        let mut transcript = Transcript::default();
        for id in [first, second] {
            transcript.note(&ExecEvent::ThreadStarted(ThreadId::parse(id).unwrap()));
        }
        assert_eq!(transcript.thread, ThreadId::parse(first));
        let long = format!("{}é", "x".repeat(MESSAGE_BYTES - 1)).repeat(60);
        transcript.note(&ExecEvent::Trouble(long.clone()));
        transcript.note(&ExecEvent::TurnFailed(long));
        for kept in [transcript.trouble, transcript.failed] {
            assert_eq!(kept.unwrap(), "x".repeat(MESSAGE_BYTES - 1));
        }
    }

    #[test]
    fn a_failure_outweighs_a_completion() {
        let mut transcript = Transcript::default();
        assert!(!transcript.has_succeeded());
        transcript.note(&ExecEvent::TurnCompleted(None));
        assert!(transcript.has_succeeded());
        transcript.note(&ExecEvent::TurnFailed("x".into()));
        assert!(!transcript.has_succeeded());
    }

    #[test]
    fn the_sentinel_counts_only_as_a_whole_line() {
        let says = |text: &str| {
            let mut transcript = Transcript::default();
            transcript.note(&ExecEvent::Message(text.into()));
            transcript.says_unavailable
        };
        assert!(says("IMAGE_GEN_UNAVAILABLE"));
        assert!(says("sorry\n  IMAGE_GEN_UNAVAILABLE \n"));
        assert!(!says("I will not answer IMAGE_GEN_UNAVAILABLE"));
        assert!(!says("`IMAGE_GEN_UNAVAILABLE`"));
    }
}
