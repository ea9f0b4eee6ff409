//! Paths of open files in `/proc`.

use std::os::fd::AsRawFd as _;
use std::path::PathBuf;

use rustix::fd::OwnedFd;

/// Returns the path of an open file in `/proc`; see proc(5). A child can use it until it executes
/// its program.
pub fn proc_path(file: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}
