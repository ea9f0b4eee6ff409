//! Kills the processes of a run whose host process has died.

use rustix::process::{Signal, getpid};

use super::poll_budget::PollBudget;
use super::table;
use crate::process::run_tag::RunTag;

/// Kills every marked process except this one. Blocks until they are gone or the [`PollBudget`] is
/// used up.
pub fn kill_orphans(tag: &RunTag) {
    let mut budget = PollBudget::new();
    loop {
        let mut orphans = table::processes();
        orphans.retain(|process| !process.zombie && process.pid != getpid() && table::belongs_to_run(process.pid, tag));
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
