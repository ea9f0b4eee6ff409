//! A fair queue for the whole process.
//!
//! One Codex takes 200 to 300 MB, and all of them share one login whose refresh tokens work once:
//! two that renew it at the same moment sign the user out. So only so many calls run at a time, and
//! the others wait in the order in which they came.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// How many run at a time by default.
pub const DEFAULT_LIMIT: usize = 2;
/// The most that may run at a time.
pub const MAX_LIMIT: usize = 1000;

/// The queue. Cheap to clone; all clones are one queue.
///
/// Joining, leaving and starting take a time that grows with the logarithm of the queue's length,
/// so that a daemon can abort thousands of waiting calls at once. For the same reason a waiter far
/// back is not notified of every step forward: see `milestones`.
#[derive(Debug, Clone)]
pub struct Queue(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    limit: usize,
    running: usize,
    waiting: Line,
}

impl Default for Queue {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { limit: DEFAULT_LIMIT, running: 0, waiting: Line::default() })))
    }
}

/// The right to run. Given back when dropped.
#[derive(Debug)]
pub struct Slot(Queue);

/// A position in the queue. Given up when dropped.
#[derive(Debug)]
pub struct Ticket {
    queue: Queue,
    /// None once the ticket has become a [`Slot`].
    waiter: Option<Arc<Waiter>>,
}

#[derive(Debug)]
struct Waiter {
    /// Its slot in the line, or [`CALLED`]. Written under the queue's lock only.
    slot: AtomicUsize,
    /// Notified when the waiter is called, and when its position is to be reported.
    changed: Notify,
}

/// The slot of a waiter that may run.
const CALLED: usize = usize::MAX;

impl Waiter {
    fn slot(&self) -> Option<usize> {
        Some(self.slot.load(Ordering::Relaxed)).filter(|&slot| slot != CALLED)
    }
}

impl Queue {
    /// Sets how many may run at a time, at least one. Those that run already go on.
    pub fn set_limit(&self, limit: usize) {
        let mut state = self.lock();
        state.limit = limit.max(1);
        state.advance();
    }

    /// Takes the next position in the queue.
    #[must_use]
    pub fn line_up(&self) -> Ticket {
        let waiter = Arc::new(Waiter { slot: AtomicUsize::new(CALLED), changed: Notify::new() });
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
            && let Some(slot) = self.waiting.slot_at(1)
        {
            self.running += 1;
            self.leave(slot);
        }
    }

    /// Takes the waiter out of the line, and wakes it and those behind it that thereby come to a
    /// milestone.
    fn leave(&mut self, slot: usize) {
        let first = self.waiting.position(slot);
        let Some(waiter) = self.waiting.remove(slot) else { return };
        waiter.slot.store(CALLED, Ordering::Relaxed);
        waiter.changed.notify_one();
        for position in milestones(first).take_while(|&position| position <= self.waiting.length) {
            let behind = self.waiting.slot_at(position).and_then(|slot| self.waiting.waiter(slot));
            if let Some(waiter) = behind {
                waiter.changed.notify_one();
            }
        }
    }
}

/// The positions from `first` on of which waiters are notified: all up to 16, then those with at
/// most four significant binary digits. A waiter that moves up is notified eight times while its
/// position halves.
fn milestones(first: usize) -> impl Iterator<Item = usize> {
    // The last of four significant digits.
    let step = |position: usize| 1 << (position.ilog2().saturating_sub(3));
    let start = first.next_multiple_of(step(first));
    std::iter::successors(Some(start), move |&position| Some(position + step(position)))
}

impl Ticket {
    /// Resolves when a slot is free for the holder. `waiting` gets the position, from 1 on, at
    /// first and at each milestone. Dropping the future gives the place in the line up.
    pub async fn slot(mut self, mut waiting: impl FnMut(usize)) -> Slot {
        let mut told = 0;
        while let Some(waiter) = &self.waiter {
            let position = {
                let state = self.queue.lock();
                waiter.slot().map(|slot| state.waiting.position(slot))
            };
            let Some(position) = position else { break };
            if position != told {
                told = position;
                waiting(position);
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
        match waiter.slot() {
            Some(slot) => state.leave(slot),
            // Called, and dropped before it noticed.
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

/// The waiters in order, in slots that stay empty when they leave. A Fenwick tree counts the full
/// slots.
#[derive(Debug, Default)]
struct Line {
    slots: Vec<Option<Arc<Waiter>>>,
    /// `counts[n - 1]` is the number of full slots among the last `n & n.wrapping_neg()` up to slot
    /// `n - 1`. As many as the slots there may be, a power of two.
    counts: Vec<usize>,
    length: usize,
    /// Counts visited so far.
    #[cfg(test)]
    visits: std::cell::Cell<usize>,
}

impl Line {
    /// Appends a waiter, and stores its slot in it.
    fn push(&mut self, waiter: Arc<Waiter>) {
        if self.slots.len() == self.counts.len() {
            self.compact();
        }
        let slot = self.slots.len();
        waiter.slot.store(slot, Ordering::Relaxed);
        self.slots.push(Some(waiter));
        self.length += 1;
        self.add(slot, |count| *count += 1);
    }

    /// Empties the slot.
    fn remove(&mut self, slot: usize) -> Option<Arc<Waiter>> {
        let waiter = self.slots.get_mut(slot)?.take()?;
        self.length -= 1;
        self.add(slot, |count| *count -= 1);
        Some(waiter)
    }

    fn waiter(&self, slot: usize) -> Option<&Arc<Waiter>> {
        self.slots.get(slot)?.as_ref()
    }

    /// How many wait up to this slot, itself included.
    fn position(&self, slot: usize) -> usize {
        let (mut end, mut position) = (slot + 1, 0);
        while end > 0 {
            self.visit();
            position += self.counts[end - 1];
            end &= end - 1;
        }
        position
    }

    /// The slot of the waiter at this position, from 1 on.
    fn slot_at(&self, position: usize) -> Option<usize> {
        if position > self.length {
            return None;
        }
        let (mut start, mut left, mut step) = (0, position, self.counts.len());
        while step > 0 {
            self.visit();
            // The full slots of `start..start + step`.
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

    fn add(&mut self, slot: usize, change: impl Fn(&mut usize)) {
        let mut end = slot + 1;
        while let Some(count) = self.counts.get_mut(end - 1) {
            change(count);
            end += end & end.wrapping_neg();
            self.visit();
        }
    }

    /// Closes the gaps, and makes at least as many new slots as there are waiters.
    fn compact(&mut self) {
        self.slots.retain(Option::is_some);
        let room = (2 * self.length).next_power_of_two().max(16);
        self.counts.clear();
        self.counts.resize(room, 0);
        self.slots.shrink_to(room);
        self.counts.shrink_to(room);
        for (slot, waiter) in self.slots.iter().enumerate() {
            if let Some(waiter) = waiter {
                waiter.slot.store(slot, Ordering::Relaxed);
            }
        }
        for end in 1..=room {
            self.visit();
            // All slots up to the length are full now.
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
        let future = pin!(queue.line_up().slot(|_| {}));
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
        let mut a = pin!(queue.line_up().slot(|position| told_a.borrow_mut().push(position)));
        let mut b = pin!(queue.line_up().slot(|position| told_b.borrow_mut().push(position)));
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
            let mut quitter = pin!(queue.line_up().slot(|_| {}));
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
        let mut quitter = Box::pin(queue.line_up().slot(|_| {}));
        let mut last = pin!(queue.line_up().slot(|position| told.borrow_mut().push(position)));
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
        let mut second = pin!(queue.line_up().slot(|_| {}));
        assert!(poll(second.as_mut()).is_pending());
        queue.set_limit(2);
        assert!(poll(second.as_mut()).is_ready());
    }

    /// A queue with one running and `count` waiting.
    fn long(count: usize) -> (Queue, Slot, Vec<Option<Ticket>>) {
        let queue = Queue::default();
        queue.set_limit(1);
        let place = enter(&queue).unwrap();
        let tickets = (0..count).map(|_| Some(queue.line_up())).collect();
        (queue, place, tickets)
    }

    fn visits(queue: &Queue) -> usize {
        queue.lock().waiting.visits.get()
    }

    #[test]
    fn what_a_call_costs_grows_with_the_logarithm_of_the_line() {
        // What one that leaves costs at most: its own removal, and a search for each milestone.
        let most = |count: usize| (milestones(1).take_while(|&position| position <= count).count() + 4) * 20;
        for count in [100, 1000, 16_000] {
            for order in ["first to last", "last to first", "every third"] {
                let (queue, place, mut tickets) = long(count);
                assert!(visits(&queue) <= 30 * count, "{} for {count} to join", visits(&queue));
                let before = visits(&queue);
                match order {
                    "first to last" => tickets.clear(),
                    "last to first" => tickets.iter_mut().rev().for_each(|ticket| *ticket = None),
                    _ => (0..3).for_each(|n| tickets.iter_mut().skip(n).step_by(3).for_each(|ticket| *ticket = None)),
                }
                let visited = visits(&queue) - before;
                assert!(visited <= most(count) * count, "{visited} for {count} to leave, {order}");
                drop(place);
                assert!(enter(&queue).is_some());
            }
        }
    }

    #[test]
    fn no_slot_is_lost_whoever_leaves_when() {
        let (queue, place, mut tickets) = long(1000);
        queue.set_limit(3);
        // By then three run: one has its place, two were called and have not noticed.
        for n in (0..1000).step_by(7).chain((0..1000).rev().step_by(3)).chain(0..1000) {
            tickets[n] = None;
            assert!(queue.lock().running <= 3);
        }
        drop(place);
        assert_eq!(queue.lock().running, 0);
        assert_eq!(queue.lock().waiting.length, 0);
        let entered: Vec<_> = (0..4).map_while(|_| enter(&queue)).collect();
        assert_eq!(entered.len(), 3);
    }

    #[test]
    fn positions_are_those_of_the_line_whoever_has_left() {
        let (queue, _place, mut tickets) = long(500);
        let left = |n: usize| n.is_multiple_of(3) || n.is_multiple_of(7);
        for n in (0..500).filter(|&n| left(n)) {
            tickets[n] = None;
        }
        // So many that the slots are laid out anew.
        tickets.extend((0..700).map(|_| Some(queue.line_up())));
        let state = queue.lock();
        let waiting = tickets.iter().flatten().map(|ticket| ticket.waiter.as_ref().unwrap().slot().unwrap());
        for (ahead, slot) in waiting.enumerate() {
            assert_eq!(state.waiting.position(slot), ahead + 1);
            assert_eq!(state.waiting.slot_at(ahead + 1), Some(slot));
        }
        assert_eq!(state.waiting.slot_at(state.waiting.length + 1), None);
    }

    #[test]
    fn a_line_that_is_joined_and_left_for_ever_takes_no_more_room() {
        let (queue, _place, tickets) = long(10);
        for _ in 0..10_000 {
            drop((queue.line_up(), queue.line_up()));
        }
        assert!(queue.lock().waiting.counts.len() <= 64);
        drop(tickets);
    }

    #[test]
    fn milestones_are_every_position_up_to_16_and_then_fewer() {
        let all: Vec<_> = milestones(1).take_while(|&position| position <= 100).collect();
        let rest = [18, 20, 22, 24, 26, 28, 30, 32, 36, 40, 44, 48, 52, 56, 60, 64, 72, 80, 88, 96];
        assert_eq!(all, (1..=16).chain(rest).collect::<Vec<_>>());
        for first in 1..=100 {
            assert_eq!(milestones(first).next(), all.iter().copied().chain([104]).find(|&position| position >= first));
        }
    }

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn whoever_waits_is_woken_at_each_milestone_and_told_the_position_of_that_moment() {
        let (queue, _place, mut tickets) = long(99);
        let told = RefCell::new(Vec::new());
        let mut last = pin!(queue.line_up().slot(|position| told.borrow_mut().push(position)));
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        assert!(last.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        for ticket in &mut tickets {
            let before = woken.0.load(Ordering::Relaxed);
            *ticket = None;
            if woken.0.load(Ordering::Relaxed) > before {
                assert!(last.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            }
        }
        let mut expected: Vec<_> = milestones(1).take_while(|&position| position < 100).collect();
        expected.push(100);
        expected.reverse();
        assert_eq!(*told.borrow(), expected);
        // Several steps at once are one message, and right.
        let (queue, _place, mut tickets) = long(50);
        let told = RefCell::new(Vec::new());
        let mut last = pin!(queue.line_up().slot(|position| told.borrow_mut().push(position)));
        assert!(poll(last.as_mut()).is_pending());
        tickets.truncate(30);
        assert!(poll(last.as_mut()).is_pending());
        assert_eq!(*told.borrow(), [51, 31]);
    }
}
