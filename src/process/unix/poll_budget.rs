//! Waiting for what tells nobody that it has happened, and can only be looked at: the end of processes that are not our children, or
//! of somebody's writing to a program.

use std::thread;
use std::time::Duration;

/// How long to wait between two looks.
pub const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How often to look.
///
/// It is counted, not timed: a daemon that is stopped for a second, or gets no processor, does not look a single time meanwhile, and
/// those whom it waits for may get none either. (Timed, it left unreaped children now and then on a busy machine, and four of 3,000
/// calls did in a daemon that was stopped for 1.2 s again and again.)
#[derive(Debug)]
pub struct PollBudget(u32);

impl PollBudget {
    /// A second on a machine that is not busy. Who outlives SIGKILL by as many looks hangs in the kernel, and there is nothing to be
    /// done about it.
    pub const fn new() -> Self {
        Self(200)
    }

    /// None at all.
    #[cfg(test)]
    pub const fn exhausted() -> Self {
        Self(0)
    }

    /// Waits until the next look; false when there is to be none.
    pub fn lasts(&mut self) -> bool {
        let Some(left) = self.0.checked_sub(1) else { return false };
        self.0 = left;
        thread::sleep(LOOK_EVERY);
        true
    }
}
