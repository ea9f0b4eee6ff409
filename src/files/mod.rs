//! Reading, making and removing files and directories in which others write, without being led
//! elsewhere and without hanging.
//!
//! The agent's shell can write into the workspace, so whatever lies there may be a symbolic link to
//! a secret, a FIFO that blocks for ever, a sparse file of terabytes, or a directory of 30,000
//! levels. Everything is therefore done relative to a directory handle and never through a link. A
//! file is opened without blocking, and is accepted only as a regular file with one name, of the
//! user's own, and not larger than allowed.

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
