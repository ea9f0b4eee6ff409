//! Removes run directories that dead host processes left behind, and kills the processes of their
//! runs.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::process::kill_orphans;
use crate::run_dir::{Abandoned, Parent};
use crate::run_id::tag_of;

/// Cleans up `parent` the first time that this process uses it. Blocks.
pub fn once(parent: &Parent) {
    static SWEPT: LazyLock<Mutex<HashSet<PathBuf>>> = LazyLock::new(Mutex::default);
    let is_first = SWEPT.lock().unwrap_or_else(PoisonError::into_inner).insert(parent.path().to_path_buf());
    if is_first {
        Abandoned::find(parent).for_each(|abandoned| clean_up(abandoned, parent));
    }
}

fn clean_up(abandoned: Abandoned, parent: &Parent) {
    // Kills the processes first, because they could go on writing. [`Abandoned`] has checked that
    // this package created the directory.
    kill_orphans(&tag_of(abandoned.run().to_owned(), Some(abandoned.path().to_path_buf())));
    // No call is there to report the error to. The next host process tries again.
    let _ = abandoned.remove(parent);
}
