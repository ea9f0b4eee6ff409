//! Runs one `codex exec`: starts it, writes its prompt, reads its output, stops it.
//!
//! Writes and reads concurrently: a child that does not read its stdin blocks the writer, and a
//! child whose full pipes are not read blocks itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::ThreadId;
use super::events::{ExecEvent, Transcript};
use super::failure::StderrDigest;
use super::line_sink::LineSink;
use crate::process::{Child, Exit, Program, Reader, RunTag, Sink, StopMode, Stopped, read, spawn};
use crate::progress::{Phase, Progress};
use crate::text::lines::Lines;
use crate::text::redact::Redactor;

/// Longest line that is read, in bytes. Events of Codex are small, except for those that quote the
/// output of a command.
const LINE_BYTES: usize = 1 << 20;

/// Grace period of the stop after the image. SIGTERM ends Codex within 36 ms. After SIGINT it first
/// finishes its work on the image, which takes up to 311 ms (0.169.0, 3 MB). This package stops
/// Codex's descendants in either case.
pub const IMAGE_GRACE: Duration = Duration::from_millis(500);
/// Longest wait for Codex's exit after it has reported the end of the turn. It exits within 336 ms
/// (0.132.0) or 86 ms (0.144.6, 0.171.0; five measurements each).
pub const END_GRACE: Duration = Duration::from_secs(3);

/// Running turn. Dropping it kills the whole process tree.
#[derive(Debug)]
pub struct Turn {
    child: Child,
    output: Arc<Mutex<TurnOutput>>,
    status: watch::Receiver<TurnStatus>,
    /// Task that writes stdin. Aborted on drop, in case the child does not read.
    _writer: AbortOnDropHandle<()>,
    readers: [Reader; 2],
    redactor: Redactor,
}

/// State of a running turn.
#[derive(Debug, Clone, Default)]
pub struct TurnStatus {
    /// Thread of the turn, once it has started.
    pub thread: Option<ThreadId>,
    /// Number of reconnects since the agent's last message or command.
    pub reconnects: u64,
    /// Whether Codex has reported the end of the turn.
    pub has_ended: bool,
}

/// Output of a turn.
#[derive(Debug, Default)]
pub struct TurnOutput {
    /// Events on stdout.
    pub transcript: Transcript,
    /// Reports on stderr.
    pub stderr: StderrDigest,
}

/// Turn whose processes are stopped.
#[derive(Debug)]
pub struct FinishedTurn {
    /// Exit status of Codex.
    pub exit: Exit,
    /// Whether descendants may still be running.
    pub may_have_survivors: bool,
    /// Output of Codex.
    pub output: TurnOutput,
    /// Redactor for the output.
    pub redactor: Redactor,
}

impl Turn {
    /// Starts `program` and writes `prompt` to its stdin. Blocks until the program is running.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn start(program: &Program, tag: RunTag, prompt: String, progress: Progress) -> std::io::Result<Self> {
        let (child, pipes) = spawn(program, tag)?;
        let output = Arc::new(Mutex::new(TurnOutput::default()));
        let (sender, status) = watch::channel(TurnStatus::default());
        let redactor = progress.redactor().clone();
        let events = EventHandler { output: Arc::clone(&output), status: sender, progress };
        let stderr = StderrSink { lines: Lines::new(LINE_BYTES), output: Arc::clone(&output) };
        let readers = [
            read(pipes.stdout, LineSink::new(LINE_BYTES, move |line| events.handle(line)))?,
            read(pipes.stderr, stderr)?,
        ];
        Ok(Self { child, output, status, _writer: write(pipes.stdin, prompt), readers, redactor })
    }

    /// Returns a receiver of the turn's status.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<TurnStatus> {
        self.status.clone()
    }

    /// Resolves when Codex itself has exited.
    pub async fn exited(&mut self) {
        self.child.exited().await;
    }

    /// Stops the whole process tree, then reads the rest of the output.
    pub async fn stop(self, mode: StopMode) -> FinishedTurn {
        let child = self.child;
        // Fails only if the runtime is shutting down. The tree was then stopped by its drop.
        let lost = Stopped { exit: Exit::Code(-1), may_have_survivors: false };
        let stopped = tokio::task::spawn_blocking(move || child.stop(mode)).await.unwrap_or(lost);
        for reader in self.readers {
            reader.finish().await;
        }
        let output = std::mem::take(&mut *lock(&self.output));
        let Stopped { exit, may_have_survivors } = stopped;
        FinishedTurn { exit, may_have_survivors, output, redactor: self.redactor }
    }
}

/// Writes `prompt` and closes stdin, since Codex reads stdin to its end first (all versions).
fn write(mut stdin: impl AsyncWrite + Unpin + Send + 'static, prompt: String) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        // If the child closes its stdin early, its exit status and stderr explain the failure
        // better than this error.
        let _ = stdin.write_all(prompt.as_bytes()).await;
    }))
}

fn lock(output: &Mutex<TurnOutput>) -> MutexGuard<'_, TurnOutput> {
    // The output remains valid even if a holder of the lock panicked.
    output.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sink that adds stderr to the output.
struct StderrSink {
    lines: Lines,
    output: Arc<Mutex<TurnOutput>>,
}

impl Sink for StderrSink {
    fn take(&mut self, bytes: &[u8]) {
        let stderr = &mut lock(&self.output).stderr;
        stderr.tail.push(bytes);
        self.lines.push(bytes, |line| stderr.note(line));
    }

    fn end(&mut self) {
        let stderr = &mut lock(&self.output).stderr;
        self.lines.finish(|line| stderr.note(line));
    }
}

/// Updates transcript, status and progress by the events on stdout.
#[derive(Debug)]
struct EventHandler {
    output: Arc<Mutex<TurnOutput>>,
    status: watch::Sender<TurnStatus>,
    progress: Progress,
}

impl EventHandler {
    fn handle(&self, line: &[u8]) {
        let Some(event) = ExecEvent::parse(line) else { return };
        if matches!(event, ExecEvent::ThreadStarted(_)) && self.status.borrow().thread.is_some() {
            return;
        }
        lock(&self.output).transcript.note(&event);
        self.status.send_if_modified(|status| match &event {
            ExecEvent::ThreadStarted(thread) => {
                status.thread = Some(thread.clone());
                self.progress.set_thread(thread.as_arc());
                true
            }
            ExecEvent::Reconnecting(_) => {
                status.reconnects += 1;
                true
            }
            ExecEvent::Message(_) | ExecEvent::CommandStarted => std::mem::take(&mut status.reconnects) > 0,
            ExecEvent::TurnCompleted(_) | ExecEvent::TurnFailed(_) => !std::mem::replace(&mut status.has_ended, true),
            ExecEvent::Error(_) => false,
        });
        match &event {
            ExecEvent::ThreadStarted(_) => self.progress.report(Phase::Started, "Codex has started"),
            ExecEvent::Message(text) => self.progress.report(Phase::Message, text),
            ExecEvent::CommandStarted => self.progress.report(Phase::Command, "Codex runs a command"),
            ExecEvent::Reconnecting(text) => self.progress.report(Phase::Reconnecting, text),
            ExecEvent::Error(_) | ExecEvent::TurnCompleted(_) | ExecEvent::TurnFailed(_) => {}
        }
    }
}
