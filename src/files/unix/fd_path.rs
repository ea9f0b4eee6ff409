//! Paths of open files.

use std::os::fd::AsRawFd as _;
use std::path::PathBuf;

use rustix::fd::OwnedFd;

/// The name that Linux has for an open file; see proc(5). For a child it is valid until it executes
/// its program.
pub fn fd_path(file: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}
