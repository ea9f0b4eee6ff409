//! Child process and its descendants on Windows, held together by a job.
//!
//! No process can leave the job. A process that a service starts on request, such as the task
//! scheduler, is not in it. The job is the watchdog as well: the host process's death closes its
//! last handle, which kills the processes.

use std::io;
use std::time::Duration;

use tokio::sync::watch;

use super::create::create;
use super::exit::wait_for_exit;
use super::job::{Job, TERMINATED_EXIT_CODE};
use super::pipe::{Input, Output, input, output};
use crate::process::exit::Exit;
use crate::process::job_start::start_in_job;
use crate::process::program::Program;
use crate::process::run_tag::RunTag;
use crate::process::stop::{StopMode, Stopped};
use crate::process::wait::ExitWaiter;

/// Child process and its descendants.
#[derive(Debug)]
pub struct Tree {
    job: Job,
    /// Exit status of the child, once it has exited.
    exit: watch::Receiver<Option<Exit>>,
}

/// Time limit for terminated processes to exit.
const TERMINATION_TIMEOUT: Duration = Duration::from_secs(1);

impl Tree {
    /// Starts the program in a new job.
    #[allow(clippy::needless_pass_by_value, reason = "on Unix the tree keeps the tag")]
    pub fn spawn(program: &Program, tag: RunTag) -> io::Result<(Self, (Input, Output, Output))> {
        let exit_waiter = ExitWaiter::start(wait_for_exit)?;
        let (stdin, child_stdin) = input()?;
        let (stdout, child_stdout) = output()?;
        let (stderr, child_stderr) = output()?;
        let standard = [&child_stdin, &child_stdout, &child_stderr];
        let (process, job) = start_in_job(|way| {
            // Not the job of the attempt before: one that could not take a program from the Store
            // takes no other process (libuv, `src/win/process.c`).
            let job = Job::new()?;
            Ok((create(program, &tag, &job, way, standard)?, job))
        })?;
        Ok((Self { job, exit: exit_waiter.watch(process) }, (stdin, stdout, stderr)))
    }

    /// Channel with the exit status of the child.
    pub const fn exit(&mut self) -> &mut watch::Receiver<Option<Exit>> {
        &mut self.exit
    }

    /// Terminates the tree at once in either mode; see [`StopMode`].
    pub fn stop(self, _mode: StopMode) -> Stopped {
        let is_empty = self.job.terminate(TERMINATION_TIMEOUT);
        let exit = *self.exit.borrow();
        // The waiter may not have seen yet that the child was terminated.
        let exit = exit.unwrap_or(Exit::Code(TERMINATED_EXIT_CODE));
        Stopped { exit, may_have_survivors: !is_empty }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.job.terminate(TERMINATION_TIMEOUT);
    }
}
