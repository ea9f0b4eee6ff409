//! Kills the processes of a run whose daemon has died.

use rustix::process::{Signal, getpid};

use super::poll_budget::PollBudget;
use super::table;
use crate::process::marker::Marker;

/// Kills every marked process except this one. Blocks until they are gone or the [`PollBudget`] is
/// used up.
pub fn kill_orphans(marker: &Marker) {
    let mut budget = PollBudget::new();
    loop {
        let mut orphans = table::processes();
        orphans.retain(|process| !process.zombie && process.pid != getpid() && table::is_marked(process.pid, marker));
        if orphans.is_empty() {
            break;
        }
        for orphan in orphans {
            table::signal(orphan.pid, orphan.started, Signal::KILL);
        }
        if !budget.wait() {
            break;
        }
    }
}
