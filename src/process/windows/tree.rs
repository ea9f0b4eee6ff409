//! A child and its descendants on Windows.
//!
//! A job object holds them together: no process leaves it, whatever becomes of its parents. (What a
//! service starts on request, such as the task scheduler, is not in it.) It is the watchdog, too:
//! when the daemon dies, the job's last handle is closed.

use std::io;
use std::time::Duration;

use tokio::sync::watch;

use super::create::create;
use super::exit::wait_for;
use super::job::{EXIT_CODE, Job};
use super::pipe::{Input, Output, input, output};
use crate::process::exit::Exit;
use crate::process::marker::Marker;
use crate::process::program::Program;
use crate::process::stop::{StopMode, Stopped};
use crate::process::wait::ExitWaiter;

/// A child with its descendants.
#[derive(Debug)]
pub struct Tree {
    job: Job,
    /// How the child has ended, once it has.
    exit: watch::Receiver<Option<Exit>>,
}

/// How long processes that were ended may take.
const PATIENCE: Duration = Duration::from_secs(1);

impl Tree {
    /// Starts the program in a new job.
    #[allow(clippy::needless_pass_by_value, reason = "on Unix the tree keeps the marker")]
    pub fn spawn(program: &Program, marker: Marker) -> io::Result<(Self, (Input, Output, Output))> {
        let waiter = ExitWaiter::prepare(wait_for)?;
        let job = Job::new()?;
        let (stdin, child_stdin) = input()?;
        let (stdout, child_stdout) = output()?;
        let (stderr, child_stderr) = output()?;
        let process = create(program, &marker, &job, [&child_stdin, &child_stdout, &child_stderr])?;
        Ok((Self { job, exit: waiter.watch(process) }, (stdin, stdout, stderr)))
    }

    /// How the child has ended, once it has.
    pub const fn exit(&mut self) -> &mut watch::Receiver<Option<Exit>> {
        &mut self.exit
    }

    /// Stops everything at once, whatever the mode; see [`crate::process::StopMode`].
    pub fn stop(self, _manner: StopMode) -> Stopped {
        let has_ended = self.job.end(PATIENCE);
        let exit = *self.exit.borrow();
        // The job ended it a moment ago, and the waiter has not noticed yet.
        let exit = exit.unwrap_or(Exit::Code(EXIT_CODE));
        Stopped { exit, may_have_survivors: !has_ended }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.job.end(PATIENCE);
    }
}
