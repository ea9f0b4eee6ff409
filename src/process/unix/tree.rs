//! Child process and its descendants on Unix.
//!
//! A process group does not hold a tree together: Codex starts its tools in their own sessions, and
//! a tool that forks twice loses its parents. So `members` finds the tree in the process table. A
//! process is identified by its pid and start time, since pids are reused. The child is reaped
//! last, which keeps its group id reserved and makes signals to the group safe.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpid};
use tokio::net::unix::pipe::Sender as Input;
use tokio::sync::watch;

use super::exit::wait_for_exit;
use super::launch::launch;
use super::members::Members;
use super::poll_budget::{POLL_INTERVAL, PollBudget};
use super::pump::Output;
use super::scanner;
use super::table::{self, Table};
use super::watchdog::Watchdog;
use crate::process::exit::Exit;
use crate::process::program::Program;
use crate::process::run_tag::RunTag;
use crate::process::stop::{StopMode, Stopped};
use crate::process::wait::{ExitWaiter, STACK_BYTES};

/// Child process, which leads its own process group, and its descendants.
#[derive(Debug)]
pub struct Tree {
    leader: Pid,
    /// Members at the start of the tree. While it runs, the scanner has a newer copy.
    members: Members,
    /// Exit status of the leader, once it has exited.
    exit: watch::Receiver<Option<Exit>>,
    is_reaped: bool,
    /// Whether a process of the tree may be alive that no scan shows, or that survived SIGKILL.
    may_have_survivors: bool,
    /// The last field, so that the watchdog is dropped last.
    _watchdog: Option<Watchdog>,
}

impl Tree {
    /// Starts the program as the leader of a new group.
    pub fn spawn(program: &Program, tag: RunTag) -> io::Result<(Self, (Input, Output, Output))> {
        let exit_waiter = ExitWaiter::start(wait_for_exit)?;
        // Started before the child, so that the child is guarded from its start.
        let mut watchdog = Watchdog::start(&tag).ok();
        let (child_stdin, stdin) = io::pipe()?;
        let (stdout, child_stdout) = io::pipe()?;
        let (stderr, child_stderr) = io::pipe()?;
        let stdin = Input::from_owned_fd(stdin.into())?;
        let stdout = Output::from_owned_fd(stdout.into())?;
        let stderr = Output::from_owned_fd(stderr.into())?;
        let standard = [child_stdin.into(), child_stdout.into(), child_stderr.into()];
        let leader = launch(program, Some(&tag), standard)?;
        let members = Members::new(leader, tag);
        if let Some(watchdog) = &mut watchdog {
            watchdog.guard(leader);
        }
        let exit = exit_waiter.watch(leader);
        scanner::register(members.clone());
        let tree = Self { leader, members, exit, is_reaped: false, may_have_survivors: false, _watchdog: watchdog };
        Ok((tree, (stdin, stdout, stderr)))
    }

    /// Channel with the exit status of the leader.
    pub const fn exit(&mut self) -> &mut watch::Receiver<Option<Exit>> {
        &mut self.exit
    }

    /// Whether a scan has found that process.
    #[cfg(test)]
    pub fn knows(&self, id: u32) -> bool {
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
        pid.is_some_and(|pid| scanner::knows(self.leader, pid))
    }

    /// Stops the tree; see [`StopMode`].
    pub fn stop(mut self, mode: StopMode) -> Stopped {
        if let StopMode::Graceful { grace, skip_grace } = mode
            && !self.has_exited()
        {
            self.take_members();
            self.rescan();
            self.signal_all(Signal::TERM);
            // A stopped process handles SIGTERM only after SIGCONT.
            self.signal_all(Signal::CONT);
            wait_until(grace, &mut || self.is_gone() || skip_grace.is_cancelled());
        }
        self.kill_all(PollBudget::new());
        let exit = *self.exit.borrow();
        let exit = exit.unwrap_or(Exit::Signal(Signal::KILL.as_raw()));
        Stopped { exit, may_have_survivors: self.may_have_survivors }
    }

    /// Kills all processes until none is left, then reaps the leader.
    fn kill_all(&mut self, mut budget: PollBudget) {
        self.take_members();
        loop {
            // The tree is empty only if the leader had exited *before* a scan that found no
            // descendants.
            let had_exited = self.has_exited();
            self.rescan();
            if had_exited && self.members.known.is_empty() {
                break;
            }
            self.signal_all(Signal::KILL);
            let mut has_budget = true;
            while has_budget && !self.is_gone() {
                has_budget = budget.wait();
            }
            if !has_budget {
                self.may_have_survivors = true;
                break;
            }
        }
        self.is_reaped = true;
        if matches!(waitpid(Some(self.leader), WaitOptions::NOHANG), Ok(None)) {
            reap_later(self.leader);
        }
    }

    fn has_exited(&self) -> bool {
        self.exit.borrow().is_some()
    }

    /// Whether the leader and all known members have exited.
    fn is_gone(&mut self) -> bool {
        self.members.known.retain(|&pid, &mut started| table::is_alive(pid, started));
        self.members.known.is_empty() && self.has_exited()
    }

    fn signal_all(&self, signal: Signal) {
        self.signal_group(signal);
        for (&pid, &started) in &self.members.known {
            table::signal(pid, started, signal);
        }
    }

    fn signal_group(&self, signal: Signal) {
        // Errors are harmless, since `rescan` finds what is left. ESRCH: the group is empty. EPERM:
        // on macOS the group has only zombies, which `killpg` skips (XNU, `killpg1` in
        // `bsd/kern/kern_sig.c`).
        let _ = kill_process_group(self.leader, signal);
    }

    /// Reads the process table and updates the members by ancestry, group and tag.
    fn rescan(&mut self) {
        let table = Table::read();
        self.may_have_survivors |= !self.members.is_shown_in(&table);
        self.members.update(&table);
    }

    /// Ends the background scans and takes over their result.
    fn take_members(&mut self) {
        if let Some(members) = scanner::unregister(self.leader) {
            self.members = members;
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if !self.is_reaped {
            self.kill_all(PollBudget::new());
        }
    }
}

/// Reaps a killed child in the background once it has exited.
fn reap_later(child: Pid) {
    let reap = move || {
        // Fails only if other code of this process has reaped the child.
        let _ = retry_on_intr(|| waitpid(Some(child), WaitOptions::empty()));
    };
    // If no thread can be started, the zombie stays until the host process exits.
    let _ = thread::Builder::new().name("codex-image-reap".into()).stack_size(STACK_BYTES).spawn(reap);
}

/// Polls until `done` returns true, for at most `timeout`.
fn wait_until(timeout: Duration, done: &mut dyn FnMut() -> bool) {
    let deadline = Instant::now() + timeout;
    while !done() && Instant::now() < deadline {
        thread::sleep(POLL_INTERVAL.min(deadline.saturating_duration_since(Instant::now())));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::Stdio;

    use rustix::io::Errno;
    use rustix::process::{WaitId, WaitIdOptions, waitid};

    use super::*;
    use crate::process::tests::{command, program, tag, temp_dir, until};

    #[tokio::test]
    async fn reaps_a_leader_that_exits_after_the_poll_budget() {
        let temp = temp_dir();
        let (mut tree, _pipes) =
            Tree::spawn(&program("start a child and wait", temp.path()), tag(temp.path())).unwrap();
        let leader = tree.leader;
        tree.kill_all(PollBudget::exhausted());
        drop(tree);
        until(|| table::start_time(leader).is_none());
    }

    /// `killpg` fails for such a group on macOS.
    #[test]
    fn a_group_of_zombies_counts_as_gone() {
        let temp = temp_dir();
        let mut command = command("exit 7", temp.path());
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
