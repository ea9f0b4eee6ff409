//! A program to start.

use std::ffi::OsString;
use std::path::PathBuf;

/// Program to start.
#[derive(Debug)]
pub struct Program {
    /// Absolute path of the executable.
    pub path: PathBuf,
    /// Arguments, without the program's name.
    pub args: Vec<OsString>,
    /// Complete environment: nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// Working directory.
    pub cwd: PathBuf,
}
