//! Reading a place whose disk may not answer.
//!
//! A request to a dead network drive blocks its thread in the kernel, possibly for ever; opening
//! files non-blocking does not help. The thread is lost to the pool that all calls share, so each
//! place gets a few threads at most, and every other place keeps its own.
//!
//! A reader is *stalled* while one single request ([`crate::files::request`]) has not been answered
//! for two seconds. Time that it spends computing, or in many requests, does not count: a record of
//! hundreds of megabytes may take as long as it takes. A reader that finds all threads of its place
//! taken waits while at least one of them works, and gives up once all are stalled.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::error::{Cause, Failure};
use crate::files::Requests;

/// What is read of a place. Readers of one kind do not wait for those of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The small files of a `CODEX_HOME`: well below a millisecond each.
    Home,
    /// A thread's store and record in a `CODEX_HOME` that has just answered.
    Thread,
    /// The directories in which the CLI is looked for.
    Programs,
    /// The user database, which may be on another machine. It has no place of its own.
    Accounts,
}

impl Kind {
    /// How many threads may read the same place at the same time.
    const fn threads(self) -> usize {
        match self {
            Self::Home | Self::Programs | Self::Accounts => 4,
            // More than most machines can decode at once; those behind them lose nothing.
            Self::Thread => 16,
        }
    }
}

/// The result of `work`, which may block on the disk of `place`. None if that does not answer.
///
/// # Errors
/// [`Cause::Internal`] if it panicked.
pub async fn read<T: Send + 'static>(
    kind: Kind,
    place: impl Into<OsString>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Option<T>, Failure> {
    lane(kind, place.into()).read(work, Wait::UntilStalled).await
}

/// As [`read`], but waits for an answer however long that takes. For callers with limits of their
/// own.
///
/// # Errors
/// [`Cause::Internal`] if it panicked.
pub async fn read_patiently<T: Send + 'static>(
    kind: Kind,
    place: impl Into<OsString>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let answer = lane(kind, place.into()).read(work, Wait::Endless).await?;
    answer.ok_or_else(|| Cause::Internal.into())
}

/// Runs `work` where it may block.
///
/// # Errors
/// [`Cause::Internal`] if it panicked.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    // Fails only if the work panicked or the runtime is being shut down.
    spawn_blocking(work).await.map_err(|_| Cause::Internal.into())
}

type Lanes = Mutex<HashMap<(Kind, OsString), Weak<Lane>>>;

/// The lanes in use.
static LANES: LazyLock<Lanes> = LazyLock::new(Mutex::default);

fn lane(kind: Kind, place: OsString) -> Arc<Lane> {
    let mut lanes = LANES.lock().unwrap_or_else(PoisonError::into_inner);
    lanes.retain(|_, lane| lane.strong_count() > 0);
    let known = lanes.entry((kind, place)).or_default();
    known.upgrade().unwrap_or_else(|| {
        let lane = Arc::new(Lane::new(kind.threads(), TICK));
        *known = Arc::downgrade(&lane);
        lane
    })
}

/// How long a read is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    UntilStalled,
    Endless,
}

/// The readers of one kind and place.
#[derive(Debug)]
struct Lane {
    threads: usize,
    free: Arc<Semaphore>,
    stalled: watch::Sender<usize>,
    tick: Duration,
}

/// How often a reader is looked at. Looks are counted instead of the time between them: a process
/// that was stopped for a while, or starved, is not taken for a disk that does not answer.
const TICK: Duration = Duration::from_millis(500);
/// After how many looks at the same request its reader is stalled.
const LOOKS: u32 = 4;

impl Lane {
    fn new(threads: usize, tick: Duration) -> Self {
        Self { threads, free: Arc::new(Semaphore::new(threads)), stalled: watch::Sender::new(0), tick }
    }

    async fn read<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce() -> T + Send + 'static,
        wait: Wait,
    ) -> Result<Option<T>, Failure> {
        let gives_up = wait == Wait::UntilStalled;
        let mut stalled = self.stalled.subscribe();
        let thread = tokio::select! {
            biased;
            thread = Arc::clone(&self.free).acquire_owned() => thread.map_err(|_| Cause::Internal)?,
            _ = stalled.wait_for(|stalled| *stalled >= self.threads), if gives_up => return Ok(None),
        };
        let requests = Arc::<Requests>::default();
        let counted = Arc::clone(&requests);
        let reading = spawn_blocking(move || {
            let value = counted.of(work);
            drop(thread);
            value
        });
        let is_stalled = CancellationToken::new();
        // A task of its own: a reader is watched to its end, also when its caller has left.
        let watched = tokio::spawn(self.watch(reading, requests, is_stalled.clone()));
        tokio::select! {
            biased;
            value = watched => value.ok().and_then(Result::ok).map(Some).ok_or_else(|| Cause::Internal.into()),
            () = is_stalled.cancelled(), if gives_up => Ok(None),
        }
    }

    /// Counts the reader among the stalled ones for as long as it is.
    async fn watch<T>(
        self: Arc<Self>,
        mut reading: JoinHandle<T>,
        requests: Arc<Requests>,
        is_stalled: CancellationToken,
    ) -> Result<T, JoinError> {
        let (mut last, mut looks) = (None, 0);
        loop {
            let value = tokio::select! {
                biased;
                value = &mut reading => Some(value),
                () = tokio::time::sleep(self.tick) => None,
            };
            let pending = if value.is_none() { requests.pending() } else { None };
            let was_stalled = looks >= LOOKS;
            looks = if pending.is_some() && pending == last { looks.saturating_add(1) } else { 0 };
            last = pending;
            match (was_stalled, looks >= LOOKS) {
                (false, true) => {
                    self.stalled.send_modify(|stalled| *stalled += 1);
                    is_stalled.cancel();
                }
                (true, false) => self.stalled.send_modify(|stalled| *stalled -= 1),
                _ => {}
            }
            if let Some(value) = value {
                return value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};

    use tokio::task::JoinSet;

    use super::*;
    use crate::files::request;

    /// Of two threads. Its readers are soon stalled.
    fn lane() -> Arc<Lane> {
        Arc::new(Lane::new(2, Duration::from_millis(5)))
    }

    /// Of two threads. Its readers are stalled after 0.2 s, which a request of a millisecond is far
    /// from.
    fn calm_lane() -> Arc<Lane> {
        Arc::new(Lane::new(2, Duration::from_millis(50)))
    }

    fn short_request() {
        request(|| std::thread::sleep(Duration::from_millis(1)));
    }

    /// A disk that answers once its sender is dropped.
    fn dead() -> (Sender<()>, impl FnOnce() + Send + 'static) {
        let (alive, answer): (_, Receiver<()>) = channel();
        (alive, move || request(|| _ = answer.recv()))
    }

    async fn impatient<T: Send + 'static>(lane: &Arc<Lane>, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        Arc::clone(lane).read(work, Wait::UntilStalled).await.unwrap()
    }

    #[tokio::test]
    async fn a_dead_place_takes_few_threads_whatever_the_number_of_calls() {
        let lane = lane();
        let started = Arc::new(AtomicUsize::new(0));
        let (disks, calls): (Vec<_>, JoinSet<_>) = (0..50)
            .map(|_| {
                let (disk, hangs) = dead();
                let (lane, started) = (Arc::clone(&lane), Arc::clone(&started));
                let work = move || {
                    started.fetch_add(1, Ordering::SeqCst);
                    hangs();
                };
                (disk, async move { impatient(&lane, work).await })
            })
            .unzip();
        assert_eq!(calls.join_all().await, [None; 50]);
        assert_eq!(started.load(Ordering::SeqCst), 2);
        assert_eq!(impatient(&lane, || ()).await, None, "a place known to be dead was waited for again");
        drop(disks);
        assert_eq!(Arc::clone(&lane).read(|| 7, Wait::Endless).await.unwrap(), Some(7));
    }

    #[tokio::test]
    async fn a_place_that_answers_again_is_read_again() {
        let lane = lane();
        let mut stalled = lane.stalled.subscribe();
        let (disk, hangs) = dead();
        assert_eq!(impatient(&lane, hangs).await, None);
        assert_eq!(*stalled.borrow(), 1);
        assert_eq!(impatient(&lane, || 7).await, Some(7), "the other thread is free");
        drop(disk);
        stalled.wait_for(|stalled| *stalled == 0).await.unwrap();
        assert_eq!(lane.free.available_permits(), 2);
    }

    #[tokio::test]
    async fn a_reader_whose_caller_has_left_is_still_counted() {
        let lane = lane();
        let (disks, calls): (Vec<_>, Vec<_>) = (0..2).map(|_| dead()).unzip();
        for (hangs, free) in calls.into_iter().zip([1, 0]) {
            let call = tokio::spawn(Arc::clone(&lane).read(hangs, Wait::Endless));
            while lane.free.available_permits() > free {
                tokio::task::yield_now().await;
            }
            call.abort();
        }
        assert_eq!(impatient(&lane, || ()).await, None);
        drop(disks);
    }

    #[tokio::test]
    async fn work_of_any_length_is_waited_for() {
        let lane = calm_lane();
        assert_eq!(impatient(&lane, || (0..400).for_each(|_| short_request())).await, Some(()), "many requests");
        let computes = || std::thread::sleep(Duration::from_millis(400));
        assert_eq!(impatient(&lane, computes).await, Some(()), "a long computation");
    }

    #[tokio::test]
    async fn a_reader_waits_behind_others_that_work() {
        let lane = calm_lane();
        let work = || (0..150).for_each(|_| short_request());
        let calls: JoinSet<_> = (0..8)
            .map(|_| {
                let lane = Arc::clone(&lane);
                async move { impatient(&lane, work).await }
            })
            .collect();
        assert_eq!(calls.join_all().await, [Some(()); 8]);
    }

    #[tokio::test]
    async fn work_that_panics_frees_its_thread() {
        let lane = lane();
        let failure = Arc::clone(&lane).read(|| panic!("a defect"), Wait::Endless).await;
        assert_eq!(failure.map(|_: Option<()>| ()).unwrap_err().cause, Cause::Internal);
        assert_eq!(lane.free.available_permits(), 2);
    }

    #[tokio::test]
    async fn places_and_kinds_do_not_share_their_threads() {
        let (disks, calls): (Vec<_>, Vec<_>) = (0..4)
            .map(|_| {
                let (disk, hangs) = dead();
                (disk, tokio::spawn(read_patiently(Kind::Home, "dead", hangs)))
            })
            .unzip();
        while super::lane(Kind::Home, "dead".into()).free.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(read(Kind::Home, "healthy", || 1).await.unwrap(), Some(1));
        assert_eq!(read(Kind::Thread, "dead", || 2).await.unwrap(), Some(2));
        drop(disks);
        for call in calls {
            call.await.unwrap().unwrap();
        }
        let known = LANES.lock().unwrap().get(&(Kind::Home, "dead".into())).is_some_and(|lane| lane.strong_count() > 0);
        assert!(!known, "a place without readers is kept");
    }
}
