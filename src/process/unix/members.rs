//! The processes of one tree, as the table of processes shows them.

use std::collections::HashMap;

use rustix::process::Pid;

use super::table::{self, Process, StartTime};
use crate::process::Marker;

/// The leader of a tree and every living process of it that a scan has found.
#[derive(Debug, Clone)]
pub struct Members {
    pub leader: Pid,
    /// When the leader was started; what is older cannot belong to it.
    since: StartTime,
    pub marker: Marker,
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
    pub fn is_shown_in(&self, table: &[Process]) -> bool {
        table.iter().any(|process| process.pid == self.leader && process.started == self.since)
    }

    /// Updates [`Self::known`] from a table: forgets the dead; adds the group and the descendants
    /// of the leader and of the known, and what `is_marked` tells.
    pub fn update(&mut self, table: &[Process], is_marked: impl Fn(Pid) -> bool) {
        let young = || table.iter().filter(|p| p.pid != self.leader && !p.started.is_before(self.since));
        let is_known = |process: &Process| self.known.get(&process.pid) == Some(&process.started);
        let is_signed =
            |process: &&Process| is_known(process) || process.group == Some(self.leader) || is_marked(process.pid);
        // Zombies lead to their children too, so ancestry is followed through them.
        let mut ours: HashMap<Pid, &Process> =
            young().filter(is_signed).map(|process| (process.pid, process)).collect();
        loop {
            let is_ours = |pid: Pid| pid == self.leader || ours.contains_key(&pid);
            let found: Vec<_> =
                young().filter(|p| p.parent.is_some_and(is_ours) && !ours.contains_key(&p.pid)).collect();
            if found.is_empty() {
                break;
            }
            ours.extend(found.into_iter().map(|process| (process.pid, process)));
        }
        let alive = ours.into_values().filter(|process| !process.zombie);
        self.known = alive.map(|process| (process.pid, process.started)).collect();
    }

    /// Updates from a table that was read while the tree runs, by ancestry and group, and marks
    /// what is known: whatever the known processes start from now on inherits the mark.
    pub fn follow(&mut self, table: &[Process]) {
        if self.is_shown_in(table) {
            self.update(table, |_| false);
            for (&pid, &started) in &self.known {
                // The pid may have been given to another process since the table was read.
                if table::start_time(pid) == Some(started) {
                    table::mark(pid, &self.marker);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn known(members: &Members) -> Vec<i32> {
        let mut known: Vec<i32> = members.known.keys().map(|pid| pid.as_raw_nonzero().get()).collect();
        known.sort_unstable();
        known
    }

    #[test]
    fn a_process_stays_known_without_its_parents_and_brings_its_children_along() {
        let mut members = members();
        members.update(&[process(7, 1, false), process(8, 7, true), process(9, 8, false)], |_| false);
        assert_eq!(known(&members), [9]);
        members.update(&[process(7, 1, false), process(9, 1, false), process(10, 9, false)], |_| false);
        assert_eq!(known(&members), [9, 10]);
        members.update(&[process(7, 1, false), process(9, 1, true), process(10, 1, false)], |_| false);
        assert_eq!(known(&members), [10]);
    }

    #[test]
    fn a_table_without_the_leader_is_not_followed() {
        let mut members = members();
        members.known.insert(pid(9), StartTime::default());
        members.follow(&[process(8, 7, false)]);
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
        members.follow(&table::processes());
        assert!(table::is_marked(descendant, &marker));
        table::signal(descendant, members.known[&descendant], rustix::process::Signal::KILL);
        leader.wait().unwrap();
    }
}
