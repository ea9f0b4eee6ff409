//! How a tree of processes is stopped.
//!
//! Windows cannot ask a process without a window to end: a console event reaches only processes of
//! the same console, and Codex has none. So there is no grace on Windows either. (On Unix SIGTERM
//! ends Codex at once, too, without tidying up.)

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::exit::Exit;

/// How to stop a tree.
#[derive(Debug)]
pub enum StopMode {
    /// The child is to end: SIGTERM to everything, SIGKILL after the grace. On Windows as
    /// [`Self::Kill`].
    Graceful {
        /// Between SIGTERM and SIGKILL.
        grace: Duration,
        /// Ends the grace before its time.
        hurry: CancellationToken,
    },
    /// The child has ended by itself, or there is no time: SIGKILL to whatever is left.
    Kill,
}

/// What stopping a tree has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// How the child itself ended.
    pub exit: Exit,
    /// Whether processes of the tree may still run: the system does not show all of them, or one
    /// outlived its SIGKILL.
    pub may_have_survivors: bool,
}
