//! The tokio runtime of the process, shared by its JavaScript environments.
//!
//! napi's own starts when the addon is loaded, and aborts the process if the system has no
//! descriptor or thread left. This one starts with the first call; if that fails, the next call
//! tries again. It is shut down with the last environment, as napi's is.

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

/// Time limit for the end of the threads, the same as napi's: a thread that is detached while it
/// exits can crash glibc before 2.43 (napi-rs#3591).
const SHUTDOWN_LIMIT: Duration = Duration::from_millis(100);

/// Counts an environment that has loaded the addon.
pub fn retain() {
    lock().environments += 1;
}

/// Counts off an environment that has ended. Shuts the runtime down after the last.
pub fn release() {
    let mut shared = lock();
    shared.environments = shared.environments.saturating_sub(1);
    let runtime = if shared.environments == 0 { shared.runtime.take() } else { None };
    drop(shared);
    if let Some(runtime) = runtime {
        runtime.shutdown_timeout(SHUTDOWN_LIMIT);
    }
}

/// The runtime; starts it if it is not running.
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
pub async fn contained<T: Send + 'static>(
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    match AbortOnDropHandle::new(tokio::spawn(work)).await {
        Ok(outcome) => outcome,
        Err(error) => Err(error.try_into_panic().map_or(Cause::Internal, |panic| cause_of(&*panic)).into()),
    }
}

/// The most worker threads that tokio gets. The work of all calls is mostly waiting.
const MAX_WORKERS: usize = 4;
/// Time limit for the start, which takes less than a millisecond.
const START_LIMIT: Duration = Duration::from_secs(1);

/// Starts a runtime, on a thread of its own. If tokio gets only some of its threads, it panics, and
/// the unwinding waits forever for these to end.
fn start() -> Result<Runtime, Cause> {
    let refused = |error: io::Error| Cause::SpawnFailed(os_error_text(&error));
    let workers = thread::available_parallelism().map_or(1, NonZero::get).min(MAX_WORKERS);
    // What tokio starts, the thread that starts it, and one for work that blocks.
    probe(workers + 2).map_err(refused)?;
    let (send, started) = sync_channel(1);
    let build = move || {
        let outcome = catch_unwind(|| Builder::new_multi_thread().worker_threads(workers).enable_all().build());
        // Fails if the time limit is over. Dropping the outcome then shuts the runtime down.
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
        // All of them exist until the gate opens.
        let _closed = gate.lock();
        let pass = || drop(gate.lock());
        (0..threads).try_for_each(|_| thread::Builder::new().spawn_scoped(scope, pass).map(drop))
    })
}

/// The cause of a panic. If the system refuses a thread, tokio (1.54) panics with this prefix and
/// the system's reason.
fn cause_of(panic: &(dyn Any + Send)) -> Cause {
    const NO_THREAD: &str = "OS can't spawn worker thread: ";
    let words = panic.downcast_ref::<String>().and_then(|message| message.strip_prefix(NO_THREAD));
    words.map_or(Cause::Internal, |words| Cause::SpawnFailed(words.to_owned()))
}

fn lock() -> MutexGuard<'static, Shared> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(work: impl Future<Output = Result<(), Failure>> + Send + 'static) -> Option<Cause> {
        start().unwrap().block_on(contained(work)).err().map(|failure| failure.cause)
    }

    #[test]
    fn a_panic_becomes_a_failure() {
        assert_eq!(outcome(async { panic!("a defect") }), Some(Cause::Internal));
    }

    #[test]
    fn a_refused_thread_becomes_a_failure_in_the_systems_words() {
        let refused = async { panic!("OS can't spawn worker thread: {}", io::Error::from_raw_os_error(11)) };
        let words = os_error_text(&io::Error::from_raw_os_error(11));
        assert_eq!(outcome(refused), Some(Cause::SpawnFailed(words)));
    }
}
