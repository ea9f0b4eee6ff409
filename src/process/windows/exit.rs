//! Exit status of a child.

use std::os::windows::io::{AsRawHandle as _, OwnedHandle};

use windows_sys::Win32::System::Threading::GetExitCodeProcess;

use crate::process::exit::Exit;
use crate::win32;

/// Blocks until the child has exited.
#[allow(unsafe_code, reason = "calls the Windows API")]
pub fn wait_for_exit(child: &OwnedHandle) -> Exit {
    let mut code = 0;
    // SAFETY: the handle belongs to a process, and the code is written by the call.
    let is_known = win32::wait(child, None) && unsafe { GetExitCodeProcess(child.as_raw_handle(), &raw mut code) } != 0;
    // The code of a crash is an NTSTATUS such as 0xC0000005, a negative number in decimal.
    Exit::Code(if is_known { code.cast_signed() } else { -1 })
}

/// Always None: Windows has no signals.
pub const fn signal_name(_signal: i32) -> Option<&'static str> {
    None
}
