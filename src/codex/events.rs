//! Parses the output of `codex exec --json`: one JSON object per line (all versions).
//!
//! No version reports images. This module reads the thread, the agent's messages and commands,
//! failures and the number of tokens. `error` events and `error` items occur in successful turns,
//! too; only `turn.failed` is final.

use serde::Deserialize;

use super::ThreadId;
use super::prompt::UNAVAILABLE;
use crate::text::beginning;
use crate::text::tail::Tail;

/// Event on stdout that this package uses.
#[derive(Debug, PartialEq, Eq)]
pub enum ExecEvent {
    /// Codex has started the thread. This is the first event of a turn.
    ThreadStarted(ThreadId),
    /// The agent has sent a message.
    Message(String),
    /// The agent has started a command.
    CommandStarted,
    /// Codex reconnects: "Reconnecting... 2/5 (…)" (all versions).
    Reconnecting(String),
    /// Another error occurred, from which Codex may recover.
    Error(String),
    /// The turn has succeeded.
    TurnCompleted(Option<Usage>),
    /// The turn has failed.
    TurnFailed(String),
}

/// Tokens of one turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Usage {
    /// Tokens sent.
    #[serde(default)]
    pub input_tokens: u64,
    /// Tokens sent that the backend had cached.
    #[serde(default)]
    pub cached_input_tokens: u64,
    /// Tokens received.
    #[serde(default)]
    pub output_tokens: u64,
    /// Tokens received that were spent on reasoning. Older versions do not report them.
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
    /// Parses one line. Returns `None` for anything but the events above.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        match serde_json::from_slice(line).ok()? {
            Line::ThreadStarted { thread_id } => ThreadId::parse(&thread_id).map(Self::ThreadStarted),
            Line::ItemStarted { item: Item::CommandExecution {} } => Some(Self::CommandStarted),
            Line::ItemCompleted { item: Item::AgentMessage { text } } => Some(Self::Message(text)),
            Line::ItemCompleted { item: Item::Error { message } } | Line::Error { message } => {
                let is_reconnect = message.starts_with("Reconnecting");
                Some(if is_reconnect { Self::Reconnecting(message) } else { Self::Error(message) })
            }
            Line::TurnCompleted { usage } => Some(Self::TurnCompleted(usage)),
            Line::TurnFailed { error } => Some(Self::TurnFailed(error.message)),
            Line::ItemStarted { .. } | Line::ItemCompleted { .. } | Line::Other => None,
        }
    }
}

/// Length of the tail of the agent's messages that is kept, in bytes.
const AGENT_MESSAGES_BYTES: usize = 8 << 10;
/// Longest beginning of any other message that is kept, in bytes. The backend's JSON in
/// `turn.failed` has some hundred.
pub const MESSAGE_BYTES: usize = 16 << 10;

/// Summary of a turn's events. Its size is bounded, however long the turn.
#[derive(Debug)]
pub struct Transcript {
    /// Thread of the turn, once it has started.
    pub thread: Option<ThreadId>,
    /// Tail of the agent's messages.
    pub agent_messages: Tail,
    /// Whether the agent answered that it has no image tool.
    pub reported_unavailable: bool,
    /// Message of the last error or reconnect.
    pub last_error: Option<String>,
    /// Message of the last reconnect.
    pub last_reconnect: Option<String>,
    /// Message of the failed turn.
    pub failed: Option<String>,
    /// Whether the turn completed.
    pub completed: bool,
    /// Tokens of the turn, if it completed.
    pub usage: Option<Usage>,
}

impl Default for Transcript {
    fn default() -> Self {
        Self {
            thread: None,
            agent_messages: Tail::new(AGENT_MESSAGES_BYTES),
            reported_unavailable: false,
            last_error: None,
            last_reconnect: None,
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

    /// Records one event. Keeps the first thread only, so that neither the agent's sub-threads nor
    /// a line that it made Codex print can redirect the search for the image.
    pub fn note(&mut self, event: &ExecEvent) {
        match event {
            ExecEvent::ThreadStarted(thread) => _ = self.thread.get_or_insert_with(|| thread.clone()),
            ExecEvent::Message(text) => {
                self.reported_unavailable |= text.lines().any(|line| line.trim() == UNAVAILABLE);
                self.agent_messages.push(text.as_bytes());
                self.agent_messages.push(b"\n");
            }
            ExecEvent::Reconnecting(message) => {
                let message = beginning(message, MESSAGE_BYTES);
                self.last_reconnect = Some(message.to_owned());
                self.last_error = Some(message.to_owned());
            }
            ExecEvent::Error(message) => self.last_error = Some(beginning(message, MESSAGE_BYTES).to_owned()),
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
    fn unknown_and_malformed_lines_are_ignored() {
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
    fn the_first_thread_is_kept_and_long_messages_are_cut() {
        let (first, second) = ("019e5f2a-7c44-7bb0-9d3e-0123456789ab", "019e5f2a-7c44-7bb0-9d3e-0123456789ac");
        let mut transcript = Transcript::default();
        for id in [first, second] {
            transcript.note(&ExecEvent::ThreadStarted(ThreadId::parse(id).unwrap()));
        }
        assert_eq!(transcript.thread, ThreadId::parse(first));
        let long = format!("{}é", "x".repeat(MESSAGE_BYTES - 1)).repeat(60);
        transcript.note(&ExecEvent::Error(long.clone()));
        transcript.note(&ExecEvent::TurnFailed(long));
        for kept in [transcript.last_error, transcript.failed] {
            assert_eq!(kept.unwrap(), "x".repeat(MESSAGE_BYTES - 1));
        }
    }

    #[test]
    fn a_failed_turn_has_not_succeeded_even_if_it_completed() {
        let mut transcript = Transcript::default();
        assert!(!transcript.has_succeeded());
        transcript.note(&ExecEvent::TurnCompleted(None));
        assert!(transcript.has_succeeded());
        transcript.note(&ExecEvent::TurnFailed("x".into()));
        assert!(!transcript.has_succeeded());
    }

    #[test]
    fn the_answer_that_there_is_no_image_tool_has_to_be_a_whole_line() {
        let is_reported = |text: &str| {
            let mut transcript = Transcript::default();
            transcript.note(&ExecEvent::Message(text.into()));
            transcript.reported_unavailable
        };
        assert!(is_reported("IMAGE_GEN_UNAVAILABLE"));
        assert!(is_reported("sorry\n  IMAGE_GEN_UNAVAILABLE \n"));
        assert!(!is_reported("I will not answer IMAGE_GEN_UNAVAILABLE"));
        assert!(!is_reported("`IMAGE_GEN_UNAVAILABLE`"));
    }
}
