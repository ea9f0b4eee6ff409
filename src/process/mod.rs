//! A child process and everything it starts: spawning, waiting, stopping. Knows nothing of Codex.
//!
//! When [`Child::stop`] has returned, or a [`Child`] was dropped, no process of its tree is alive,
//! and no signal has reached a process outside of it.

mod exit;
mod marker;
mod program;
mod pump;
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

pub use exit::Exit;
pub use marker::Marker;
pub use platform::{Output, Reader, kill_orphans, read};
pub use program::Program;
pub use pump::Sink;
pub use spawn::{Child, Pipes, spawn};
pub use stop::{StopMode, Stopped};

/// The usual name of a signal.
#[must_use]
pub fn signal_name(signal: i32) -> String {
    platform::signal_name(signal).map_or_else(|| format!("number {signal}"), str::to_owned)
}
