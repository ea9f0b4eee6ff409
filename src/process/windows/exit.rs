//! How a child ended.

use std::os::windows::io::{AsRawHandle as _, OwnedHandle};

use windows_sys::Win32::System::Threading::GetExitCodeProcess;

use crate::process::exit::Exit;
use crate::win32;

/// Waits until the child has ended.
#[allow(unsafe_code, reason = "a call into Windows")]
pub fn wait_for(child: &OwnedHandle) -> Exit {
    let mut code = 0;
    // SAFETY: the handle is a process's, and the code may be written.
    let known = win32::wait(child, None) && unsafe { GetExitCodeProcess(child.as_raw_handle(), &raw mut code) } != 0;
    // A crash has a code of its own, such as 0xC0000005, which is a negative number to those who
    // show codes in decimal.
    Exit::Code(if known { code.cast_signed() } else { -1 })
}

/// There are no signals.
pub const fn signal_name(_signal: i32) -> Option<&'static str> {
    None
}
