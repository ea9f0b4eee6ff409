//! Ways of starting a program in a job on Windows, and the reason if it cannot be.
//!
//! Only Windows starts programs like this. Compiled everywhere, so that every system tests it.
#![cfg_attr(not(windows), allow(dead_code, reason = "only Windows has jobs"))]

use std::io;

/// Way of starting a program in a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobStart {
    /// In the job from its creation. If this process dies, so does the program.
    InJob,
    /// The same, outside of the job of this process.
    InJobBrokenAway,
    /// Suspended, and put into the job before it runs.
    SuspendedThenInJob,
}

/// Failed start of a program in a job.
#[derive(Debug)]
pub enum JobStartError {
    /// The system did not create the process.
    NotCreated(io::Error),
    /// The job did not take the process, which is terminated.
    NotTaken(io::Error),
}

impl From<io::Error> for JobStartError {
    fn from(error: io::Error) -> Self {
        Self::NotCreated(error)
    }
}

/// Windows does not let a job hold the program.
#[derive(Debug, thiserror::Error)]
#[error("Windows does not let a job object hold it: {0}")]
pub struct JobRefused(pub io::Error);

/// Starts a program with the first way that the system does not refuse.
///
/// - A job cannot be inside of one with limits for the user interface ("Nested Jobs" in Microsoft's
///   documentation). Such a job may let processes break away.
/// - Windows puts a packaged program into the job of its package. If others are in that already, it
///   cannot be inside of ours, but ours inside of it, so ours has to come second (microsoft/WSL,
///   `src/windows/common/install.cpp`).
///
/// # Errors
/// [`JobRefused`] if the system creates the process without a job, else the error of the first way:
/// then the job is not the reason.
pub fn start_in_job<T>(mut start: impl FnMut(JobStart) -> Result<T, JobStartError>) -> io::Result<T> {
    let first = match start(JobStart::InJob) {
        Ok(started) => return Ok(started),
        Err(JobStartError::NotCreated(error) | JobStartError::NotTaken(error)) => error,
    };
    if let Ok(started) = start(JobStart::InJobBrokenAway) {
        return Ok(started);
    }
    match start(JobStart::SuspendedThenInJob) {
        Ok(started) => Ok(started),
        Err(JobStartError::NotCreated(_)) => Err(first),
        Err(JobStartError::NotTaken(error)) => Err(io::Error::other(JobRefused(error))),
    }
}

#[cfg(test)]
mod tests {
    use super::JobStart::{InJob, InJobBrokenAway, SuspendedThenInJob};
    use super::JobStartError::{NotCreated, NotTaken};
    use super::*;

    fn error(code: i32) -> io::Error {
        io::Error::from_raw_os_error(code)
    }

    /// Returns the ways that were tried, and the result.
    fn start(mut result: impl FnMut(JobStart) -> Result<(), JobStartError>) -> (Vec<JobStart>, io::Result<()>) {
        let mut tried = Vec::new();
        let started = start_in_job(|way| {
            tried.push(way);
            result(way)
        });
        (tried, started)
    }

    #[test]
    fn tries_the_ways_until_one_is_not_refused() {
        let ways = [InJob, InJobBrokenAway, SuspendedThenInJob];
        for (count, last) in (1..).zip(ways) {
            let (tried, started) = start(|way| if way == last { Ok(()) } else { Err(error(5).into()) });
            started.unwrap();
            assert_eq!(tried, ways[..count]);
        }
    }

    #[test]
    fn says_that_the_job_is_the_reason_if_the_process_is_created_without_one() {
        let (_, started) =
            start(|way| Err(if way == SuspendedThenInJob { NotTaken(error(6)) } else { error(5).into() }));
        let refused = started.unwrap_err();
        assert!(refused.get_ref().unwrap().is::<JobRefused>());
        assert_eq!(refused.to_string(), format!("Windows does not let a job object hold it: {}", error(6)));
    }

    #[test]
    fn returns_the_first_error_if_the_process_is_not_created_without_a_job_either() {
        let code = |way| match way {
            InJob => 1,
            InJobBrokenAway => 2,
            SuspendedThenInJob => 3,
        };
        let (tried, started) = start(|way| Err(NotCreated(error(code(way)))));
        assert_eq!(started.unwrap_err().raw_os_error(), Some(1));
        assert_eq!(tried.len(), 3);
    }
}
