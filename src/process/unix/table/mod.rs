//! The table of all processes, as far as stopping a tree needs it.

mod limit;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
mod process;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "macos")]
use macos as system;

use std::collections::HashMap;

use rustix::process::Pid;

pub use limit::limit_of;
pub use system::{StartTime, is_marked, mark, processes, signal, start_time};

/// One process.
pub type Process = process::Process<StartTime>;

/// All processes at one time, indexed: many trees are looked up in one table.
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

/// Whether the process that has this pid and was started then still runs.
pub fn is_alive(pid: Pid, started: StartTime) -> bool {
    system::process(pid).is_some_and(|process| process.started == started && !process.zombie)
}
