//! Starts, awaits and stops a child process together with all of its descendants.
//!
//! [`Child`] documents which processes belong to its tree, and SECURITY.md which are missed.
//! ARCHITECTURE.md explains the design.

#[cfg(any(windows, test))]
mod blocking_pump;
mod exit;
mod job_start;
mod program;
mod pump;
mod run_tag;
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
pub use job_start::JobRefused;
pub use platform::{Output, Reader, kill_orphans, read};
pub use program::Program;
pub use pump::Sink;
pub use run_tag::RunTag;
pub use spawn::{Child, Pipes, spawn};
pub use stop::{StopMode, Stopped};

/// Returns the name of a signal, such as `SIGKILL`.
#[must_use]
pub fn signal_name(signal: i32) -> String {
    platform::signal_name(signal).map_or_else(|| format!("number {signal}"), str::to_owned)
}
