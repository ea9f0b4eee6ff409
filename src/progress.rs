//! Reports the progress of a running call.

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
    /// Searching for the CLI and checking its login.
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
    /// The image file has appeared.
    Image,
    /// An image was validated, or Codex has finished and its files are being searched.
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

/// A progress event.
#[derive(Debug, Clone)]
pub struct Event {
    /// The step.
    pub phase: Phase,
    /// One printable line of at most [`MESSAGE_CHARS`] characters, redacted.
    pub message: String,
    /// Time since the call began.
    pub elapsed: Duration,
    /// The thread of the turn, once known.
    pub thread_id: Option<Arc<str>>,
}

/// Maximum length of a message in characters. Listeners store messages and show each in one row.
pub const MESSAGE_CHARS: usize = 200;
/// Number of bytes of a message that are read: more than [`MESSAGE_CHARS`] usually need.
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
    /// Passes every event to `listener`. The call begins now.
    #[must_use]
    pub fn new(listener: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self {
            began: Instant::now(),
            thread_id: Arc::default(),
            redactor: Redactor::default(),
            listener: Arc::new(listener),
        }
    }

    /// Returns a clone that redacts messages with `redactor`.
    #[must_use]
    pub fn redacted(&self, redactor: Redactor) -> Self {
        Self { redactor, ..self.clone() }
    }

    /// The redactor of messages.
    #[must_use]
    pub const fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// The time at which the call began.
    #[must_use]
    pub const fn began(&self) -> Instant {
        self.began
    }

    /// Sets the thread of the turn. All later events carry it, those of clones as well. Only the
    /// first call has an effect.
    pub fn set_thread(&self, thread_id: &Arc<str>) {
        // Fails only if the thread is set already.
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
