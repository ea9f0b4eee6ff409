//! The table of all processes, as far as stopping a tree needs it.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "macos")]
use macos as system;

use std::collections::HashMap;

use rustix::process::Pid;

use crate::process::marker::Marker;

pub use system::{StartTime, is_marked, mark, processes, signal};

/// One process.
#[derive(Debug)]
pub struct Process {
    pub pid: Pid,
    pub parent: Option<Pid>,
    pub group: Option<Pid>,
    pub started: StartTime,
    pub zombie: bool,
}

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

/// The resource limit that stands for the marker on Linux: real-time CPU use, in microseconds, of
/// at least 146,000 years. It is the marker's hash (FNV-1a), the same in every daemon.
pub fn limit_of(marker: &Marker) -> u64 {
    let hash = marker
        .value
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    1 << 62 | hash >> 2
}

/// Whether [`limit_of`] some marker can be that limit.
#[cfg(target_os = "linux")]
pub const fn is_limit_of_a_run(limit: u64) -> bool {
    limit >> 62 == 1
}

/// When `pid` was started, if it exists.
pub fn start_time(pid: Pid) -> Option<StartTime> {
    system::process(pid).map(|process| process.started)
}

/// Whether the process that has this pid and was started then still runs.
pub fn is_alive(pid: Pid, started: StartTime) -> bool {
    system::process(pid).is_some_and(|process| process.started == started && !process.zombie)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_marker_has_a_limit_of_its_own_that_limits_nothing() {
        let limits = ["", "0000000000000001", "0000000000000002", "ffffffffffffffff"]
            .map(|value| limit_of(&Marker { name: "X", value: value.into(), dir: None }));
        #[cfg(target_os = "linux")]
        {
            assert!(limits.iter().all(|&limit| is_limit_of_a_run(limit)));
            assert!(!is_limit_of_a_run(u64::MAX) && !is_limit_of_a_run(1_000_000));
        }
        assert_eq!(limits.iter().collect::<std::collections::HashSet<_>>().len(), limits.len());
    }
}
