//! Counts a thread's file system requests, so that another thread can tell a slow disk from one
//! that does not answer.

use std::cell::RefCell;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counter of the requests of one task. It grows with every request and every answer, and is odd
/// while a request is pending.
#[derive(Debug, Default)]
pub struct FsRequests(AtomicU64);

thread_local! {
    /// Counter of this thread's task. Not `const { … }`: clippy does not accept that on targets
    /// where std uses the system's thread-local keys (windows-gnu, rust-clippy#12276).
    static CURRENT: RefCell<Option<Arc<FsRequests>>> = RefCell::default();
}

impl FsRequests {
    /// Runs `task` and counts its requests.
    pub fn of<T>(self: &Arc<Self>, task: impl FnOnce() -> T) -> T {
        CURRENT.replace(Some(Arc::clone(self)));
        let value = task();
        CURRENT.take();
        value
    }

    /// Number of the pending request. None while the task computes.
    #[must_use]
    pub fn pending(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|number| number % 2 == 1)
    }
}

/// Counts `call` as one request. Requests may be nested, as in a search for a file; each inner
/// answer counts as progress.
pub fn fs_request<T>(call: impl FnOnce() -> T) -> T {
    let Some(requests) = CURRENT.with_borrow(Clone::clone) else { return call() };
    let is_nested = requests.pending().is_some();
    requests.0.fetch_add(if is_nested { 2 } else { 1 }, Ordering::Relaxed);
    let answer = call();
    requests.0.fetch_add(if is_nested { 2 } else { 1 }, Ordering::Relaxed);
    answer
}

/// Reader that counts its requests and keeps each small, so that a slow disk answers it in far less
/// than a second.
#[derive(Debug)]
pub struct RequestCountingReader<R>(pub R);

/// Most bytes of one request.
const READ_BYTES: usize = 64 << 10;

impl<R: Read> Read for RequestCountingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(READ_BYTES);
        fs_request(|| self.0.read(&mut buffer[..most]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_pending_until_it_is_answered() {
        let requests = Arc::new(FsRequests::default());
        let seen = requests.of(|| {
            let computing = requests.pending();
            let first = fs_request(|| requests.pending());
            let second = fs_request(|| requests.pending());
            (computing, first, second, requests.pending())
        });
        assert_eq!(seen, (None, Some(1), Some(3), None));
    }

    #[test]
    fn the_answer_to_a_nested_request_counts() {
        let requests = Arc::new(FsRequests::default());
        requests.of(|| {
            fs_request(|| {
                let before = requests.pending();
                let within = fs_request(|| requests.pending());
                assert!(before.is_some() && within.is_some() && requests.pending().is_some());
                assert!(before < within && within < requests.pending());
            });
        });
        assert_eq!(requests.pending(), None);
    }

    #[test]
    fn reads_a_file_in_small_requests() {
        let bytes = vec![7; 3 * READ_BYTES + 1];
        let requests = Arc::new(FsRequests::default());
        let mut read = Vec::new();
        requests.of(|| RequestCountingReader(&bytes[..]).read_to_end(&mut read)).unwrap();
        assert_eq!(read, bytes);
        assert!(requests.0.load(Ordering::Relaxed) >= 2 * 4);
    }

    #[test]
    fn counts_no_requests_after_the_task() {
        let requests = Arc::new(FsRequests::default());
        requests.of(|| ());
        fs_request(|| assert_eq!(requests.pending(), None));
    }
}
