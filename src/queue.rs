//! A fair queue for the whole process.
//!
//! One Codex weighs 200 to 300 MB, and all of them share one login whose refresh tokens work once: two that renew it at the
//! same moment sign the user out. So only so many run at a time, and the others wait in the order in which they came.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// How many run at a time unless somebody says otherwise.
pub const DEFAULT_LIMIT: usize = 2;

/// The queue. Cheap to clone; all clones are one queue.
#[derive(Debug, Clone)]
pub struct Queue(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    limit: usize,
    running: usize,
    /// Those who wait, in order. Each is told its position: 0 means that it may run.
    waiting: VecDeque<watch::Sender<usize>>,
}

impl Default for Queue {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { limit: DEFAULT_LIMIT, running: 0, waiting: VecDeque::new() })))
    }
}

/// A place among those who run. Given back when dropped.
#[derive(Debug)]
pub struct Place(Queue);

/// A place in the line. Given up when dropped.
#[derive(Debug)]
pub struct Ticket {
    queue: Queue,
    /// Gone once the ticket has become a place.
    position: Option<watch::Receiver<usize>>,
}

impl Queue {
    /// Sets how many may run at a time, at least one. Those that run already go on.
    pub fn set_limit(&self, limit: usize) {
        let mut state = self.lock();
        state.limit = limit.max(1);
        state.advance();
    }

    /// Takes the next place in the line.
    #[must_use]
    pub fn line_up(&self) -> Ticket {
        let (tell, position) = watch::channel(usize::MAX);
        let mut state = self.lock();
        state.waiting.push_back(tell);
        state.advance();
        Ticket { queue: self.clone(), position: Some(position) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Lets in whoever there is room for, and tells the others where they stand.
    fn advance(&mut self) {
        // Whoever gave up has dropped its end.
        self.waiting.retain(|waiter| waiter.receiver_count() > 0);
        while self.running < self.limit
            && let Some(next) = self.waiting.pop_front()
        {
            self.running += 1;
            next.send_replace(0);
        }
        for (index, waiter) in self.waiting.iter().enumerate() {
            waiter.send_if_modified(|position| std::mem::replace(position, index + 1) != index + 1);
        }
    }
}

impl Ticket {
    /// Resolves when it is the holder's turn. `waiting` is told the position, from 1 on, whenever it changes. Dropping the
    /// future gives the place in the line up.
    pub async fn turn(mut self, mut waiting: impl FnMut(usize)) -> Place {
        while let Some(position) = &mut self.position {
            let ahead = *position.borrow_and_update();
            if ahead == 0 {
                break;
            }
            waiting(ahead);
            // The queue lets go of the other end only after it has called.
            if position.changed().await.is_err() {
                break;
            }
        }
        self.position = None;
        Place(self.queue.clone())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some(position) = self.position.take() else { return };
        let mut state = self.queue.lock();
        // Called, and gone before it noticed.
        if *position.borrow() == 0 {
            state.running -= 1;
        }
        drop(position);
        state.advance();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.running -= 1;
        state.advance();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn enter(queue: &Queue) -> Option<Place> {
        let future = pin!(queue.line_up().turn(|_| {}));
        match poll(future) {
            Poll::Ready(place) => Some(place),
            Poll::Pending => None,
        }
    }

    #[test]
    fn no_more_than_the_limit_run() {
        let queue = Queue::default();
        let first = enter(&queue).unwrap();
        let _second = enter(&queue).unwrap();
        assert!(enter(&queue).is_none());
        drop(first);
        assert!(enter(&queue).is_some());
    }

    #[test]
    fn the_line_is_first_come_first_served_and_tells_positions() {
        let queue = Queue::default();
        queue.set_limit(1);
        let place = enter(&queue).unwrap();
        let (told_a, told_b) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
        let mut a = pin!(queue.line_up().turn(|position| told_a.borrow_mut().push(position)));
        let mut b = pin!(queue.line_up().turn(|position| told_b.borrow_mut().push(position)));
        assert!(poll(a.as_mut()).is_pending());
        assert!(poll(b.as_mut()).is_pending());
        drop(place);
        assert!(poll(b.as_mut()).is_pending(), "a was first");
        let Poll::Ready(place) = poll(a.as_mut()) else { panic!("a may run") };
        drop(place);
        assert!(poll(b.as_mut()).is_ready());
        assert_eq!(*told_a.borrow(), [1]);
        assert_eq!(*told_b.borrow(), [2, 1]);
    }

    #[test]
    fn giving_up_lets_the_next_one_in() {
        let queue = Queue::default();
        queue.set_limit(1);
        let place = enter(&queue).unwrap();
        {
            let mut quitter = pin!(queue.line_up().turn(|_| {}));
            assert!(poll(quitter.as_mut()).is_pending());
            drop(place);
            // It has been called, and is dropped without having noticed.
        }
        assert!(enter(&queue).is_some());
    }

    #[test]
    fn giving_up_in_the_middle_moves_the_others_up() {
        let queue = Queue::default();
        queue.set_limit(1);
        let place = enter(&queue).unwrap();
        let told = RefCell::new(Vec::new());
        let mut quitter = Box::pin(queue.line_up().turn(|_| {}));
        let mut last = pin!(queue.line_up().turn(|position| told.borrow_mut().push(position)));
        assert!(poll(quitter.as_mut()).is_pending());
        assert!(poll(last.as_mut()).is_pending());
        drop(quitter);
        assert!(poll(last.as_mut()).is_pending());
        drop(place);
        assert!(poll(last.as_mut()).is_ready());
        assert_eq!(*told.borrow(), [2, 1]);
    }

    #[test]
    fn raising_the_limit_lets_more_in_at_once() {
        let queue = Queue::default();
        queue.set_limit(1);
        let _first = enter(&queue).unwrap();
        let mut second = pin!(queue.line_up().turn(|_| {}));
        assert!(poll(second.as_mut()).is_pending());
        queue.set_limit(2);
        assert!(poll(second.as_mut()).is_ready());
    }
}
