//! What marks the processes of a run.

use std::path::PathBuf;

/// Marks a run's processes, so that they are found without their ancestors.
#[derive(Debug, Clone)]
pub struct Marker {
    /// A variable in their environment.
    pub name: &'static str,
    /// Its value, unique to the run.
    pub value: String,
    /// A directory private to the run. Every process that works there is killed at the end.
    pub dir: Option<PathBuf>,
}
