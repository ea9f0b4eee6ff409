//! Reads, makes and removes files and directories in which others write.
//!
//! The agent's shell can write into the workspace: symbolic links to secrets, FIFOs that block for
//! ever, sparse files of terabytes, 30,000 levels of directories. Everything is therefore done
//! relative to a directory handle, never through a link and without blocking. Only regular files
//! of the user's own, with one name and within a limit, are read.

mod dir;
mod exposure;
mod read_error;
mod regular;
mod requests;
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
pub use read_error::ReadError;
pub use regular::{open_regular, read_regular};
pub use requests::{InRequests, Requests, request};
pub use stamp::Stamp;
pub use zstd::Inflated;
