//! The deadline and the cancellation of a call.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::error::{Cause, Failure};

/// Cancellation of a call.
#[derive(Debug, Clone)]
pub struct Cancel {
    /// Cancelled when the caller aborts the call.
    pub abort: CancellationToken,
    /// Cancelled when the JavaScript environment is ending: the result cannot be delivered.
    pub shutdown: CancellationToken,
}

/// Reason why a call has to end early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupt {
    /// The time limit is over.
    Timeout,
    /// The caller aborted the call.
    Aborted,
    /// The JavaScript environment is ending.
    Shutdown,
}

impl Interrupt {
    /// The cause with which the call fails.
    #[must_use]
    pub const fn cause(self, timeout: Duration) -> Cause {
        match self {
            Self::Timeout => Cause::Timeout(timeout),
            Self::Aborted | Self::Shutdown => Cause::Aborted,
        }
    }
}

/// Events that interrupt one call: its deadline, an abort, the end of its environment.
#[derive(Debug)]
pub struct Interrupts {
    deadline: Instant,
    timeout: Duration,
    cancel: Cancel,
}

impl Interrupts {
    /// The interrupts of a call that began at `began` and may take `timeout`.
    #[must_use]
    pub fn new(began: Instant, timeout: Duration, cancel: Cancel) -> Self {
        Self { deadline: began + timeout, timeout, cancel }
    }

    /// Cancelled when the JavaScript environment is ending.
    #[must_use]
    pub fn shutdown(&self) -> CancellationToken {
        self.cancel.shutdown.clone()
    }

    /// Resolves when the call has to end.
    pub async fn interrupted(&self) -> Interrupt {
        tokio::select! {
            biased;
            () = self.cancel.shutdown.cancelled() => Interrupt::Shutdown,
            () = self.cancel.abort.cancelled() => Interrupt::Aborted,
            () = tokio::time::sleep_until(self.deadline.into()) => Interrupt::Timeout,
        }
    }

    /// Awaits the future, unless the call has to end first. Only for futures that leave nothing
    /// behind when dropped.
    ///
    /// # Errors
    /// The interrupt's cause, or the future's own failure.
    pub async fn unless_interrupted<T>(&self, future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            interrupt = self.interrupted() => Err(interrupt.cause(self.timeout).into()),
            value = future => value,
        }
    }

    /// Fails if the call has to end.
    ///
    /// # Errors
    /// The interrupt's cause.
    pub fn check(&self) -> Result<(), Failure> {
        let interrupt = if self.cancel.shutdown.is_cancelled() {
            Interrupt::Shutdown
        } else if self.cancel.abort.is_cancelled() {
            Interrupt::Aborted
        } else if Instant::now() >= self.deadline {
            Interrupt::Timeout
        } else {
            return Ok(());
        };
        Err(interrupt.cause(self.timeout).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(600);

    fn interrupts(began: Instant) -> Interrupts {
        Interrupts::new(began, TIMEOUT, Cancel { abort: CancellationToken::new(), shutdown: CancellationToken::new() })
    }

    #[test]
    fn a_call_may_continue_until_its_time_limit() {
        let now = Instant::now();
        assert_eq!(interrupts(now).check(), Ok(()));
        assert_eq!(interrupts(now.checked_sub(TIMEOUT).unwrap()).check(), Err(Cause::Timeout(TIMEOUT).into()));
    }

    #[test]
    fn an_abort_and_a_shutdown_end_a_call_before_its_time_limit() {
        let aborted = interrupts(Instant::now());
        aborted.cancel.abort.cancel();
        assert_eq!(aborted.check(), Err(Cause::Aborted.into()));
        assert!(!aborted.shutdown().is_cancelled());
        let shut_down = interrupts(Instant::now());
        shut_down.cancel.shutdown.cancel();
        assert_eq!(shut_down.check(), Err(Cause::Aborted.into()));
        assert!(shut_down.shutdown().is_cancelled());
    }
}
