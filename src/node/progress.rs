//! Progress becomes calls of `onProgress`: in order, never in the generation's way, never after the promise has settled.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use napi::bindgen_prelude::{FnArgs, FromNapiValue as _, PromiseRaw, Result, Unknown};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{JsValue as _, Status};
use napi_derive::napi;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::options::Callback;
use crate::progress::{Event, Phase, Progress};

/// What `onProgress` gets beside the message.
#[napi(object, object_from_js = false)]
pub struct ProgressEvent {
    /// Where in its story the generation is.
    #[napi(
        ts_type = "'queued' | 'preflight' | 'starting' | 'started' | 'message' | 'command' | 'reconnecting' | 'image' | 'checking' | 'stopping'"
    )]
    pub phase: &'static str,
    /// One printable line of at most 200 characters, the same as the callback's first argument.
    pub message: String,
    /// Milliseconds since the call.
    pub elapsed_ms: f64,
    /// The Codex thread, once it has started.
    pub thread_id: Option<String>,
}

/// What `onProgress` may return: anything.
pub type Returned = Unknown<'static>;

/// Weak: a callback alone never keeps the process alive. The promise does.
type Function = ThreadsafeFunction<Event, Returned, FnArgs<(String, ProgressEvent)>, Status, false, true>;

/// Calls that JavaScript has not taken yet. Beyond these, what repeats itself is left out: a listener that is too slow must
/// cost neither memory nor time.
const MAX_WAITING: usize = 4096;

/// Reports to `onProgress`, if there is one.
pub struct Reporter(Option<Arc<Line>>);

struct Line {
    function: Function,
    waiting: Arc<AtomicUsize>,
    threw: Arc<AtomicBool>,
    /// Resolves when the last event has been delivered.
    last: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Reporter {
    pub fn new(callback: Option<Callback<'_>>) -> Result<Self> {
        let Some(callback) = callback else { return Ok(Self(None)) };
        let function = callback.build_threadsafe_function::<Event>().weak::<true>().build_callback(|context| {
            let Event { phase, message, elapsed, thread_id } = context.value;
            let thread_id = thread_id.map(|id| id.to_string());
            let event = ProgressEvent {
                phase: phase.as_str(),
                message: message.clone(),
                elapsed_ms: elapsed.as_secs_f64() * 1e3,
                thread_id,
            };
            Ok((message, event).into())
        })?;
        Ok(Self(Some(Arc::new(Line {
            function,
            waiting: Arc::default(),
            threw: Arc::default(),
            last: Mutex::default(),
        }))))
    }

    /// Where the generation says things.
    pub fn progress(&self) -> Progress {
        let line = self.0.clone();
        Progress::new(move |event| {
            if let Some(line) = &line {
                line.send(event);
            }
        })
    }

    /// Waits until everything said has been delivered, unless the environment is going away. Tells whether the callback ever
    /// threw.
    pub async fn close(self, shutdown: &CancellationToken) -> bool {
        let Some(line) = self.0 else { return false };
        let last = line.last.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(last) = last {
            // napi does not even drop what it could not deliver to an environment that has gone.
            tokio::select! {
                () = shutdown.cancelled() => {}
                _ = last => {}
            }
        }
        line.threw.load(Ordering::Relaxed)
    }
}

impl Line {
    fn send(&self, event: Event) {
        let repeats = matches!(event.phase, Phase::Message | Phase::Command | Phase::Reconnecting);
        if repeats && self.waiting.load(Ordering::Relaxed) >= MAX_WAITING {
            return;
        }
        // Held while the call is queued: the order of the queue is the order of `last`.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (delivered, receiver) = oneshot::channel();
        let (waiting, threw) = (Arc::clone(&self.waiting), Arc::clone(&self.threw));
        waiting.fetch_add(1, Ordering::Relaxed);
        self.function.call_with_return_value(event, ThreadsafeFunctionCallMode::NonBlocking, move |returned, _env| {
            waiting.fetch_sub(1, Ordering::Relaxed);
            threw.fetch_or(returned.and_then(forgive).is_err(), Ordering::Relaxed);
            // Nobody waits for any but the last.
            let _ = delivered.send(());
            Ok(())
        });
        *last = Some(receiver);
    }
}

/// Gives a promise that the callback returned a handler: its rejection is not for the daemon to die of. It is not waited
/// for.
fn forgive(returned: Returned) -> Result<()> {
    if returned.is_promise()? {
        PromiseRaw::<()>::from_unknown(returned)?.catch::<Unknown<'_>, (), _>(|_| Ok(()))?;
    }
    Ok(())
}
