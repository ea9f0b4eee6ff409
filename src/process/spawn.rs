//! Starting a child with three pipes, in a group of its own, or on Windows in a job.
//!
//! On Unix through std's fast path: `posix_spawn` does not copy the daemon's page tables, so it
//! takes 0.4 ms however large the daemon is, where `fork` takes 10 ms and stalls the JavaScript
//! thread at 2 GB. The path is lost with `pre_exec`, with uid or gid changes, and with a bare
//! program name under a changed PATH; none of these may be added there.

use std::io;

use super::exit::Exit;
use super::marker::Marker;
use super::platform::{Input, Output, Tree};
use super::program::Program;
use super::stop::{StopMode, Stopped};

/// The three pipes to a child.
#[derive(Debug)]
pub struct Pipes {
    /// What it reads.
    pub stdin: Input,
    /// What it prints.
    pub stdout: Output,
    /// What it complains.
    pub stderr: Output,
}

/// A running child with its descendants. Dropping it kills all of them.
///
/// # Members
/// On Windows a job holds the tree together. Elsewhere a process belongs to the tree if any of
/// these holds when the tree is stopped:
///
/// * its ancestors lead to the child through processes that are still in the table, zombies
///   included;
/// * it is in the child's process group;
/// * it carries the [`Marker`]: as a variable in the environment it was started with, or on Linux
///   as a resource limit, which is inherited and survives new sessions, empty environments and the
///   death of all parents;
/// * it works in the marked directory;
/// * a scan has found it by ancestry or group while the tree ran. A thread scans as soon as the
///   child has been started, 20 ms later, then with doubling pauses up to a second, or longer where
///   the machine has thousands of processes or no processor to spare. On Linux each scan also marks
///   what it finds.
///
/// # Survivors
/// These are missed:
///
/// * on Linux, a process that sheds all signs between two scans: it lifts the limit, or an ancestor
///   did, and it loses its parents, group, environment and directory before the next scan. If the
///   system refuses the limit ([`Stopped`] does not tell), it need not lift it;
/// * on Linux, a process that descends from one which the child started before it had its limit,
///   and that sheds the other signs before the first scan. The limit is set when the child has been
///   started and before [`spawn()`] returns, so the child has been told nothing by then;
/// * on macOS, which has no such limit, a process that sheds parents, group, environment and
///   directory between two scans;
/// * what a service starts on the tree's behalf.
///
/// When this process is killed, its scans are lost: the watchdog goes by the marker, the group and,
/// on macOS, ancestry. [`Stopped::may_have_survivors`] tells where the system does not show its
/// processes.
#[derive(Debug)]
pub struct Child(Tree);

/// Starts `program`, marked so that all it starts can be found again. Blocks until the program is
/// running; needs a tokio runtime with I/O.
///
/// # Errors
/// The operating system's error; nothing is left behind.
pub fn spawn(program: &Program, marker: Marker) -> io::Result<(Child, Pipes)> {
    let (tree, (stdin, stdout, stderr)) = Tree::spawn(program, marker)?;
    Ok((Child(tree), Pipes { stdin, stdout, stderr }))
}

impl Child {
    /// How the child itself has ended, once it has.
    pub async fn exited(&mut self) -> Exit {
        // The waiter holds the sender until it has sent; a closed channel would mean that its
        // thread was lost.
        let known = self.0.exit().wait_for(Option::is_some).await.ok().and_then(|exit| *exit);
        known.unwrap_or(Exit::Code(-1))
    }

    /// Whether the tree has been found to hold that process, while it runs.
    #[cfg(all(test, unix))]
    pub(super) fn knows(&self, id: u32) -> bool {
        self.0.knows(id)
    }

    /// Stops the whole tree. Blocks for as long as that takes: at most the grace and, on a machine
    /// that is not busy, a second.
    #[must_use]
    pub fn stop(self, mode: StopMode) -> Stopped {
        self.0.stop(mode)
    }
}
