//! Manages the tokio runtime of the process, shared by its JavaScript environments.
//!
//! napi's own runtime starts when the addon is loaded, and aborts the process if the system has no
//! descriptor or thread left. This one starts with the first call; if that fails, the next call
//! tries again. It is shut down with the last environment, like napi's.

use std::any::Any;
use std::io;
use std::num::NonZero;
use std::panic::catch_unwind;
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::task::AbortOnDropHandle;

use crate::error::{Cause, Failure, os_error_text};

static SHARED: Mutex<Shared> = Mutex::new(Shared { environments: 0, runtime: None });

struct Shared {
    environments: usize,
    runtime: Option<Runtime>,
}

/// Time limit for the threads to end, the same as napi's. A thread that is detached while it exits
/// can crash glibc before 2.43 (napi-rs#3591).
const SHUTDOWN_LIMIT: Duration = Duration::from_millis(100);

/// Counts an environment that has loaded the addon.
pub fn retain() {
    lock().environments += 1;
}

/// Removes an environment that has ended from the count. Shuts the runtime down after the last one.
pub fn release() {
    let mut shared = lock();
    shared.environments = shared.environments.saturating_sub(1);
    let runtime = if shared.environments == 0 { shared.runtime.take() } else { None };
    drop(shared);
    if let Some(runtime) = runtime {
        runtime.shutdown_timeout(SHUTDOWN_LIMIT);
    }
}

/// Returns the runtime. Starts it if it is not running.
///
/// # Errors
/// [`Cause::SpawnFailed`] if the system has too few descriptors or threads left.
pub fn handle() -> Result<Handle, Cause> {
    let mut shared = lock();
    if let Some(runtime) = &shared.runtime {
        return Ok(runtime.handle().clone());
    }
    let runtime = start()?;
    Ok(shared.runtime.insert(runtime).handle().clone())
}

/// Runs `work`, and turns a panic into a failure.
pub async fn catch_panic<T: Send + 'static>(
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    match AbortOnDropHandle::new(tokio::spawn(work)).await {
        Ok(outcome) => outcome,
        Err(error) => Err(error.try_into_panic().map_or(Cause::Internal, |panic| cause_of(&*panic)).into()),
    }
}

/// Maximum number of tokio's worker threads. Calls mostly wait.
const MAX_WORKERS: usize = 4;
/// Time limit for the start, which usually takes less than a millisecond.
const START_LIMIT: Duration = Duration::from_secs(1);

/// Starts a runtime on a separate thread. If tokio can start only some of its threads, it panics,
/// and unwinding waits forever for these to end.
fn start() -> Result<Runtime, Cause> {
    let refused = |error: io::Error| Cause::SpawnFailed(os_error_text(&error));
    let workers = thread::available_parallelism().map_or(1, NonZero::get).min(MAX_WORKERS);
    // Tokio's workers, the thread that starts tokio, and one for blocking work.
    probe(workers + 2).map_err(refused)?;
    let (send, started) = sync_channel(1);
    let build = move || {
        let outcome = catch_unwind(|| Builder::new_multi_thread().worker_threads(workers).enable_all().build());
        // Fails if the time limit is over. Dropping the result then shuts the runtime down.
        let _ = send.send(outcome);
    };
    thread::Builder::new().name("codex-image-start".into()).spawn(build).map_err(refused)?;
    match started.recv_timeout(START_LIMIT) {
        Ok(outcome) => outcome.map_err(|panic| cause_of(&*panic))?.map_err(refused),
        Err(_) => Err(refused(io::ErrorKind::WouldBlock.into())),
    }
}

/// Fails where tokio would panic: if the system refuses that many threads, or the six descriptors
/// that tokio needs.
fn probe(threads: usize) -> io::Result<()> {
    #[cfg(unix)]
    let _six = {
        use std::os::unix::net::UnixStream;
        [UnixStream::pair()?, UnixStream::pair()?, UnixStream::pair()?]
    };
    let gate = Mutex::new(());
    thread::scope(|scope| {
        // The lock keeps all threads alive until every one has been started.
        let _closed = gate.lock();
        let pass = || drop(gate.lock());
        (0..threads).try_for_each(|_| thread::Builder::new().spawn_scoped(scope, pass).map(drop))
    })
}

/// Returns the cause for a panic. If the system refuses a thread, tokio (1.54) panics with
/// `NO_THREAD` followed by the system's reason.
fn cause_of(panic: &(dyn Any + Send)) -> Cause {
    const NO_THREAD: &str = "OS can't spawn worker thread: ";
    let reason = panic.downcast_ref::<String>().and_then(|message| message.strip_prefix(NO_THREAD));
    reason.map_or(Cause::Internal, |reason| Cause::SpawnFailed(reason.to_owned()))
}

fn lock() -> MutexGuard<'static, Shared> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(work: impl Future<Output = Result<(), Failure>> + Send + 'static) -> Option<Cause> {
        start().unwrap().block_on(catch_panic(work)).err().map(|failure| failure.cause)
    }

    #[test]
    fn a_panic_becomes_a_failure() {
        assert_eq!(outcome(async { panic!("a defect") }), Some(Cause::Internal));
    }

    #[test]
    fn a_refused_thread_becomes_a_failure_with_the_systems_reason() {
        let refused = async { panic!("OS can't spawn worker thread: {}", io::Error::from_raw_os_error(11)) };
        let reason = os_error_text(&io::Error::from_raw_os_error(11));
        assert_eq!(outcome(refused), Some(Cause::SpawnFailed(reason)));
    }
}
