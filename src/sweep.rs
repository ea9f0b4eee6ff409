//! What dead daemons have left behind: their workspaces, and the processes that go with them.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::process::kill_orphans;
use crate::run_id::marker_of;
use crate::workspace::{Abandoned, Parent};

/// Sweeps `parent`, unless this process has done so before: only another daemon could have left
/// anything since. Blocks.
pub fn once(parent: &Parent) {
    static SWEPT: LazyLock<Mutex<HashSet<PathBuf>>> = LazyLock::new(Mutex::default);
    let is_first = SWEPT.lock().unwrap_or_else(PoisonError::into_inner).insert(parent.path().to_path_buf());
    if is_first {
        Abandoned::find(parent).for_each(|abandoned| see_to(abandoned, parent));
    }
}

fn see_to(abandoned: Abandoned, parent: &Parent) {
    // The processes first: they could go on writing. They are killed for a proven directory only.
    kill_orphans(&marker_of(abandoned.run().to_owned(), Some(abandoned.path().to_path_buf())));
    // Its owner is dead, so there is no call to report an error to. The next daemon tries again.
    let _ = abandoned.remove(parent);
}
