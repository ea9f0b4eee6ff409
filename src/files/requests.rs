//! Counts a thread's requests to the file system, so that another thread can notice an unanswered
//! one.

use std::cell::RefCell;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The requests of one piece of work. The number is odd while an answer is awaited, and grows with
/// every request and every answer.
#[derive(Debug, Default)]
pub struct Requests(AtomicU64);

thread_local! {
    /// Of the work that this thread does. Not `const { … }`: clippy does not see that where std
    /// keeps these by keys of the system's (windows-gnu, rust-clippy#12276).
    static CURRENT: RefCell<Option<Arc<Requests>>> = RefCell::default();
}

impl Requests {
    /// Does `work`, whose requests are counted here.
    pub fn of<T>(self: &Arc<Self>, work: impl FnOnce() -> T) -> T {
        CURRENT.replace(Some(Arc::clone(self)));
        let value = work();
        CURRENT.take();
        value
    }

    /// Which request is not answered yet. None while the work computes.
    #[must_use]
    pub fn pending(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|number| number % 2 == 1)
    }
}

/// Makes a request to the file system. One that is made of several (a search for a file) may make
/// these by this function too: each answer counts.
pub fn request<T>(ask: impl FnOnce() -> T) -> T {
    let Some(requests) = CURRENT.with_borrow(Clone::clone) else { return ask() };
    let is_part = requests.pending().is_some();
    requests.0.fetch_add(if is_part { 2 } else { 1 }, Ordering::Relaxed);
    let answer = ask();
    requests.0.fetch_add(if is_part { 2 } else { 1 }, Ordering::Relaxed);
    answer
}

/// Reads in requests of a size that a slow disk answers in far less than a second.
#[derive(Debug)]
pub struct InRequests<R>(pub R);

/// As much as is asked for at once.
const READ_BYTES: usize = 64 << 10;

impl<R: Read> Read for InRequests<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(READ_BYTES);
        request(|| self.0.read(&mut buffer[..most]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_pending_until_it_is_answered() {
        let requests = Arc::new(Requests::default());
        let seen = requests.of(|| {
            let computing = requests.pending();
            let first = request(|| requests.pending());
            let second = request(|| requests.pending());
            (computing, first, second, requests.pending())
        });
        assert_eq!(seen, (None, Some(1), Some(3), None));
    }

    #[test]
    fn every_part_of_a_request_counts_as_an_answer() {
        let requests = Arc::new(Requests::default());
        requests.of(|| {
            request(|| {
                let before = requests.pending();
                let within = request(|| requests.pending());
                assert!(before.is_some() && within.is_some() && requests.pending().is_some());
                assert!(before < within && within < requests.pending());
            });
        });
        assert_eq!(requests.pending(), None);
    }

    #[test]
    fn a_file_is_read_in_small_requests() {
        let bytes = vec![7; 3 * READ_BYTES + 1];
        let requests = Arc::new(Requests::default());
        let mut read = Vec::new();
        requests.of(|| InRequests(&bytes[..]).read_to_end(&mut read)).unwrap();
        assert_eq!(read, bytes);
        assert!(requests.0.load(Ordering::Relaxed) >= 2 * 4);
    }

    #[test]
    fn a_thread_whose_work_is_done_counts_no_more() {
        let requests = Arc::new(Requests::default());
        requests.of(|| ());
        request(|| assert_eq!(requests.pending(), None));
    }
}
