//! Entry of the process table.

use rustix::process::Pid;

/// Entry of the process table. `S` is the system's type of start times.
#[derive(Debug)]
pub struct Process<S> {
    pub pid: Pid,
    pub parent: Option<Pid>,
    pub group: Option<Pid>,
    pub started: S,
    pub zombie: bool,
}
