//! How a tree of processes is stopped.

use std::time::Duration;

/// How much patience the tree deserves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// The child is to end: SIGTERM to everything, SIGKILL after the grace.
    Firm {
        /// Between SIGTERM and SIGKILL.
        grace: Duration,
    },
    /// The child has ended by itself, or there is no time: SIGKILL to whatever is left.
    Now,
}
