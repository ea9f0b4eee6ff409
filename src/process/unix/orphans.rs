//! Processes whose owner has died.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid};

use super::table;
use crate::process::Marker;

/// How long killed processes may take to disappear from the table.
const PATIENCE: Duration = Duration::from_secs(1);
/// They are not our children, so they can only be looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Kills every process that carries the marker or works in the marked directory, but for this one. Blocks until they are gone, or
/// for a second.
pub fn kill_orphans(marker: &Marker) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut orphans = table::processes();
        orphans.retain(|process| !process.zombie && process.pid != getpid() && table::is_marked(process.pid, marker));
        if orphans.is_empty() || Instant::now() >= deadline {
            break;
        }
        for orphan in orphans {
            table::signal(orphan.pid, orphan.started, Signal::KILL);
        }
        thread::sleep(LOOK_EVERY);
    }
}
