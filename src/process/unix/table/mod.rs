//! Process table: the part of it that stopping a tree needs.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
mod process;
mod tag_rlimit;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "macos")]
use macos as system;

use std::collections::HashMap;

use rustix::process::Pid;

pub use system::{StartTime, belongs_to_run, processes, set_tag_rlimit, signal, start_time};
pub use tag_rlimit::tag_rlimit;

/// Process in the table.
pub type Process = process::Process<StartTime>;

/// Snapshot of all processes, indexed by pid, parent and group.
#[derive(Debug, Default)]
pub struct Table {
    processes: HashMap<Pid, Process>,
    children: HashMap<Pid, Vec<Pid>>,
    groups: HashMap<Pid, Vec<Pid>>,
}

impl Table {
    pub fn read() -> Self {
        processes().into_iter().collect()
    }

    pub fn process(&self, pid: Pid) -> Option<&Process> {
        self.processes.get(&pid)
    }

    pub fn pids(&self) -> impl Iterator<Item = Pid> {
        self.processes.keys().copied()
    }

    pub fn children(&self, parent: Pid) -> &[Pid] {
        self.children.get(&parent).map_or(&[], Vec::as_slice)
    }

    pub fn group(&self, leader: Pid) -> &[Pid] {
        self.groups.get(&leader).map_or(&[], Vec::as_slice)
    }
}

impl FromIterator<Process> for Table {
    fn from_iter<T: IntoIterator<Item = Process>>(processes: T) -> Self {
        let mut table = Self::default();
        for process in processes {
            if let Some(parent) = process.parent {
                table.children.entry(parent).or_default().push(process.pid);
            }
            if let Some(group) = process.group {
                table.groups.entry(group).or_default().push(process.pid);
            }
            table.processes.insert(process.pid, process);
        }
        table
    }
}

/// Whether the process with this pid and start time still runs.
pub fn is_alive(pid: Pid, started: StartTime) -> bool {
    system::process(pid).is_some_and(|process| process.started == started && !process.zombie)
}
