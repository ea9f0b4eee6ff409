//! A child process and everything it starts: spawning, waiting, stopping. Knows nothing of Codex.
//!
//! What is promised: when [`Child::stop`] has returned, or a [`Child`] was dropped, no process of its tree is alive, not
//! even one that left the group, the session or its parents behind, and no signal has reached a process outside of it.

pub mod lines;
pub mod pump;
mod spawn;
mod stop;
pub mod tail;
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
pub use stop::{Manner, Stopped};
pub use wait::Exit;

/// What a run's processes can be recognised by when their ancestry no longer tells.
#[derive(Debug, Clone)]
pub struct Marker {
    /// A variable in their environment.
    pub name: &'static str,
    /// Its value, unique to the run.
    pub value: String,
    /// A directory private to the run, in which they may work. Whoever works there is killed at the end.
    pub dir: Option<std::path::PathBuf>,
}

/// The name of a signal, as people know it.
#[must_use]
pub fn signal_name(signal: i32) -> String {
    platform::signal_name(signal).map_or_else(|| format!("number {signal}"), str::to_owned)
}
