//! What a generation returns.

use std::time::Duration;

use crate::codex::ThreadId;
use crate::codex::events::Usage;
use crate::provenance::FoundImage;

/// A proven image and how it came about.
#[derive(Debug)]
pub struct Generated {
    /// The image.
    pub image: FoundImage,
    /// The thread that drew it.
    pub thread: Option<ThreadId>,
    /// The CLI's version: its npm package's, or its own answer.
    pub codex_version: Option<String>,
    /// What the turn cost, unless it was stopped before it reported that.
    pub usage: Option<Usage>,
    /// Where the time went.
    pub timings: Timings,
    /// What went wrong without spoiling the image.
    pub warnings: Vec<String>,
}

/// Where the time of a call went.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timings {
    /// Waiting for a free slot.
    pub queue: Duration,
    /// Finding the CLI, checking its login, making the workspace.
    pub preflight: Duration,
    /// Until the process ran.
    pub start: Duration,
    /// From then until the image was complete on disk and proven; unknown if it was found only
    /// after the end.
    pub image: Option<Duration>,
    /// Stopping the tree and removing the workspace.
    pub stop: Duration,
    /// The whole call.
    pub total: Duration,
}
