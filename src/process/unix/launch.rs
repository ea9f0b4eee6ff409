//! Starts a program, so that no other child inherits its pipes.

use std::io;
use std::process::{Child, Command};

use super::poll_budget::PollBudget;

/// Starts the command. Retries while the executable is open for writing.
///
/// # Errors
/// Any error of the operating system.
pub fn launch(command: &mut Command) -> io::Result<Child> {
    let mut budget = PollBudget::new();
    retry_while_busy(|| start(command), || budget.wait())
}

fn start(command: &mut Command) -> io::Result<Child> {
    #[cfg(target_os = "macos")]
    let _guard = serialize_spawns();
    command.spawn()
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

/// Starts children one after the other on macOS.
///
/// macOS cannot create a pipe and mark it close-on-exec in one step, as Linux can with `pipe2`. A
/// child that another thread starts in between inherits the pipe, which then ends only with both
/// children (rust-lang/rust#95584). JavaScript's own children inherit nothing: libuv starts them
/// with `POSIX_SPAWN_CLOEXEC_DEFAULT` (libuv, `src/unix/process.c`).
#[cfg(target_os = "macos")]
fn serialize_spawns() -> std::sync::MutexGuard<'static, ()> {
    use std::sync::{Mutex, PoisonError};
    static SPAWNING: Mutex<()> = Mutex::new(());
    SPAWNING.lock().unwrap_or_else(PoisonError::into_inner)
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
