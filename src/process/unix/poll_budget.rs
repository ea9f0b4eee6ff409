//! Polling for events without notification: exits of non-children, a busy executable.

use std::thread;
use std::time::Duration;

/// Pause between two polls.
pub const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Number of polls that are left.
///
/// Counts polls instead of time. A host process that is stopped for a second, or gets no CPU, does
/// not poll meanwhile, and the processes that it waits for may get no CPU either. A time limit left
/// unreaped children now and then on a busy machine, and in 4 of 3,000 calls of a host process that
/// was stopped for 1.2 s again and again.
#[derive(Debug)]
pub struct PollBudget(u32);

impl PollBudget {
    /// One second on a machine that is not busy. A process that survives SIGKILL for as many polls
    /// hangs in the kernel.
    pub const fn new() -> Self {
        Self(200)
    }

    /// No polls.
    #[cfg(test)]
    pub const fn exhausted() -> Self {
        Self(0)
    }

    /// Sleeps for one interval. Returns false at once if no poll is left.
    pub fn wait(&mut self) -> bool {
        let Some(left) = self.0.checked_sub(1) else { return false };
        self.0 = left;
        thread::sleep(POLL_INTERVAL);
        true
    }
}
