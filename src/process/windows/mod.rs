//! Processes as Windows has them: no groups, no signals, no zombies, but jobs.

mod command_line;
mod create;
mod exit;
mod job;
mod pipe;
mod pump;
mod tree;

use super::marker::Marker;

pub use exit::signal_name;
pub use pipe::{Input, Output};
#[cfg(test)]
pub use pump::output_pipe;
pub use pump::{Reader, read};
pub use tree::Tree;

/// Kills what a dead owner has left. There is nothing: the last handle of its job was closed with
/// it, and that ends the job's processes.
pub const fn kill_orphans(_marker: &Marker) {}

/// Whether that process runs.
#[cfg(test)]
#[allow(unsafe_code, reason = "a call into Windows")]
pub fn runs(id: u32) -> bool {
    use crate::win32;
    use windows_sys::Win32::System::Threading::{OpenProcess, PROCESS_SYNCHRONIZE};
    // SAFETY: the result has no other owner.
    let process = unsafe { win32::own(OpenProcess(PROCESS_SYNCHRONIZE, 0, id)) };
    process.is_ok_and(|process| !win32::wait(&process, Some(std::time::Duration::ZERO)))
}
