//! What dead daemons have left behind: their workspaces, and the processes that go with them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::process::kill_orphans;
use crate::run::marker_of;
use crate::workspace::Abandoned;

/// Sweeps `parent`, unless this process has done so before: nobody but another daemon could have left anything since. Blocks.
pub fn once(parent: &Path) {
    static SWEPT: LazyLock<Mutex<HashSet<PathBuf>>> = LazyLock::new(Mutex::default);
    let is_first = SWEPT.lock().unwrap_or_else(PoisonError::into_inner).insert(parent.to_path_buf());
    if is_first {
        Abandoned::find(parent).for_each(see_to);
    }
}

fn see_to(abandoned: Abandoned) {
    // The processes first: they could go on writing.
    kill_orphans(&marker_of(abandoned.run().to_owned(), Some(abandoned.path().to_path_buf())));
    // What cannot be removed is nobody's business but its owner's, who is dead. The next daemon tries again.
    let _ = abandoned.remove();
}
