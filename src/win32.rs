//! What every use of the Windows API needs: results as Rust has them, and text as Windows has it.
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

/// The last error, if `result` is a failure.
pub fn check(result: BOOL) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The handle as a thing that closes itself, or the last error.
///
/// # Safety
/// `handle` is what a call of the system has just returned, and has no other owner.
pub unsafe fn own(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: valid, and without another owner, as the caller promises.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// The text in UTF-16, with a NUL at its end, and none in it.
pub fn wide(text: impl AsRef<OsStr>) -> io::Result<Vec<u16>> {
    let mut wide: Vec<u16> = text.as_ref().encode_wide().collect();
    if wide.contains(&0) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a NUL in a text"));
    }
    wide.push(0);
    Ok(wide)
}

/// The profile directory of the user that this process runs as, regardless of `USERPROFILE`.
pub fn profile_dir() -> Option<PathBuf> {
    let (folder, mut path): (_, PWSTR) = (FOLDERID_Profile, ptr::null_mut());
    // SAFETY: both pointers are valid for the call; no token stands for the process's own user.
    let result = unsafe { SHGetKnownFolderPath(&raw const folder, 0, ptr::null_mut(), &raw mut path) };
    let found = (result == 0).then(|| {
        // SAFETY: after a success it points to a text that ends with a NUL. No path is this long.
        let text = unsafe {
            let length = (0..usize::from(u16::MAX)).take_while(|&at| *path.add(at) != 0).count();
            slice::from_raw_parts(path, length)
        };
        OsString::from_wide(text).into()
    });
    // SAFETY: to be freed once, after a failure as well; the text has been copied.
    unsafe { CoTaskMemFree(path.cast()) };
    found
}

/// Waits until what stands behind the handle is signalled: a process that has ended, an event that
/// is set. At most for `limit`, if there is one. Tells whether it is.
pub fn wait(handle: &OwnedHandle, limit: Option<Duration>) -> bool {
    // Rounded up: too short a wait would poll too often.
    let limit = limit.map(|limit| u32::try_from(limit.as_nanos().div_ceil(1_000_000)).unwrap_or(INFINITE - 1));
    // SAFETY: the handle is valid for as long as it is borrowed.
    unsafe { WaitForSingleObject(handle.as_raw_handle(), limit.unwrap_or(INFINITE)) == WAIT_OBJECT_0 }
}

/// Something that happens once, and that threads can wait for.
#[derive(Debug)]
pub struct Event(OwnedHandle);

impl Event {
    /// One that has not happened yet.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn new() -> io::Result<Self> {
        const MANUAL_RESET: BOOL = 1;
        // SAFETY: neither attributes nor a name; the result has no other owner.
        unsafe { own(CreateEventW(ptr::null(), MANUAL_RESET, 0, ptr::null())) }.map(Self)
    }

    /// Now it has happened.
    pub fn set(&self) {
        // SAFETY: the handle is valid. A valid event can be set.
        unsafe { SetEvent(self.raw()) };
    }

    /// Whether it has happened.
    pub fn is_set(&self) -> bool {
        wait(&self.0, Some(Duration::ZERO))
    }

    /// For a call that waits for it, or that sets it itself.
    pub fn raw(&self) -> HANDLE {
        self.0.as_raw_handle()
    }
}
