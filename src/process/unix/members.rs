//! Finds the members of a tree in the process table.

use std::collections::{HashMap, HashSet};

use rustix::process::Pid;

use super::table::{self, StartTime, Table};
use crate::process::run_tag::RunTag;

/// Leader of a tree, and every living process of the tree that a scan has found.
#[derive(Debug, Clone)]
pub struct Members {
    pub leader: Pid,
    /// Start time of the leader. Older processes cannot belong to the tree.
    since: StartTime,
    tag: RunTag,
    /// All members but the leader. A process stays here until it is dead, even if it has lost its
    /// parents, group and tag.
    pub known: HashMap<Pid, StartTime>,
}

impl Members {
    /// Marks the leader, which must not have been reaped.
    pub fn new(leader: Pid, tag: RunTag) -> Self {
        // Marks first: children that the leader starts before do not inherit the mark.
        table::set_tag_rlimit(leader, &tag);
        // An unreaped child is in the table, at least as a zombie.
        let since = table::start_time(leader).unwrap_or_default();
        Self { leader, since, tag, known: HashMap::new() }
    }

    /// Whether the table shows the leader. Until the leader is reaped, a table without it is
    /// incomplete (no /proc, or one with `hidepid`), or was read before the leader was started.
    pub fn is_shown_in(&self, table: &Table) -> bool {
        table.process(self.leader).is_some_and(|leader| leader.started == self.since)
    }

    /// Updates [`Self::known`] by ancestry, group and tag.
    pub fn update(&mut self, table: &Table) {
        let may_be_member =
            |pid: &Pid| table.process(*pid).is_some_and(|process| !process.started.is_before(self.since));
        let marked = table.pids().filter(may_be_member).filter(|&pid| table::belongs_to_run(pid, &self.tag)).collect();
        self.update_from(table, marked);
    }

    /// Updates [`Self::known`] by ancestry and group while the tree runs, and marks the known
    /// processes, whose future children then inherit the mark.
    pub fn update_and_mark(&mut self, table: &Table) {
        if self.is_shown_in(table) {
            self.update_from(table, Vec::new());
            for (&pid, &started) in &self.known {
                // The pid may have been reused since the table was read.
                if table::start_time(pid) == Some(started) {
                    table::set_tag_rlimit(pid, &self.tag);
                }
            }
        }
    }

    /// Drops dead processes. Adds the leader's group, the `marked` processes, and the descendants
    /// of these, of the known ones and of the leader.
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
            // Follows ancestry through zombies too.
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
        let tag = RunTag { name: "X", value: "1".into(), dir: None };
        Members { leader: pid(7), since: StartTime::default(), tag, known: HashMap::new() }
    }

    /// Creates a process in its own group.
    fn process(raw: i32, parent: i32, zombie: bool) -> Process {
        let started = StartTime::default();
        Process { pid: pid(raw), parent: Pid::from_raw(parent), group: Some(pid(raw)), started, zombie }
    }

    fn update<const N: usize>(members: &mut Members, processes: [Process; N]) {
        members.update_from(&processes.into_iter().collect(), Vec::new());
    }

    fn known(members: &Members) -> Vec<i32> {
        let mut known: Vec<i32> = members.known.keys().map(|pid| pid.as_raw_nonzero().get()).collect();
        known.sort_unstable();
        known
    }

    #[test]
    fn keeps_a_known_process_without_parents_and_adds_its_children() {
        let mut members = members();
        update(&mut members, [process(7, 1, false), process(8, 7, true), process(9, 8, false)]);
        assert_eq!(known(&members), [9]);
        update(&mut members, [process(7, 1, false), process(9, 1, false), process(10, 9, false)]);
        assert_eq!(known(&members), [9, 10]);
        update(&mut members, [process(7, 1, false), process(9, 1, true), process(10, 1, false)]);
        assert_eq!(known(&members), [10]);
    }

    #[test]
    fn ignores_a_table_without_the_leader() {
        let mut members = members();
        members.known.insert(pid(9), StartTime::default());
        members.update_and_mark(&[process(8, 7, false)].into_iter().collect());
        assert_eq!(known(&members), [9]);
    }

    /// Happens if the leader gets the CPU before the process that started it.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_first_scan_marks_children_that_started_before_the_leader_was_marked() {
        use std::process::Stdio;

        use crate::process::tests::{command, pid_in, tag, temp_dir};

        let temp = temp_dir();
        let mut leader = command("start a child and wait", temp.path()).stdout(Stdio::null()).spawn().unwrap();
        let descendant = pid(pid_in(temp.path()).try_into().unwrap());
        let tag = tag(temp.path());
        let mut members = Members::new(Pid::from_child(&leader), tag.clone());
        assert!(!table::belongs_to_run(descendant, &tag));
        members.update_and_mark(&Table::read());
        assert!(table::belongs_to_run(descendant, &tag));
        table::signal(descendant, members.known[&descendant], rustix::process::Signal::KILL);
        leader.wait().unwrap();
    }
}
