//! Helpers for the Windows API: results, handles, UTF-16, events.
#![allow(unsafe_code, reason = "the calls into Windows")]

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::path::PathBuf;
use std::time::Duration;
use std::{ptr, slice};

use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE, WAIT_OBJECT_0};
use windows_sys::Win32::System::Com::CoTaskMemFree;
use windows_sys::Win32::System::Threading::{CreateEventW, INFINITE, SetEvent, WaitForSingleObject};
use windows_sys::Win32::UI::Shell::{FOLDERID_Profile, SHGetKnownFolderPath};
use windows_sys::core::{BOOL, PWSTR};

/// Returns the last error if `result` is FALSE.
pub fn check(result: BOOL) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Takes ownership of the handle, or returns the last error if it is invalid.
///
/// # Safety
/// A system call has just returned `handle`, and it has no other owner.
pub unsafe fn own(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: valid, and without another owner, as the caller promises.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// Encodes the text as UTF-16 with a final NUL. Fails if the text contains a NUL.
pub fn wide(text: impl AsRef<OsStr>) -> io::Result<Vec<u16>> {
    let mut wide: Vec<u16> = text.as_ref().encode_wide().collect();
    if wide.contains(&0) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a NUL in a text"));
    }
    wide.push(0);
    Ok(wide)
}

/// Copies a text that Windows has made.
///
/// # Safety
/// The text ends with a NUL. It has fewer than 65,536 units, as paths and security descriptors do.
pub unsafe fn copy_text(text: PWSTR) -> OsString {
    // SAFETY: valid up to the NUL, as the caller promises.
    unsafe {
        let length = (0..usize::from(u16::MAX)).take_while(|&at| *text.add(at) != 0).count();
        OsString::from_wide(slice::from_raw_parts(text, length))
    }
}

/// Returns the profile directory of this process's user, ignoring `USERPROFILE`.
pub fn profile_dir() -> Option<PathBuf> {
    let (folder, mut path): (_, PWSTR) = (FOLDERID_Profile, ptr::null_mut());
    // SAFETY: both pointers are valid for the call; no token stands for the process's own user.
    let result = unsafe { SHGetKnownFolderPath(&raw const folder, 0, ptr::null_mut(), &raw mut path) };
    // SAFETY: after a success it points to a text that ends with a NUL.
    let found = (result == 0).then(|| unsafe { copy_text(path) }.into());
    // SAFETY: to be freed once, after a failure as well; the text has been copied.
    unsafe { CoTaskMemFree(path.cast()) };
    found
}

/// Blocks until the object is signalled (the process has exited, the event is set), or until the
/// timeout. Returns whether it is signalled.
pub fn wait(handle: &OwnedHandle, timeout: Option<Duration>) -> bool {
    // Rounds up to whole milliseconds, so that a caller with a deadline does not spin.
    let millis = timeout.map(|timeout| u32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(INFINITE - 1));
    // SAFETY: the handle is valid for as long as it is borrowed.
    unsafe { WaitForSingleObject(handle.as_raw_handle(), millis.unwrap_or(INFINITE)) == WAIT_OBJECT_0 }
}

/// Manual-reset event that threads can wait for. It is set once.
#[derive(Debug)]
pub struct ManualResetEvent(OwnedHandle);

impl ManualResetEvent {
    /// Creates an event that is not set.
    ///
    /// # Errors
    /// Any error of the operating system.
    pub fn new() -> io::Result<Self> {
        const MANUAL_RESET: BOOL = 1;
        // SAFETY: neither attributes nor a name; the result has no other owner.
        unsafe { own(CreateEventW(ptr::null(), MANUAL_RESET, 0, ptr::null())) }.map(Self)
    }

    /// Sets the event.
    pub fn set(&self) {
        // SAFETY: the handle is valid. A valid event can be set.
        unsafe { SetEvent(self.raw()) };
    }

    /// Whether the event is set.
    pub fn is_set(&self) -> bool {
        wait(&self.0, Some(Duration::ZERO))
    }

    /// Returns the handle, to be used as that of another object.
    #[cfg(test)]
    pub fn into_handle(self) -> OwnedHandle {
        self.0
    }

    /// Returns the handle for system calls that wait for the event or set it.
    pub fn raw(&self) -> HANDLE {
        self.0.as_raw_handle()
    }
}
