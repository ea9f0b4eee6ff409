//! Modes and result of stopping a process tree.
//!
//! There is no grace period on Windows: a console event reaches only processes of the same console,
//! and Codex has none. (On Unix SIGTERM ends Codex at once, without cleaning up.)

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::exit::Exit;

/// Way of stopping a tree.
#[derive(Debug)]
pub enum StopMode {
    /// Sends SIGTERM to all processes, and SIGKILL after the grace period. On Windows the same as
    /// [`Self::Kill`].
    Graceful {
        /// Time between SIGTERM and SIGKILL.
        grace: Duration,
        /// Cancelling it ends the grace period early.
        skip_grace: CancellationToken,
    },
    /// Sends SIGKILL to all processes: the child has exited by itself, or there is no time.
    Kill,
}

/// Result of stopping a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Exit status of the child itself.
    pub exit: Exit,
    /// Whether processes of the tree may still run: the system does not show all of them, or one
    /// survived SIGKILL.
    pub may_have_survivors: bool,
}
