//! Reads, creates and removes files in directories that an untrusted process can write to.
//!
//! The agent may leave a symbolic link to a secret, a FIFO, a sparse file of terabytes or 30,000
//! nested directories. So every operation is relative to an open directory and follows no link. A
//! file is opened without blocking, and read only if it is regular, the user's own, without other
//! hard links, and not larger than the limit.

mod dir;
mod exposure;
mod fs_requests;
mod in_use;
mod read_error;
mod real_path;
mod regular;
mod stamp;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;
mod zstd;

#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as platform;

pub use dir::Dir;
pub use exposure::{Exposure, exposure};
pub use fs_requests::{FsRequests, RequestCountingReader, fs_request};
pub use in_use::{is_in_use, retry};
pub use read_error::ReadError;
pub use real_path::{canonical, real_path};
pub use regular::{open_regular, read_regular};
pub use stamp::Stamp;
pub use zstd::Inflated;
