//! Starts a program whose pipes no other child inherits.

use std::io;
use std::process::{Child, Command};

use super::poll_budget::PollBudget;

/// Starts the command.
///
/// # Errors
/// The operating system's error.
pub fn launch(command: &mut Command) -> io::Result<Child> {
    let mut budget = PollBudget::new();
    once_written(|| start(command), || budget.lasts())
}

fn start(command: &mut Command) -> io::Result<Child> {
    #[cfg(target_os = "macos")]
    let _alone = alone();
    command.spawn()
}

/// Retries while the program is open for writing (`ETXTBSY`). An installer may have it open. So
/// does, for a moment after a file was written here, every child that another thread is starting:
/// until it executes its own program it holds all that this process had open (golang/go#22315; met
/// with a script that a test had just written).
fn once_written<T>(mut start: impl FnMut() -> io::Result<T>, mut wait: impl FnMut() -> bool) -> io::Result<T> {
    loop {
        match start() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && wait() => {}
            result => return result,
        }
    }
}

/// Linux makes a pipe and marks it close-on-exec in one step, `pipe2`. macOS needs two, and a child
/// that another thread starts in between inherits the pipe: its end then comes with the end of both
/// children (rust-lang/rust#95584). So children are started one after the other. JavaScript's own
/// children are no danger: libuv starts them with `POSIX_SPAWN_CLOEXEC_DEFAULT`, which leaves them
/// nothing that was not named (libuv, `src/unix/process.c`).
#[cfg(target_os = "macos")]
fn alone() -> std::sync::MutexGuard<'static, ()> {
    use std::sync::{Mutex, PoisonError};
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    /// A real one would be started at once by some versions of Linux (6.11 was one).
    #[test]
    fn a_program_that_is_being_written_is_waited_for() {
        let mut refusals = 3;
        let start = || {
            refusals -= 1;
            if refusals == 0 { Ok("started") } else { Err(Errno::TXTBSY.into()) }
        };
        assert_eq!(once_written(start, || true).unwrap(), "started");
    }

    #[test]
    fn neither_for_ever_nor_for_another_reason() {
        let mut patience = 3;
        let wait = || {
            patience -= 1;
            patience > 0
        };
        let busy = once_written(|| Err::<(), _>(Errno::TXTBSY.into()), wait).unwrap_err();
        assert_eq!(busy.kind(), io::ErrorKind::ExecutableFileBusy);
        let other = once_written(|| Err::<(), _>(Errno::ACCESS.into()), || unreachable!()).unwrap_err();
        assert_eq!(other.kind(), io::ErrorKind::PermissionDenied);
    }
}
