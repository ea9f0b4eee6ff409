//! Tag by which the processes of a run are found.

use std::path::PathBuf;

/// Marks the processes of a run, so that they are found after they have lost their parents.
#[derive(Debug, Clone)]
pub struct RunTag {
    /// Name of an environment variable of the processes.
    pub name: &'static str,
    /// Value of the variable, unique to the run.
    pub value: String,
    /// Directory private to the run. Processes whose working directory is in it are killed too.
    pub dir: Option<PathBuf>,
}
