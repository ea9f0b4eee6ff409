//! Process trees on Unix: process groups, signals, zombies, and the process table.

mod exit;
mod launch;
mod members;
mod orphans;
mod poll_budget;
#[cfg(any(target_os = "macos", test))]
mod posix_spawn;
mod pump;
mod scanner;
mod table;
mod tree;
mod watchdog;

pub use exit::signal_name;
pub use orphans::kill_orphans;
#[cfg(test)]
pub use pump::output_pipe;
pub use pump::{Output, Reader, read};
pub use tokio::net::unix::pipe::Sender as Input;
pub use tree::Tree;

/// Whether the process with this id runs.
#[cfg(test)]
pub fn runs(id: u32) -> bool {
    let pid = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| table::start_time(pid).is_some_and(|started| table::is_alive(pid, started)))
}
