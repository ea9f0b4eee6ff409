//! Polling for events without notification: exits of non-children, a busy executable.

use std::thread;
use std::time::Duration;

/// Poll interval.
pub const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// How many polls are left.
///
/// Counts polls instead of time: a daemon that is stopped for a second, or gets no processor, polls
/// not once meanwhile, and the processes that it waits for may get none either. (Timed, it left
/// unreaped children now and then on a busy machine, and in four of 3,000 calls of a daemon that
/// was stopped for 1.2 s again and again.)
#[derive(Debug)]
pub struct PollBudget(u32);

impl PollBudget {
    /// A second on a machine that is not busy. A process that outlives SIGKILL by as many polls
    /// hangs in the kernel.
    pub const fn new() -> Self {
        Self(200)
    }

    /// None at all.
    #[cfg(test)]
    pub const fn exhausted() -> Self {
        Self(0)
    }

    /// Sleeps for one interval; false, at once, when no poll is left.
    pub fn lasts(&mut self) -> bool {
        let Some(left) = self.0.checked_sub(1) else { return false };
        self.0 = left;
        thread::sleep(POLL_INTERVAL);
        true
    }
}
