//! Starts a child with three pipes, in its own process group, or on Windows in a job.

use std::io;

use super::exit::Exit;
use super::platform::{Input, Output, Tree};
use super::program::Program;
use super::run_tag::RunTag;
use super::stop::{StopMode, Stopped};

/// The three pipes to a child.
#[derive(Debug)]
pub struct Pipes {
    /// Standard input of the child.
    pub stdin: Input,
    /// Standard output of the child.
    pub stdout: Output,
    /// Standard error of the child.
    pub stderr: Output,
}

/// Child process and its descendants. Dropping it kills all of them.
///
/// # Guarantee
/// When [`Self::stop`] has returned or a `Child` has been dropped, no process of its tree is alive,
/// and no process outside of the tree has received a signal. On Windows a job holds the tree.
/// Elsewhere a process belongs to it if one of these holds when the tree is stopped:
///
/// - Its ancestors lead to the child through processes in the process table, zombies included.
/// - It is in the child's process group.
/// - It carries the [`RunTag`]: as an environment variable, or on Linux as a resource limit. The
///   limit is inherited and survives new sessions, empty environments and the death of all parents.
/// - Its working directory is in the marked directory.
/// - A scan found it by ancestry or group while the tree ran. On Linux each scan also marks what it
///   finds.
///
/// # Limits
/// SECURITY.md, "What stays running", lists the processes that are missed.
///
/// If this process is killed, its scans are lost, and the watchdog goes by the tag, the group
/// and, on macOS, ancestry. [`Stopped::may_have_survivors`] reports that the system does not show
/// the tree's processes.
#[derive(Debug)]
pub struct Child(Tree);

/// Starts `program` and marks it. Blocks until the program runs. Needs a tokio runtime with I/O.
///
/// # Errors
/// Any error of the operating system. No process is left behind.
pub fn spawn(program: &Program, tag: RunTag) -> io::Result<(Child, Pipes)> {
    let (tree, (stdin, stdout, stderr)) = Tree::spawn(program, tag)?;
    Ok((Child(tree), Pipes { stdin, stdout, stderr }))
}

impl Child {
    /// Waits for the exit of the child itself.
    pub async fn exited(&mut self) -> Exit {
        // The channel closes without a value only if the watching thread is lost.
        let exit = self.0.exit().wait_for(Option::is_some).await.ok().and_then(|exit| *exit);
        exit.unwrap_or(Exit::Code(-1))
    }

    /// Whether a scan has found that process in the tree.
    #[cfg(all(test, unix))]
    pub(super) fn knows(&self, id: u32) -> bool {
        self.0.knows(id)
    }

    /// Stops the whole tree. Blocks for at most the grace period and, on a machine that is not
    /// busy, one second.
    #[must_use]
    pub fn stop(self, mode: StopMode) -> Stopped {
        self.0.stop(mode)
    }
}
