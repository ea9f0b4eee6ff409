//! What marks the processes of a run.

use std::path::PathBuf;

/// What a run's processes can be recognised by when their ancestry no longer tells.
#[derive(Debug, Clone)]
pub struct Marker {
    /// A variable in their environment.
    pub name: &'static str,
    /// Its value, unique to the run.
    pub value: String,
    /// A directory private to the run. Every process that works there is killed at the end.
    pub dir: Option<PathBuf>,
}
