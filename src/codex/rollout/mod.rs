//! Reads Codex's rollout of a thread (all versions; there is none with `--ephemeral`):
//! `$CODEX_HOME/sessions/YYYY/MM/DD/rollout-<time>-<thread id>.jsonl`.
//!
//! It contains the images as base64, also those that Codex does not save to the store: in 0.140.0
//! and 0.141.0 images whose status stays `generating`, and from 0.144 on those that the backend's
//! hosted tool drew.

mod images;
mod locate;
mod sandbox;
#[cfg(test)]
mod tests;
mod watcher;

pub use images::{RecordedImage, images, images_in};
pub use sandbox::{RecordedSandbox, recorded_sandbox, recorded_sandbox_in};
pub use watcher::RolloutWatcher;

use std::time::Duration;

/// Directory in Codex's home that contains the rollouts.
pub const DIRECTORY: &str = "sessions";

/// Longest wait for the rollout, if nothing else can verify an image.
pub const ROLLOUT_TIMEOUT: Duration = Duration::from_millis(500);
/// Largest read of a rollout.
const READ_BYTES: usize = 64 << 10;
