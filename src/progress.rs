//! Progress of a running call.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::text::beginning;
use crate::text::printable::one_line;
use crate::text::redact::Redactor;

/// The step that a call has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for a free slot.
    Queued,
    /// Looking for the CLI and at its login.
    Preflight,
    /// The CLI is being started.
    Starting,
    /// Codex has opened its thread.
    Started,
    /// A message of the agent.
    Message,
    /// A command of the agent.
    Command,
    /// Codex reconnects to its backend.
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

/// One sign of progress.
#[derive(Debug, Clone)]
pub struct Event {
    /// The step.
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
/// How much of a message is read, in bytes: more than one line can show.
const MAX_READ_BYTES: usize = 1 << 10;

/// Reports progress to the listener, if there is one. Cheap to clone; never blocks.
#[derive(Clone)]
pub struct Progress {
    began: Instant,
    thread_id: Arc<OnceLock<Arc<str>>>,
    redactor: Redactor,
    listener: Arc<dyn Fn(Event) + Send + Sync>,
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress").field("began", &self.began).finish_non_exhaustive()
    }
}

impl Progress {
    /// Passes every event to `listener`, with the time since now.
    #[must_use]
    pub fn new(listener: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self {
            began: Instant::now(),
            thread_id: Arc::default(),
            redactor: Redactor::default(),
            listener: Arc::new(listener),
        }
    }

    /// The same, but hides what `redactor` hides.
    #[must_use]
    pub fn redacted(&self, redactor: Redactor) -> Self {
        Self { redactor, ..self.clone() }
    }

    /// Hides in a message what must not be shown.
    #[must_use]
    pub const fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Since when the time is counted.
    #[must_use]
    pub const fn began(&self) -> Instant {
        self.began
    }

    /// Names the thread of the turn. All later events carry it, of clones as well. Only the first
    /// name counts.
    pub fn set_thread(&self, thread_id: &Arc<str>) {
        // Fails only if the thread has a name already.
        let _ = self.thread_id.set(Arc::clone(thread_id));
    }

    /// Reports `message` as one printable line without secrets. Ignores a blank message.
    pub fn report(&self, phase: Phase, message: &str) {
        let message = one_line(&self.redactor.redact(beginning(message, MAX_READ_BYTES)), MESSAGE_CHARS);
        if !message.is_empty() {
            let thread_id = self.thread_id.get().cloned();
            (self.listener)(Event { phase, message, elapsed: self.began.elapsed(), thread_id });
        }
    }
}
