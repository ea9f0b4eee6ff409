//! The result of a generation.

use std::time::Duration;

use super::aspect::Aspect;
use crate::codex::ThreadId;
use crate::codex::events::Usage;
use crate::provenance::FoundImage;

/// An image and facts about its generation.
#[derive(Debug)]
pub struct Generated {
    /// The image.
    pub image: FoundImage,
    /// The aspect ratio that was asked for, and that of the image; None if either is unknown.
    pub aspect: Option<Aspect>,
    /// The thread that drew it.
    pub thread: Option<ThreadId>,
    /// The CLI's version: that of its npm package, or the output of `--version`.
    pub codex_version: Option<String>,
    /// The tokens of the turn; None if it was stopped before Codex reported them.
    pub usage: Option<Usage>,
    /// Duration of each step.
    pub timings: Timings,
    /// Problems that did not affect the image, as sentences.
    pub warnings: Vec<String>,
}

/// Duration of each step of a call.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timings {
    /// Waiting for a free slot.
    pub queue: Duration,
    /// Finding the CLI, checking its login, creating the run directory.
    pub preflight: Duration,
    /// Copying the reference images, reading the state of the store, starting the process.
    pub start: Duration,
    /// From then until the image was complete on disk and validated; None if it was found only
    /// after Codex had ended.
    pub image: Option<Duration>,
    /// Stopping the tree and removing the run directory, without the search between the two for an
    /// image that was found only after Codex had ended.
    pub stop: Duration,
    /// The whole call.
    pub total: Duration,
}
