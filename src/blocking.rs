//! Runs blocking disk work in small pools of threads.
//!
//! A request to a dead network drive blocks its thread in the kernel, possibly forever; opening
//! files non-blocking does not help. All calls share the runtime's blocking threads. So each kind
//! of work has one small pool per path, and a dead path cannot exhaust the threads of another.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::error::{Cause, Failure};
use crate::files::FsRequests;

/// Kind of work that may block on a disk. Each kind has its own pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiskWork {
    /// Reads of small files of a `CODEX_HOME`, each well below a millisecond.
    HomeFiles,
    /// Reads of the store and the rollout of a thread, in a `CODEX_HOME` that has just answered.
    ThreadFiles,
    /// A search of directories for the CLI.
    ProgramSearch,
    /// Opening the directory for temporary files.
    TempDir,
    /// A query of the user database, which may be on another machine. It has no path.
    UserDatabase,
}

impl DiskWork {
    /// The number of threads for one path.
    const fn threads(self) -> usize {
        match self {
            Self::HomeFiles | Self::ProgramSearch | Self::TempDir | Self::UserDatabase => 4,
            // More threads than most machines have processors, so decoding loses no time by
            // waiting.
            Self::ThreadFiles => 16,
        }
    }
}

/// Runs `work` on one of the runtime's blocking threads, outside of the pools.
///
/// # Errors
/// [`Cause::Internal`] if it panicked.
pub async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    // Fails only if the work panicked or the runtime is being shut down.
    spawn_blocking(work).await.map_err(|_| Cause::Internal.into())
}

/// Runs `work`, which may block on the disk of `path`, and waits for it without a time limit. The
/// caller has its own.
///
/// # Errors
/// [`Cause::Internal`] if it panicked.
pub async fn on_disk<T: Send + 'static>(
    kind: DiskWork,
    path: impl Into<OsString>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let result = pool(kind, path.into()).run(work, Wait::Endless).await?;
    result.ok_or_else(|| Cause::Internal.into())
}

/// Like [`on_disk`], but returns None when the work, or all work in its pool, has stalled.
///
/// Work is *stalled* while a single request ([`crate::files::fs_request`]) has been unanswered for
/// two seconds. Time spent computing, or in many short requests, does not count: reading a rollout
/// of hundreds of megabytes has no time limit.
///
/// # Errors
/// [`Cause::Internal`] if it panicked.
pub async fn on_disk_unless_stalled<T: Send + 'static>(
    kind: DiskWork,
    path: impl Into<OsString>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Option<T>, Failure> {
    pool(kind, path.into()).run(work, Wait::UntilStalled).await
}

type Pools = Mutex<HashMap<(DiskWork, OsString), Weak<Pool>>>;

/// The pools in use.
static POOLS: LazyLock<Pools> = LazyLock::new(Mutex::default);

fn pool(kind: DiskWork, path: OsString) -> Arc<Pool> {
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    pools.retain(|_, pool| pool.strong_count() > 0);
    let known = pools.entry((kind, path)).or_default();
    known.upgrade().unwrap_or_else(|| {
        let pool = Arc::new(Pool::new(kind.threads(), CHECK_INTERVAL));
        *known = Arc::downgrade(&pool);
        pool
    })
}

/// Condition that ends the wait for work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    UntilStalled,
    Endless,
}

/// The threads for one kind of work and one path.
#[derive(Debug)]
struct Pool {
    threads: usize,
    free: Arc<Semaphore>,
    stalled: watch::Sender<usize>,
    check_interval: Duration,
}

/// Interval of the checks for an unanswered request. Counts checks, not elapsed time, so that no
/// disk counts as stalled only because this process was stopped or got no processor time.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// Number of checks that must find the same request unanswered.
const STALLED_CHECKS: u32 = 4;

impl Pool {
    fn new(threads: usize, check_interval: Duration) -> Self {
        Self { threads, free: Arc::new(Semaphore::new(threads)), stalled: watch::Sender::new(0), check_interval }
    }

    async fn run<T: Send + 'static>(
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
        let requests = Arc::<FsRequests>::default();
        let counted = Arc::clone(&requests);
        let running = spawn_blocking(move || {
            let value = counted.of(work);
            drop(thread);
            value
        });
        let is_stalled = CancellationToken::new();
        // A separate task, which watches the work to its end even if the caller is dropped.
        let watched = tokio::spawn(self.watch(running, requests, is_stalled.clone()));
        tokio::select! {
            biased;
            value = watched => value.ok().and_then(Result::ok).map(Some).ok_or_else(|| Cause::Internal.into()),
            () = is_stalled.cancelled(), if gives_up => Ok(None),
        }
    }

    /// Waits for the work. Counts it in `stalled` while it is stalled.
    async fn watch<T>(
        self: Arc<Self>,
        mut running: JoinHandle<T>,
        requests: Arc<FsRequests>,
        is_stalled: CancellationToken,
    ) -> Result<T, JoinError> {
        let (mut last, mut checks) = (None, 0);
        loop {
            let value = tokio::select! {
                biased;
                value = &mut running => Some(value),
                () = tokio::time::sleep(self.check_interval) => None,
            };
            let pending = if value.is_none() { requests.pending() } else { None };
            let was_stalled = checks >= STALLED_CHECKS;
            checks = if pending.is_some() && pending == last { checks.saturating_add(1) } else { 0 };
            last = pending;
            match (was_stalled, checks >= STALLED_CHECKS) {
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
    use crate::files::fs_request;

    /// A pool of two threads, in which work is stalled after 20 ms.
    fn pool() -> Arc<Pool> {
        Arc::new(Pool::new(2, Duration::from_millis(5)))
    }

    /// A pool of two threads, in which work is stalled after 200 ms, far above a request of 1 ms.
    fn slow_pool() -> Arc<Pool> {
        Arc::new(Pool::new(2, Duration::from_millis(50)))
    }

    fn short_request() {
        fs_request(|| std::thread::sleep(Duration::from_millis(1)));
    }

    /// Work on a disk that answers when the sender is dropped.
    fn dead() -> (Sender<()>, impl FnOnce() + Send + 'static) {
        let (alive, answer): (_, Receiver<()>) = channel();
        (alive, move || fs_request(|| _ = answer.recv()))
    }

    async fn run_until_stalled<T: Send + 'static>(
        pool: &Arc<Pool>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        Arc::clone(pool).run(work, Wait::UntilStalled).await.unwrap()
    }

    #[tokio::test]
    async fn a_dead_disk_blocks_few_threads_whatever_the_number_of_calls() {
        let pool = pool();
        let started = Arc::new(AtomicUsize::new(0));
        let (disks, calls): (Vec<_>, JoinSet<_>) = (0..50)
            .map(|_| {
                let (disk, hangs) = dead();
                let (pool, started) = (Arc::clone(&pool), Arc::clone(&started));
                let work = move || {
                    started.fetch_add(1, Ordering::SeqCst);
                    hangs();
                };
                (disk, async move { run_until_stalled(&pool, work).await })
            })
            .unzip();
        assert_eq!(calls.join_all().await, [None; 50]);
        assert_eq!(started.load(Ordering::SeqCst), 2);
        assert_eq!(run_until_stalled(&pool, || ()).await, None, "a disk known to be dead was waited for again");
        drop(disks);
        assert_eq!(Arc::clone(&pool).run(|| 7, Wait::Endless).await.unwrap(), Some(7));
    }

    #[tokio::test]
    async fn a_disk_that_answers_again_is_used_again() {
        let pool = pool();
        let mut stalled = pool.stalled.subscribe();
        let (disk, hangs) = dead();
        assert_eq!(run_until_stalled(&pool, hangs).await, None);
        assert_eq!(*stalled.borrow(), 1);
        assert_eq!(run_until_stalled(&pool, || 7).await, Some(7), "the other thread is free");
        drop(disk);
        stalled.wait_for(|stalled| *stalled == 0).await.unwrap();
        assert_eq!(pool.free.available_permits(), 2);
    }

    #[tokio::test]
    async fn work_whose_caller_was_dropped_still_counts() {
        let pool = pool();
        let (disks, calls): (Vec<_>, Vec<_>) = (0..2).map(|_| dead()).unzip();
        for (hangs, free) in calls.into_iter().zip([1, 0]) {
            let call = tokio::spawn(Arc::clone(&pool).run(hangs, Wait::Endless));
            while pool.free.available_permits() > free {
                tokio::task::yield_now().await;
            }
            call.abort();
        }
        assert_eq!(run_until_stalled(&pool, || ()).await, None);
        drop(disks);
    }

    #[tokio::test]
    async fn work_of_any_length_is_waited_for() {
        let pool = slow_pool();
        assert_eq!(
            run_until_stalled(&pool, || (0..400).for_each(|_| short_request())).await,
            Some(()),
            "many requests"
        );
        let computes = || std::thread::sleep(Duration::from_millis(400));
        assert_eq!(run_until_stalled(&pool, computes).await, Some(()), "a long computation");
    }

    #[tokio::test]
    async fn work_waits_for_a_thread_while_the_disk_answers() {
        let pool = slow_pool();
        let work = || (0..150).for_each(|_| short_request());
        let calls: JoinSet<_> = (0..8)
            .map(|_| {
                let pool = Arc::clone(&pool);
                async move { run_until_stalled(&pool, work).await }
            })
            .collect();
        assert_eq!(calls.join_all().await, [Some(()); 8]);
    }

    #[tokio::test]
    async fn work_that_panics_frees_its_thread() {
        let pool = pool();
        let failure = Arc::clone(&pool).run(|| panic!("a defect"), Wait::Endless).await;
        assert_eq!(failure.map(|_: Option<()>| ()).unwrap_err().cause, Cause::Internal);
        assert_eq!(pool.free.available_permits(), 2);
    }

    #[tokio::test]
    async fn different_paths_and_kinds_of_work_share_no_threads() {
        let (disks, calls): (Vec<_>, Vec<_>) = (0..4)
            .map(|_| {
                let (disk, hangs) = dead();
                (disk, tokio::spawn(on_disk(DiskWork::HomeFiles, "dead", hangs)))
            })
            .unzip();
        while super::pool(DiskWork::HomeFiles, "dead".into()).free.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(on_disk_unless_stalled(DiskWork::HomeFiles, "healthy", || 1).await.unwrap(), Some(1));
        assert_eq!(on_disk_unless_stalled(DiskWork::ThreadFiles, "dead", || 2).await.unwrap(), Some(2));
        drop(disks);
        for call in calls {
            call.await.unwrap().unwrap();
        }
        let known = POOLS
            .lock()
            .unwrap()
            .get(&(DiskWork::HomeFiles, "dead".into()))
            .is_some_and(|pool| pool.strong_count() > 0);
        assert!(!known, "a pool without work is kept");
    }
}
