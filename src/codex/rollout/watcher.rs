//! Detects changes of a rollout.

use std::path::{Path, PathBuf};

use super::locate::locate;
use crate::codex::ThreadId;
use crate::files::{Dir, Stamp};

/// Detects changes of a thread's rollout.
#[derive(Debug)]
pub struct RolloutWatcher {
    codex_home: PathBuf,
    thread: ThreadId,
    rollout: Option<(Dir, String)>,
    stamp: Option<Stamp>,
}

impl RolloutWatcher {
    /// Creates a watcher of the rollout of `thread`. The rollout need not exist yet.
    #[must_use]
    pub fn new(codex_home: &Path, thread: &ThreadId) -> Self {
        Self { codex_home: codex_home.to_path_buf(), thread: thread.clone(), rollout: None, stamp: None }
    }

    /// Whether the rollout has changed since the last call. Blocks on the disk.
    pub fn has_changed(&mut self) -> bool {
        if self.rollout.is_none() {
            self.rollout = locate(&self.codex_home, &self.thread);
        }
        let stamp = self.rollout.as_ref().and_then(|(day, name)| day.stamp(name.as_ref()));
        std::mem::replace(&mut self.stamp, stamp) != stamp
    }
}
