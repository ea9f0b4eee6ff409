//! The processes of one tree, as the table of processes shows them.

use std::collections::{HashMap, HashSet};

use rustix::process::Pid;

use super::table::{self, StartTime, Table};
use crate::process::marker::Marker;

/// The leader of a tree and every living process of it that a scan has found.
#[derive(Debug, Clone)]
pub struct Members {
    pub leader: Pid,
    /// When the leader was started; what is older cannot belong to it.
    since: StartTime,
    marker: Marker,
    /// All but the leader. A process stays here until it is dead, even if no sign but its pid and
    /// start time is left.
    pub known: HashMap<Pid, StartTime>,
}

impl Members {
    /// Marks the leader. It must not have been reaped.
    pub fn new(leader: Pid, marker: Marker) -> Self {
        // First of all: what the leader starts before this does not inherit the mark.
        table::mark(leader, &marker);
        // An unreaped child is in the table, at least as a zombie.
        let since = table::start_time(leader).unwrap_or_default();
        Self { leader, since, marker, known: HashMap::new() }
    }

    /// Whether the table shows the leader. As long as it is not reaped, a table without it is
    /// incomplete (no /proc, or one with `hidepid`), or was read before the leader was started.
    pub fn is_shown_in(&self, table: &Table) -> bool {
        table.process(self.leader).is_some_and(|leader| leader.started == self.since)
    }

    /// Updates [`Self::known`] by ancestry, group and marker.
    pub fn update(&mut self, table: &Table) {
        let is_young = |pid: &Pid| table.process(*pid).is_some_and(|process| !process.started.is_before(self.since));
        let marked = table.pids().filter(is_young).filter(|&pid| table::is_marked(pid, &self.marker)).collect();
        self.update_from(table, marked);
    }

    /// Updates [`Self::known`] by ancestry and group, and marks what is known: whatever it starts
    /// from now on inherits the mark. For a table that was read while the tree runs.
    pub fn follow(&mut self, table: &Table) {
        if self.is_shown_in(table) {
            self.update_from(table, Vec::new());
            for (&pid, &started) in &self.known {
                // The pid may have been given to another process since the table was read.
                if table::start_time(pid) == Some(started) {
                    table::mark(pid, &self.marker);
                }
            }
        }
    }

    /// Forgets the dead. Adds what descends from the leader, its group, the known and the `marked`.
    fn update_from(&mut self, table: &Table, marked: Vec<Pid>) {
        let is_known = |pid: Pid, started| table.process(pid).is_some_and(|process| process.started == started);
        let mut pending = marked;
        pending.extend(self.known.drain().filter(|&(pid, started)| is_known(pid, started)).map(|(pid, _)| pid));
        pending.extend(table.group(self.leader));
        pending.extend(table.children(self.leader));
        let mut visited = HashSet::from([self.leader]);
        while let Some(pid) = pending.pop() {
            let Some(process) = table.process(pid) else { continue };
            if process.started.is_before(self.since) || !visited.insert(pid) {
                continue;
            }
            // Zombies lead to their children too, so ancestry is followed through them.
            pending.extend(table.children(pid));
            if !process.zombie {
                self.known.insert(pid, process.started);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::unix::table::Process;

    fn pid(raw: i32) -> Pid {
        Pid::from_raw(raw).unwrap()
    }

    fn members() -> Members {
        let marker = Marker { name: "X", value: "1".into(), dir: None };
        Members { leader: pid(7), since: StartTime::default(), marker, known: HashMap::new() }
    }

    /// In a group of its own.
    fn process(raw: i32, parent: i32, zombie: bool) -> Process {
        let started = StartTime::default();
        Process { pid: pid(raw), parent: Pid::from_raw(parent), group: Some(pid(raw)), started, zombie }
    }

    fn follow<const N: usize>(members: &mut Members, processes: [Process; N]) {
        members.update_from(&processes.into_iter().collect(), Vec::new());
    }

    fn known(members: &Members) -> Vec<i32> {
        let mut known: Vec<i32> = members.known.keys().map(|pid| pid.as_raw_nonzero().get()).collect();
        known.sort_unstable();
        known
    }

    #[test]
    fn a_process_stays_known_without_its_parents_and_brings_its_children_along() {
        let mut members = members();
        follow(&mut members, [process(7, 1, false), process(8, 7, true), process(9, 8, false)]);
        assert_eq!(known(&members), [9]);
        follow(&mut members, [process(7, 1, false), process(9, 1, false), process(10, 9, false)]);
        assert_eq!(known(&members), [9, 10]);
        follow(&mut members, [process(7, 1, false), process(9, 1, true), process(10, 1, false)]);
        assert_eq!(known(&members), [10]);
    }

    #[test]
    fn a_table_without_the_leader_is_not_followed() {
        let mut members = members();
        members.known.insert(pid(9), StartTime::default());
        members.follow(&[process(8, 7, false)].into_iter().collect());
        assert_eq!(known(&members), [9]);
    }

    /// As on a machine on which the leader gets the processor before the process that started it.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_the_leader_started_before_it_was_marked_is_marked_by_the_first_scan() {
        use std::process::Stdio;

        use crate::process::tests::{holder, marker, place, start};

        let place = place();
        let mut leader = start("stay", place.path()).stdout(Stdio::null()).spawn().unwrap();
        let descendant = pid(holder(place.path()).try_into().unwrap());
        let marker = marker(place.path());
        let mut members = Members::new(Pid::from_child(&leader), marker.clone());
        assert!(!table::is_marked(descendant, &marker));
        members.follow(&Table::read());
        assert!(table::is_marked(descendant, &marker));
        table::signal(descendant, members.known[&descendant], rustix::process::Signal::KILL);
        leader.wait().unwrap();
    }
}
