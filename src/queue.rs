//! Process-wide first-in, first-out queue that limits how many Codex processes run at a time.
//!
//! Each takes 200 to 300 MB. All share one login whose refresh tokens work once: two processes that
//! renew it at the same moment sign the user out. Joining, leaving and starting take O(log n), so
//! that a host process can abort thousands of waiting calls at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Default number of calls that run at a time.
pub const DEFAULT_LIMIT: usize = 2;
/// The most that may run at a time.
pub const MAX_LIMIT: usize = 1000;

/// Handle to the queue. Cheap to clone; all clones share one queue.
#[derive(Debug, Clone)]
pub struct Queue(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    limit: usize,
    running: usize,
    waiting: WaitingLine,
}

impl Default for Queue {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { limit: DEFAULT_LIMIT, running: 0, waiting: WaitingLine::default() })))
    }
}

/// Permission to run. Dropping it starts the next waiter.
#[derive(Debug)]
pub struct Slot(Queue);

/// Position in the queue. Dropping it leaves the queue.
#[derive(Debug)]
pub struct Ticket {
    queue: Queue,
    /// None once the ticket has become a [`Slot`].
    waiter: Option<Arc<Waiter>>,
}

#[derive(Debug)]
struct Waiter {
    /// Index in [`WaitingLine::cells`], or [`ADMITTED`]. Written under the queue's lock only.
    index: AtomicUsize,
    /// Notified when the waiter is admitted or reaches a milestone.
    changed: Notify,
}

/// Index of a waiter that may run.
const ADMITTED: usize = usize::MAX;

impl Waiter {
    fn index(&self) -> Option<usize> {
        Some(self.index.load(Ordering::Relaxed)).filter(|&index| index != ADMITTED)
    }
}

impl Queue {
    /// Sets how many calls may run at a time, at least one. Does not stop running calls.
    pub fn set_limit(&self, limit: usize) {
        let mut state = self.lock();
        state.limit = limit.max(1);
        state.advance();
    }

    /// Joins the end of the queue.
    #[must_use]
    pub fn join(&self) -> Ticket {
        let waiter = Arc::new(Waiter { index: AtomicUsize::new(ADMITTED), changed: Notify::new() });
        let mut state = self.lock();
        state.waiting.push(Arc::clone(&waiter));
        state.advance();
        Ticket { queue: self.clone(), waiter: Some(waiter) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Starts waiters while slots are free.
    fn advance(&mut self) {
        while self.running < self.limit
            && let Some(index) = self.waiting.index_of(1)
        {
            self.running += 1;
            self.remove(index);
        }
    }

    /// Removes the waiter from the queue. Wakes it, and the waiters behind it that reach a
    /// milestone.
    fn remove(&mut self, index: usize) {
        let first = self.waiting.position(index);
        let Some(waiter) = self.waiting.remove(index) else { return };
        waiter.index.store(ADMITTED, Ordering::Relaxed);
        waiter.changed.notify_one();
        for position in milestones(first).take_while(|&position| position <= self.waiting.length) {
            let behind = self.waiting.index_of(position).and_then(|index| self.waiting.waiter(index));
            if let Some(waiter) = behind {
                waiter.changed.notify_one();
            }
        }
    }
}

/// Positions from `first` on that are reported to waiters: all up to 16, then those with at most
/// four significant binary digits. So a waiter gets eight reports while its position halves, and
/// removing one waiter wakes O(log n) others.
fn milestones(first: usize) -> impl Iterator<Item = usize> {
    // Value of the last of four significant digits.
    let step = |position: usize| 1 << (position.ilog2().saturating_sub(3));
    let start = first.next_multiple_of(step(first));
    std::iter::successors(Some(start), move |&position| Some(position + step(position)))
}

impl Ticket {
    /// Waits for a free slot.
    ///
    /// Passes the position, counted from 1, to `on_position` at the start and at each milestone.
    /// Dropping the future leaves the queue.
    pub async fn admitted(mut self, mut on_position: impl FnMut(usize)) -> Slot {
        let mut reported = 0;
        while let Some(waiter) = &self.waiter {
            let position = {
                let state = self.queue.lock();
                waiter.index().map(|index| state.waiting.position(index))
            };
            let Some(position) = position else { break };
            if position != reported {
                reported = position;
                on_position(position);
            }
            waiter.changed.notified().await;
        }
        self.waiter = None;
        Slot(self.queue.clone())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter.take() else { return };
        let mut state = self.queue.lock();
        match waiter.index() {
            Some(index) => state.remove(index),
            // Admitted, and dropped before it was polled.
            None => state.running -= 1,
        }
        state.advance();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.running -= 1;
        state.advance();
    }
}

/// Waiters in their order. A waiter that leaves empties its cell, and a Fenwick tree counts the
/// full cells.
#[derive(Debug, Default)]
struct WaitingLine {
    cells: Vec<Option<Arc<Waiter>>>,
    /// Fenwick tree: `counts[n - 1]` is the number of full cells among the last
    /// `n & n.wrapping_neg()` up to cell `n - 1`. Its length, a power of two, is the capacity.
    counts: Vec<usize>,
    /// Number of full cells.
    length: usize,
    /// Number of tree nodes visited so far.
    #[cfg(test)]
    visits: std::cell::Cell<usize>,
}

impl WaitingLine {
    /// Appends a waiter and sets its index.
    fn push(&mut self, waiter: Arc<Waiter>) {
        if self.cells.len() == self.counts.len() {
            self.compact();
        }
        let index = self.cells.len();
        waiter.index.store(index, Ordering::Relaxed);
        self.cells.push(Some(waiter));
        self.length += 1;
        self.update(index, |count| *count += 1);
    }

    /// Empties the cell.
    fn remove(&mut self, index: usize) -> Option<Arc<Waiter>> {
        let waiter = self.cells.get_mut(index)?.take()?;
        self.length -= 1;
        self.update(index, |count| *count -= 1);
        Some(waiter)
    }

    fn waiter(&self, index: usize) -> Option<&Arc<Waiter>> {
        self.cells.get(index)?.as_ref()
    }

    /// Returns the position of the waiter at `index`, counted from 1.
    fn position(&self, index: usize) -> usize {
        let (mut end, mut position) = (index + 1, 0);
        while end > 0 {
            self.visit();
            position += self.counts[end - 1];
            end &= end - 1;
        }
        position
    }

    /// Returns the index of the waiter at this position, counted from 1.
    fn index_of(&self, position: usize) -> Option<usize> {
        if position > self.length {
            return None;
        }
        let (mut start, mut left, mut step) = (0, position, self.counts.len());
        while step > 0 {
            self.visit();
            // Number of full cells in `start..start + step`.
            if let Some(&count) = self.counts.get(start + step - 1)
                && count < left
            {
                start += step;
                left -= count;
            }
            step /= 2;
        }
        Some(start)
    }

    /// Applies `change` to every node of the tree that counts the cell.
    fn update(&mut self, index: usize, change: impl Fn(&mut usize)) {
        let mut end = index + 1;
        while let Some(count) = self.counts.get_mut(end - 1) {
            change(count);
            end += end & end.wrapping_neg();
            self.visit();
        }
    }

    /// Removes empty cells and sets the capacity to at least twice the length, so that the cost is
    /// amortised over the waiters that join until the next time.
    fn compact(&mut self) {
        self.cells.retain(Option::is_some);
        let capacity = (2 * self.length).next_power_of_two().max(16);
        self.counts.clear();
        self.counts.resize(capacity, 0);
        self.cells.shrink_to(capacity);
        self.counts.shrink_to(capacity);
        for (index, waiter) in self.cells.iter().enumerate() {
            if let Some(waiter) = waiter {
                waiter.index.store(index, Ordering::Relaxed);
            }
        }
        for end in 1..=capacity {
            self.visit();
            // The first `length` cells are full now.
            let size = end & end.wrapping_neg();
            self.counts[end - 1] = self.length.saturating_sub(end - size).min(size);
        }
    }

    #[allow(clippy::unused_self, reason = "only tests count")]
    fn visit(&self) {
        #[cfg(test)]
        self.visits.set(self.visits.get() + 1);
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

    fn enter(queue: &Queue) -> Option<Slot> {
        let future = pin!(queue.join().admitted(|_| {}));
        match poll(future) {
            Poll::Ready(slot) => Some(slot),
            Poll::Pending => None,
        }
    }

    #[test]
    fn runs_no_more_than_the_limit() {
        let queue = Queue::default();
        let first = enter(&queue).unwrap();
        let _second = enter(&queue).unwrap();
        assert!(enter(&queue).is_none());
        drop(first);
        assert!(enter(&queue).is_some());
    }

    #[test]
    fn admits_in_order_and_reports_positions() {
        let queue = Queue::default();
        queue.set_limit(1);
        let slot = enter(&queue).unwrap();
        let (positions_a, positions_b) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
        let mut a = pin!(queue.join().admitted(|position| positions_a.borrow_mut().push(position)));
        let mut b = pin!(queue.join().admitted(|position| positions_b.borrow_mut().push(position)));
        assert!(poll(a.as_mut()).is_pending());
        assert!(poll(b.as_mut()).is_pending());
        drop(slot);
        assert!(poll(b.as_mut()).is_pending(), "a was first");
        let Poll::Ready(slot) = poll(a.as_mut()) else { panic!("a may run") };
        drop(slot);
        assert!(poll(b.as_mut()).is_ready());
        assert_eq!(*positions_a.borrow(), [1]);
        assert_eq!(*positions_b.borrow(), [2, 1]);
    }

    #[test]
    fn dropping_an_admitted_waiter_admits_the_next() {
        let queue = Queue::default();
        queue.set_limit(1);
        let slot = enter(&queue).unwrap();
        {
            let mut leaver = pin!(queue.join().admitted(|_| {}));
            assert!(poll(leaver.as_mut()).is_pending());
            drop(slot);
            // Admitted, and dropped before it is polled.
        }
        assert!(enter(&queue).is_some());
    }

    #[test]
    fn leaving_the_queue_moves_the_others_up() {
        let queue = Queue::default();
        queue.set_limit(1);
        let slot = enter(&queue).unwrap();
        let positions = RefCell::new(Vec::new());
        let mut leaver = Box::pin(queue.join().admitted(|_| {}));
        let mut last = pin!(queue.join().admitted(|position| positions.borrow_mut().push(position)));
        assert!(poll(leaver.as_mut()).is_pending());
        assert!(poll(last.as_mut()).is_pending());
        drop(leaver);
        assert!(poll(last.as_mut()).is_pending());
        drop(slot);
        assert!(poll(last.as_mut()).is_ready());
        assert_eq!(*positions.borrow(), [2, 1]);
    }

    #[test]
    fn raising_the_limit_admits_more_at_once() {
        let queue = Queue::default();
        queue.set_limit(1);
        let _first = enter(&queue).unwrap();
        let mut second = pin!(queue.join().admitted(|_| {}));
        assert!(poll(second.as_mut()).is_pending());
        queue.set_limit(2);
        assert!(poll(second.as_mut()).is_ready());
    }

    /// Creates a queue with one running and `count` waiting calls.
    fn long_queue(count: usize) -> (Queue, Slot, Vec<Option<Ticket>>) {
        let queue = Queue::default();
        queue.set_limit(1);
        let slot = enter(&queue).unwrap();
        let tickets = (0..count).map(|_| Some(queue.join())).collect();
        (queue, slot, tickets)
    }

    fn visits(queue: &Queue) -> usize {
        queue.lock().waiting.visits.get()
    }

    #[test]
    fn the_cost_of_a_waiter_grows_with_the_logarithm_of_the_queue_length() {
        // Cost of leaving: the removal, and a search for each milestone.
        let most = |count: usize| (milestones(1).take_while(|&position| position <= count).count() + 4) * 20;
        for count in [100, 1000, 16_000] {
            for order in ["first to last", "last to first", "every third"] {
                let (queue, slot, mut tickets) = long_queue(count);
                assert!((count..=30 * count).contains(&visits(&queue)), "{} for {count} to join", visits(&queue));
                let before = visits(&queue);
                match order {
                    "first to last" => tickets.clear(),
                    "last to first" => tickets.iter_mut().rev().for_each(|ticket| *ticket = None),
                    _ => (0..3).for_each(|n| tickets.iter_mut().skip(n).step_by(3).for_each(|ticket| *ticket = None)),
                }
                let visited = visits(&queue) - before;
                assert!(visited <= most(count) * count, "{visited} for {count} to leave, {order}");
                drop(slot);
                assert!(enter(&queue).is_some());
            }
        }
    }

    #[test]
    fn a_queue_of_constant_length_is_seldom_compacted() {
        // A capacity of 1024 has room for it, but leaves few cells empty.
        let (queue, _slot, mut tickets) = long_queue(1022);
        let before = visits(&queue);
        for _ in 0..1000 {
            tickets.pop();
            tickets.push(Some(queue.join()));
        }
        // Compacting visits at least 1024 nodes, leaving and joining some dozen.
        let visited = visits(&queue) - before;
        assert!(visited <= 1000 * 100, "{visited}");
    }

    #[test]
    fn loses_no_slot_in_any_order_of_leaving() {
        let (queue, slot, mut tickets) = long_queue(1000);
        queue.set_limit(3);
        // Three run now: one holds its slot, two are admitted and not polled yet.
        for n in (0..1000).step_by(7).chain((0..1000).rev().step_by(3)).chain(0..1000) {
            tickets[n] = None;
            assert!(queue.lock().running <= 3);
        }
        drop(slot);
        assert_eq!(queue.lock().running, 0);
        assert_eq!(queue.lock().waiting.length, 0);
        let entered: Vec<_> = (0..4).map_while(|_| enter(&queue)).collect();
        assert_eq!(entered.len(), 3);
    }

    #[test]
    fn positions_count_only_waiters_that_are_left() {
        let (queue, _slot, mut tickets) = long_queue(500);
        let leaves = |n: usize| n.is_multiple_of(3) || n.is_multiple_of(7);
        for n in (0..500).filter(|&n| leaves(n)) {
            tickets[n] = None;
        }
        // Enough to compact the cells.
        tickets.extend((0..700).map(|_| Some(queue.join())));
        let state = queue.lock();
        let waiting = tickets.iter().flatten().map(|ticket| ticket.waiter.as_ref().unwrap().index().unwrap());
        for (ahead, index) in waiting.enumerate() {
            assert_eq!(state.waiting.position(index), ahead + 1);
            assert_eq!(state.waiting.index_of(ahead + 1), Some(index));
        }
        assert_eq!(state.waiting.index_of(state.waiting.length + 1), None);
    }

    #[test]
    fn any_number_of_joins_and_leaves_takes_bounded_memory() {
        let (queue, _slot, tickets) = long_queue(10);
        for _ in 0..10_000 {
            drop((queue.join(), queue.join()));
        }
        assert!(queue.lock().waiting.counts.len() <= 64);
        drop(tickets);
    }

    #[test]
    fn milestones_are_every_position_up_to_16_and_fewer_beyond() {
        let all: Vec<_> = milestones(1).take_while(|&position| position <= 100).collect();
        let rest = [18, 20, 22, 24, 26, 28, 30, 32, 36, 40, 44, 48, 52, 56, 60, 64, 72, 80, 88, 96];
        assert_eq!(all, (1..=16).chain(rest).collect::<Vec<_>>());
        for first in 1..=100 {
            assert_eq!(milestones(first).next(), all.iter().copied().chain([104]).find(|&position| position >= first));
        }
    }

    /// Counts wake-ups.
    #[derive(Default)]
    struct WakeCount(AtomicUsize);

    impl std::task::Wake for WakeCount {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn wakes_a_waiter_at_each_milestone_and_reports_its_current_position() {
        let (queue, _slot, mut tickets) = long_queue(99);
        let positions = RefCell::new(Vec::new());
        let mut last = pin!(queue.join().admitted(|position| positions.borrow_mut().push(position)));
        let wake_count = Arc::new(WakeCount::default());
        let waker = Waker::from(Arc::clone(&wake_count));
        assert!(last.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        for ticket in &mut tickets {
            let before = wake_count.0.load(Ordering::Relaxed);
            *ticket = None;
            if wake_count.0.load(Ordering::Relaxed) > before {
                assert!(last.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            }
        }
        let mut expected: Vec<_> = milestones(1).take_while(|&position| position < 100).collect();
        expected.push(100);
        expected.reverse();
        assert_eq!(*positions.borrow(), expected);
        // Several steps at once give one report.
        let (queue, _slot, mut tickets) = long_queue(50);
        let positions = RefCell::new(Vec::new());
        let mut last = pin!(queue.join().admitted(|position| positions.borrow_mut().push(position)));
        assert!(poll(last.as_mut()).is_pending());
        tickets.truncate(30);
        assert!(poll(last.as_mut()).is_pending());
        assert_eq!(*positions.borrow(), [51, 31]);
    }
}
