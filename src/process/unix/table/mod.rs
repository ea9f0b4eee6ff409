//! The table of all processes, as far as stopping a tree needs it.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "macos")]
use macos as system;

use rustix::process::Pid;

pub use system::{StartTime, is_marked, processes, signal};

/// One process.
#[derive(Debug)]
pub struct Process {
    pub pid: Pid,
    pub parent: Option<Pid>,
    pub group: Option<Pid>,
    pub started: StartTime,
    pub zombie: bool,
}

/// When `pid` was started, if it exists.
pub fn start_time(pid: Pid) -> Option<StartTime> {
    system::process(pid).map(|process| process.started)
}

/// Whether the process that has this pid and was started then still runs.
pub fn is_alive(pid: Pid, started: StartTime) -> bool {
    system::process(pid).is_some_and(|process| process.started == started && !process.zombie)
}
