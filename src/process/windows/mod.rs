//! Processes as Windows has them: no groups, no signals, no zombies, but jobs.

mod command_line;
mod create;
mod job;
mod pipe;
mod pump;
mod tree;

use std::os::windows::io::{AsRawHandle as _, OwnedHandle};

use windows_sys::Win32::System::Threading::GetExitCodeProcess;

use super::Marker;
use super::wait::Exit;
use crate::win32;

pub use pipe::{Input, Output};
#[cfg(test)]
pub use pump::output_pipe;
pub use pump::{Reader, read};
pub use tree::Tree;

/// What a thread needs to know to wait for a child.
pub type Waitable = OwnedHandle;

/// Waits until the child has ended.
#[allow(unsafe_code, reason = "a call into Windows")]
pub fn wait_for(child: &Waitable) -> Exit {
    let mut code = 0;
    // SAFETY: the handle is a process's, and the code may be written.
    let known = win32::wait(child, None) && unsafe { GetExitCodeProcess(child.as_raw_handle(), &raw mut code) } != 0;
    // A crash has a code of its own, such as 0xC0000005, which is a negative number to those who
    // show codes in decimal.
    Exit::Code(if known { code.cast_signed() } else { -1 })
}

/// Kills what a dead owner has left. There is nothing: the last handle of its job was closed with
/// it, and that ends the job's processes.
pub const fn kill_orphans(_marker: &Marker) {}

/// There are no signals.
pub const fn signal_name(_signal: i32) -> Option<&'static str> {
    None
}

/// Whether that process runs.
#[cfg(test)]
#[allow(unsafe_code, reason = "a call into Windows")]
pub fn runs(id: u32) -> bool {
    use windows_sys::Win32::System::Threading::{OpenProcess, PROCESS_SYNCHRONIZE};
    // SAFETY: the result has no other owner.
    let process = unsafe { win32::own(OpenProcess(PROCESS_SYNCHRONIZE, 0, id)) };
    process.is_ok_and(|process| !win32::wait(&process, Some(std::time::Duration::ZERO)))
}
