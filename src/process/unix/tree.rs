//! A child and its descendants on Unix.
//!
//! A process group does not hold a tree together: Codex starts its tools in sessions of their own,
//! and a daemon forks twice to lose its parents. What belongs to the tree is therefore found in the
//! table of all processes: what descends from the child or from something that did, what is in its
//! group, what carries the run's marker in its environment, what works in the run's directory. Only
//! processes younger than the child can be any of these. On Linux the marker is also a resource
//! limit, which a process inherits whatever becomes of its parents, its session and its
//! environment. What the scanner has found while the tree ran is of the tree, too.
//!
//! A pid alone identifies no process, since it is reused; a pid with its start time does. Signals
//! to the group are safe for as long as the child is not reaped, and it is reaped last.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpid};
use tokio::process::ChildStdin as Input;
use tokio::sync::watch;

use super::exit::wait_for;
use super::launch::launch;
use super::members::Members;
use super::poll_budget::{LOOK_EVERY, PollBudget};
use super::pump::Output;
use super::scanner;
use super::table::{self, Table};
use super::watchdog::Watchdog;
use crate::process::exit::Exit;
use crate::process::marker::Marker;
use crate::process::program::Program;
use crate::process::stop::{StopMode, Stopped};
use crate::process::wait::{STACK_BYTES, Waiter};

/// A child, the leader of its own group, with its descendants.
#[derive(Debug)]
pub struct Tree {
    leader: Pid,
    child: std::process::Child,
    /// As of the start of the tree; while it runs, the scanner's copy is the newer one.
    members: Members,
    /// How the leader has ended, once it has.
    exit: watch::Receiver<Option<Exit>>,
    reaped: bool,
    /// Whether some process of the tree may be alive that no look shows, or that SIGKILL did not
    /// end.
    may_have_survivors: bool,
    /// Dismissed last.
    _watchdog: Option<Watchdog>,
}

impl Tree {
    /// Starts the program as the leader of a new group.
    pub fn spawn(program: &Program, marker: Marker) -> io::Result<(Self, (Input, Output, Output))> {
        let waiter = Waiter::prepare(wait_for)?;
        // Before the child, so that it is guarded from its first moment.
        let mut watchdog = Watchdog::start(&marker).ok();
        let mut child = launch(
            Command::new(&program.path)
                .args(&program.args)
                .env_clear()
                .envs(program.env.iter().map(|(name, value)| (name, value)))
                .env(marker.name, &marker.value)
                .current_dir(&program.cwd)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .process_group(0),
        )?;
        let leader = Pid::from_child(&child);
        let members = Members::new(leader, marker);
        if let Some(watchdog) = &mut watchdog {
            watchdog.guard(leader);
        }
        let ends = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let exit = waiter.watch(leader);
        scanner::follow(members.clone());
        // From here on the tree owns the process: an error below drops it, and with it the process.
        let tree = Self { leader, child, members, exit, reaped: false, may_have_survivors: false, _watchdog: watchdog };
        let (Some(stdin), Some(stdout), Some(stderr)) = ends else {
            return Err(io::Error::other("the child has no pipes"));
        };
        let stdin = Input::from_std(stdin)?;
        let stdout = Output::from_owned_fd(stdout.into())?;
        let stderr = Output::from_owned_fd(stderr.into())?;
        Ok((tree, (stdin, stdout, stderr)))
    }

    /// How the leader has ended, once it has.
    pub const fn exit(&mut self) -> &mut watch::Receiver<Option<Exit>> {
        &mut self.exit
    }

    /// Whether a scan has found that process, while the tree runs.
    #[cfg(test)]
    pub fn knows(&self, id: u32) -> bool {
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
        pid.is_some_and(|pid| scanner::knows(self.leader, pid))
    }

    /// Stops everything; see [`StopMode`].
    pub fn stop(mut self, mode: StopMode) -> Stopped {
        if let StopMode::Graceful { grace, hurry } = mode
            && !self.has_ended()
        {
            self.take_members();
            self.look();
            self.signal_all(Signal::TERM);
            // A stopped process takes the signal only once it goes on.
            self.signal_all(Signal::CONT);
            wait_until(grace, &mut || self.is_gone() || hurry.is_cancelled());
        }
        self.kill_all(PollBudget::new());
        let exit = *self.exit.borrow();
        let exit = exit.unwrap_or(Exit::Signal(Signal::KILL.as_raw()));
        Stopped { exit, may_have_survivors: self.may_have_survivors }
    }

    /// Kills everything until nothing is left, then lets go of the leader.
    fn kill_all(&mut self, mut budget: PollBudget) {
        self.take_members();
        loop {
            // The tree is empty only if the leader had exited *before* a scan that found no
            // descendants.
            let had_ended = self.has_ended();
            self.look();
            if had_ended && self.members.known.is_empty() {
                break;
            }
            self.signal_all(Signal::KILL);
            let mut looks_again = true;
            while looks_again && !self.is_gone() {
                looks_again = budget.lasts();
            }
            if !looks_again {
                self.may_have_survivors = true;
                break;
            }
        }
        self.reaped = true;
        if matches!(self.child.try_wait(), Ok(None)) {
            reap_in_time(self.leader);
        }
    }

    fn has_ended(&self) -> bool {
        self.exit.borrow().is_some()
    }

    /// Whether the leader and all that the last look found are gone.
    fn is_gone(&mut self) -> bool {
        self.members.known.retain(|&pid, &mut started| table::is_alive(pid, started));
        self.members.known.is_empty() && self.has_ended()
    }

    fn signal_all(&self, signal: Signal) {
        self.signal_group(signal);
        for (&pid, &started) in &self.members.known {
            table::signal(pid, started, signal);
        }
    }

    fn signal_group(&self, signal: Signal) {
        // ESRCH: the group is empty. EPERM: on macOS, whose `killpg` passes zombies over, it has
        // only zombies (XNU, `killpg1` in `bsd/kern/kern_sig.c`). `look` finds what is left.
        let _ = kill_process_group(self.leader, signal);
    }

    /// Updates the members by every sign.
    fn look(&mut self) {
        let table = Table::read();
        self.may_have_survivors |= !self.members.is_shown_in(&table);
        self.members.update(&table);
    }

    /// Ends the scans of the running tree and takes over what they have found.
    fn take_members(&mut self) {
        if let Some(members) = scanner::release(self.leader) {
            self.members = members;
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if !self.reaped {
            self.kill_all(PollBudget::new());
        }
    }
}

/// Leaves no zombie of a child that has been killed and has not ended yet.
fn reap_in_time(child: Pid) {
    let reap = move || {
        // Fails only if it was reaped elsewhere in this process.
        let _ = retry_on_intr(|| waitpid(Some(child), WaitOptions::empty()));
    };
    // Where there can be no further thread the zombie stays for as long as the daemon.
    let _ = thread::Builder::new().name("codex-image-reap".into()).stack_size(STACK_BYTES).spawn(reap);
}

/// Looks every few milliseconds whether `done`, for at most `limit`.
fn wait_until(limit: Duration, done: &mut dyn FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !done() && Instant::now() < deadline {
        thread::sleep(LOOK_EVERY.min(deadline.saturating_duration_since(Instant::now())));
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;
    use rustix::process::{WaitId, WaitIdOptions, waitid};

    use super::*;
    use crate::process::tests::{marker, place, program, start, until};

    #[tokio::test]
    async fn a_leader_that_takes_its_time_to_die_is_reaped_all_the_same() {
        let place = place();
        let (mut tree, _pipes) = Tree::spawn(&program("stay", place.path()), marker(place.path())).unwrap();
        let leader = tree.leader;
        tree.kill_all(PollBudget::exhausted());
        drop(tree);
        until(|| table::start_time(leader).is_none());
    }

    /// On macOS this is an error, and must not be taken for one.
    #[test]
    fn a_group_of_nothing_but_zombies_is_taken_for_gone() {
        let place = place();
        let mut command = start("exit 7", place.path());
        command.process_group(0).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        let leader = Pid::from_child(&child);
        waitid(WaitId::Pid(leader), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
        let expected = if cfg!(target_os = "macos") { Err(Errno::PERM) } else { Ok(()) };
        assert_eq!(kill_process_group(leader, Signal::KILL), expected);
        let started = table::start_time(leader).unwrap();
        assert!(!table::is_alive(leader, started));
        child.wait().unwrap();
        assert_eq!(table::start_time(leader), None);
    }
}
