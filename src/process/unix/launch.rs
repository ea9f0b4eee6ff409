//! Starting a program, so that its pipes are nobody else's.

use std::io;
use std::process::{Child, Command};

/// Starts the command.
///
/// # Errors
/// Whatever the operating system says.
pub fn launch(command: &mut Command) -> io::Result<Child> {
    #[cfg(target_os = "macos")]
    let _alone = alone();
    command.spawn()
}

/// Linux makes a pipe and marks it close-on-exec in one step, `pipe2`. macOS has two, and a child that another thread starts in
/// between inherits the pipe of this one's: whoever waits for its end then waits for both children (rust-lang/rust#95584). So one
/// child is started after the other. Those of JavaScript are no danger: libuv starts them with `POSIX_SPAWN_CLOEXEC_DEFAULT`,
/// which leaves them nothing that was not named (libuv, `src/unix/process.c`).
#[cfg(target_os = "macos")]
fn alone() -> std::sync::MutexGuard<'static, ()> {
    use std::sync::{Mutex, PoisonError};
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
