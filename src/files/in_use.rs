//! Files that another program keeps from being used for a moment. Virus scanners and indexers open
//! every new file, and Windows does not notify when they close it.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// Time limit for retries.
pub const RETRY_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause between retries.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Whether the operation that failed with `error` may soon succeed, because another program uses
/// the file. Always false on Unix, where open files can be read and removed.
#[must_use]
pub fn is_in_use(error: &io::Error) -> bool {
    cfg!(windows) && error.raw_os_error().is_some_and(may_pass_on_windows)
}

/// Whether this error of Windows may pass.
const fn may_pass_on_windows(code: i32) -> bool {
    /// Also the translation of `STATUS_DELETE_PENDING`, and the refusal of a scanner's filter
    /// driver. Go's `robustio` and npm's `graceful-fs` retry it for these reasons.
    const ERROR_ACCESS_DENIED: i32 = 5;
    const ERROR_SHARING_VIOLATION: i32 = 32;
    /// Reading a range that another process has locked.
    const ERROR_LOCK_VIOLATION: i32 = 33;
    const ERROR_DELETE_PENDING: i32 = 303;
    matches!(code, ERROR_ACCESS_DENIED | ERROR_SHARING_VIOLATION | ERROR_LOCK_VIOLATION | ERROR_DELETE_PENDING)
}

/// Repeats `attempt` until `is_final` holds for its result, or for [`RETRY_TIMEOUT`] after the
/// first one. Blocks.
pub fn retry<T>(mut attempt: impl FnMut() -> T, is_final: impl Fn(&T) -> bool) -> T {
    let mut end = None;
    loop {
        let result = attempt();
        let now = Instant::now();
        if is_final(&result) || now >= *end.get_or_insert(now + RETRY_TIMEOUT) {
            return result;
        }
        thread::sleep(POLL_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_of_files_in_use_may_pass() {
        for code in [5, 32, 33, 303] {
            assert!(may_pass_on_windows(code), "{code}");
            assert_eq!(is_in_use(&io::Error::from_raw_os_error(code)), cfg!(windows), "{code}");
        }
        // Not found, path not found, bad network path, disk full, directory not empty, virus found.
        for code in [2, 3, 53, 112, 145, 225] {
            assert!(!may_pass_on_windows(code), "{code}");
        }
        assert!(!is_in_use(&io::ErrorKind::PermissionDenied.into()), "an error without a code");
    }

    #[test]
    fn retries_until_a_result_is_final() {
        let mut attempts = 0;
        let mut attempt = || {
            attempts += 1;
            attempts
        };
        assert_eq!(retry(&mut attempt, |&result| result == 3), 3);
        assert_eq!(retry(&mut attempt, |_| true), 4);
    }

    #[test]
    fn gives_up_after_the_time_limit() {
        let began = Instant::now();
        let mut attempts = 0;
        retry(|| attempts += 1, |()| false);
        assert!(attempts > 1 && began.elapsed() >= RETRY_TIMEOUT);
    }
}
