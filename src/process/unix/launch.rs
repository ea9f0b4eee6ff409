//! Starts a program with three files as its standard streams, as the leader of a new group.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::process::Pid;

use super::poll_budget::PollBudget;
#[cfg(target_os = "macos")]
use super::posix_spawn::Spawn;
use crate::process::program::Program;
use crate::process::run_tag::RunTag;

/// Starts the program, with the tag in its environment. Retries while the executable is open for
/// writing. The caller has to reap the child.
///
/// # Errors
/// Any error of the operating system.
pub fn launch(program: &Program, tag: Option<&RunTag>, standard: [OwnedFd; 3]) -> io::Result<Pid> {
    let mut spawn = Spawn::new(program, tag, standard)?;
    let mut budget = PollBudget::new();
    retry_while_busy(|| spawn.start(), || budget.wait())
}

/// Opens the file that is empty and takes everything.
pub fn null() -> io::Result<OwnedFd> {
    Ok(File::options().read(true).write(true).open("/dev/null")?.into())
}

/// Program that is ready to be started, by std. It must take its fast path, `posix_spawn`: `fork`
/// copies the page tables of the host process and stalls the JavaScript thread. `pre_exec`, a uid
/// or gid change, or a bare program name with a changed PATH would lose it.
#[cfg(not(target_os = "macos"))]
struct Spawn(std::process::Command);

#[cfg(not(target_os = "macos"))]
impl Spawn {
    #[allow(clippy::unnecessary_wraps, reason = "on macOS it can fail")]
    fn new(program: &Program, tag: Option<&RunTag>, [stdin, stdout, stderr]: [OwnedFd; 3]) -> io::Result<Self> {
        use std::os::unix::process::CommandExt as _;

        let mut command = std::process::Command::new(&program.path);
        command
            .args(&program.args)
            .env_clear()
            .envs(program.env.iter().map(|(name, value)| (name, value)))
            .envs(tag.map(|tag| (tag.name, &tag.value)))
            .current_dir(&program.cwd)
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0);
        Ok(Self(command))
    }

    fn start(&mut self) -> io::Result<Pid> {
        self.0.spawn().map(|child| Pid::from_child(&child))
    }
}

/// Retries while the executable is open for writing (`ETXTBSY`).
///
/// An installer may have it open. A child that another thread is starting may have it open as well:
/// until it executes its own program, it holds all open files of this process (golang/go#22315;
/// seen with a script that a test had just written).
fn retry_while_busy<T>(mut start: impl FnMut() -> io::Result<T>, mut wait: impl FnMut() -> bool) -> io::Result<T> {
    loop {
        match start() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && wait() => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    /// Simulated, because some versions of Linux start a busy executable at once (6.11 did).
    #[test]
    fn waits_for_an_executable_that_is_open_for_writing() {
        let mut failures_left = 3;
        let start = || {
            failures_left -= 1;
            if failures_left == 0 { Ok("started") } else { Err(Errno::TXTBSY.into()) }
        };
        assert_eq!(retry_while_busy(start, || true).unwrap(), "started");
    }

    #[test]
    fn gives_up_when_no_poll_is_left_and_on_another_error() {
        let mut polls_left = 3;
        let wait = || {
            polls_left -= 1;
            polls_left > 0
        };
        let busy = retry_while_busy(|| Err::<(), _>(Errno::TXTBSY.into()), wait).unwrap_err();
        assert_eq!(busy.kind(), io::ErrorKind::ExecutableFileBusy);
        let other = retry_while_busy(|| Err::<(), _>(Errno::ACCESS.into()), || unreachable!()).unwrap_err();
        assert_eq!(other.kind(), io::ErrorKind::PermissionDenied);
    }
}
