//! A child process and everything it starts: spawning, waiting, stopping. Knows nothing of Codex.
//!
//! What is promised: when [`Child::stop`] has returned, or a [`Child`] was dropped, no process of
//! its tree is alive, and no signal has reached a process outside of it. A process is of the tree
//! if any of these holds when the tree is stopped:
//!
//! * its ancestors lead to the child through processes that are still in the table, zombies
//!   included;
//! * it is in the child's process group;
//! * it carries the [`Marker`]: as a variable in the environment it was started with, or on Linux
//!   as a resource limit, which is inherited and survives new sessions, empty environments and the
//!   death of all parents;
//! * it works in the marked directory;
//! * a scan has found it by ancestry or group while the tree ran. A thread scans as soon as the
//!   child has been started, 20 ms later, then with doubling pauses up to a second, or longer where
//!   the machine has thousands of processes or no processor to spare. On Linux each scan also marks
//!   what it finds.
//!
//! On Windows a job holds all of them. Elsewhere these are missed:
//!
//! * on Linux, a process that sheds all signs between two scans: it lifts the limit, or an ancestor
//!   did, and it loses its parents, group, environment and directory before the next scan. Where
//!   the system refuses the limit ([`Stopped`] does not tell), lifting it is not needed;
//! * on Linux, a process that descends from one which the child started before it had its limit,
//!   and that sheds the other signs before the first scan. The limit is set when the child has been
//!   started and before [`spawn()`] returns, so the child has been told nothing by then;
//! * on macOS, which has no such limit, a process that sheds parents, group, environment and
//!   directory between two scans;
//! * what a service starts on the tree's behalf.
//!
//! When this process is killed, its scans are lost: the watchdog goes by the marker, the group and,
//! on macOS, ancestry. [`Stopped::may_have_survivors`] tells where the system does not show its
//! processes.

pub mod pump;
mod spawn;
mod stop;
mod wait;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(test)]
mod tests;

#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as platform;

pub use platform::kill_orphans;
pub use spawn::{Child, Pipes, Program, spawn};
pub use stop::{StopMode, Stopped};
pub use wait::Exit;

/// What a run's processes can be recognised by when their ancestry no longer tells.
#[derive(Debug, Clone)]
pub struct Marker {
    /// A variable in their environment.
    pub name: &'static str,
    /// Its value, unique to the run.
    pub value: String,
    /// A directory private to the run. Every process that works there is killed at the end.
    pub dir: Option<std::path::PathBuf>,
}

/// The name of a signal, as people know it.
#[must_use]
pub fn signal_name(signal: i32) -> String {
    platform::signal_name(signal).map_or_else(|| format!("number {signal}"), str::to_owned)
}
