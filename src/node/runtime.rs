//! The tokio runtime of the process, shared by its JavaScript environments.
//!
//! napi's own is started when the addon is loaded, and aborts the process where the system has no
//! descriptor or thread left. This one is started by the first call, which can fail; the next call
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

use crate::error::{Cause, Failure, os_words};

static SHARED: Mutex<Shared> = Mutex::new(Shared { environments: 0, runtime: None });

struct Shared {
    environments: usize,
    runtime: Option<Runtime>,
}

/// How long the threads are waited for. napi's own bound: a thread that is detached while it exits
/// can crash glibc before 2.43 (napi-rs#3591).
const SHUTDOWN: Duration = Duration::from_millis(100);

/// Another environment has loaded the addon.
pub fn retain() {
    lock().environments += 1;
}

/// An environment has ended. Shuts the runtime down if it was the last.
pub fn release() {
    let mut shared = lock();
    shared.environments = shared.environments.saturating_sub(1);
    let runtime = if shared.environments == 0 { shared.runtime.take() } else { None };
    drop(shared);
    if let Some(runtime) = runtime {
        runtime.shutdown_timeout(SHUTDOWN);
    }
}

/// The runtime, started if need be.
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

/// The outcome of `work`, which may panic.
pub async fn contained<T: Send + 'static>(
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    match AbortOnDropHandle::new(tokio::spawn(work)).await {
        Ok(outcome) => outcome,
        Err(error) => Err(error.try_into_panic().map_or(Cause::Internal, |panic| cause_of(&*panic)).into()),
    }
}

/// How many of tokio's threads share the work of all calls; most of that is waiting.
const MAX_WORKERS: usize = 4;
/// How long the start may take. It takes less than a millisecond.
const START: Duration = Duration::from_secs(1);

/// Starts a runtime on a thread of its own. Where tokio gets some of its threads and then no more,
/// its panic waits for those that it has got, which never end.
fn start() -> Result<Runtime, Cause> {
    let refused = |error: io::Error| Cause::SpawnFailed(os_words(&error));
    let workers = thread::available_parallelism().map_or(1, NonZero::get).min(MAX_WORKERS);
    // What tokio starts, the thread that starts it, and one for work that blocks.
    probe(workers + 2).map_err(refused)?;
    let (send, started) = sync_channel(1);
    let build = move || {
        let outcome = catch_unwind(|| Builder::new_multi_thread().worker_threads(workers).enable_all().build());
        // Fails if it took too long; the runtime is then shut down here.
        let _ = send.send(outcome);
    };
    thread::Builder::new().name("codex-image-start".into()).spawn(build).map_err(refused)?;
    match started.recv_timeout(START) {
        Ok(outcome) => outcome.map_err(|panic| cause_of(&*panic))?.map_err(refused),
        Err(_) => Err(refused(io::ErrorKind::WouldBlock.into())),
    }
}

/// Fails where tokio would panic: where it cannot have so many threads, or the six descriptors that
/// it needs.
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

/// What a panic means for its call. Where the system refuses a thread, tokio (1.54) panics with the
/// system's words behind this prefix.
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
        let words = os_words(&io::Error::from_raw_os_error(11));
        assert_eq!(outcome(refused), Some(Cause::SpawnFailed(words)));
    }
}
