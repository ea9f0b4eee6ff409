//! Process trees on Windows: a job instead of groups and signals.

mod command_line;
mod create;
mod exit;
mod job;
mod pipe;
mod pump;
mod tree;

use super::run_tag::RunTag;

pub use exit::signal_name;
pub use pipe::{Input, Output};
#[cfg(test)]
pub use pump::output_pipe;
pub use pump::{Reader, read};
pub use tree::Tree;

/// Does nothing: the host process's death closed the last handle of its job, which killed the
/// processes.
pub const fn kill_orphans(_tag: &RunTag) {}

/// Whether the process with this id runs.
#[cfg(test)]
#[allow(unsafe_code, reason = "calls the Windows API")]
pub fn runs(id: u32) -> bool {
    use crate::win32;
    use windows_sys::Win32::System::Threading::{OpenProcess, PROCESS_SYNCHRONIZE};
    // SAFETY: the result has no other owner.
    let process = unsafe { win32::own(OpenProcess(PROCESS_SYNCHRONIZE, 0, id)) };
    process.is_ok_and(|process| !win32::wait(&process, Some(std::time::Duration::ZERO)))
}
