//! A program to start.

use std::ffi::OsString;
use std::path::PathBuf;

/// What to start.
#[derive(Debug)]
pub struct Program {
    /// The file, as an absolute path.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// Its working directory.
    pub cwd: PathBuf,
}
