//! Process table: the part of it that stopping a tree needs.

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

/// Process in the table.
#[derive(Debug)]
pub struct Process {
    pub pid: Pid,
    pub parent: Option<Pid>,
    pub group: Option<Pid>,
    pub started: StartTime,
    pub zombie: bool,
}

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

/// Returns the resource limit that stands for the marker on Linux: a limit on real-time CPU use in
/// microseconds, at least 146,000 years. Made from a hash of the marker (FNV-1a), so that it is the
/// same in every daemon.
pub fn marker_limit(marker: &Marker) -> u64 {
    let hash = marker
        .value
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    1 << 62 | hash >> 2
}

/// Whether `limit` can be the [`marker_limit`] of some marker.
#[cfg(target_os = "linux")]
pub const fn is_marker_limit(limit: u64) -> bool {
    limit >> 62 == 1
}

/// Returns the start time of `pid`, if it exists.
pub fn start_time(pid: Pid) -> Option<StartTime> {
    system::process(pid).map(|process| process.started)
}

/// Whether the process with this pid and start time still runs.
pub fn is_alive(pid: Pid, started: StartTime) -> bool {
    system::process(pid).is_some_and(|process| process.started == started && !process.zombie)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_marker_has_its_own_unreachable_limit() {
        let limits = ["", "0000000000000001", "0000000000000002", "ffffffffffffffff"]
            .map(|value| marker_limit(&Marker { name: "X", value: value.into(), dir: None }));
        #[cfg(target_os = "linux")]
        {
            assert!(limits.iter().all(|&limit| is_marker_limit(limit)));
            assert!(!is_marker_limit(u64::MAX) && !is_marker_limit(1_000_000));
        }
        assert_eq!(limits.iter().collect::<std::collections::HashSet<_>>().len(), limits.len());
    }
}
