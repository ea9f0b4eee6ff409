//! One process in the table.

use rustix::process::Pid;

/// One process.
#[derive(Debug)]
pub struct Process<S> {
    pub pid: Pid,
    pub parent: Option<Pid>,
    pub group: Option<Pid>,
    pub started: S,
    pub zombie: bool,
}
