//! Progress becomes calls of `onProgress`: in order, never in the generation's way, never after the
//! promise has settled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use napi::bindgen_prelude::{FnArgs, Object, Result, Unknown};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, JsValue as _, Status};
use napi_derive::napi;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::js::{Answer, Js, define, object_from};
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

impl Answer for ProgressEvent {
    fn into_js(mut self, env: &Env) -> Result<Unknown<'_>> {
        let thread_id = self.thread_id.take();
        let mut event = object_from(env, self)?;
        define(env, &mut event, "threadId", thread_id)?;
        Ok(event.to_unknown())
    }
}

/// What `onProgress` gets: the message and the event.
pub type Arguments = FnArgs<(String, Object<'static>)>;

/// What `onProgress` may return: anything.
pub type Returned = Unknown<'static>;

/// Weak: a callback alone never keeps the process alive. The promise does.
type Function = ThreadsafeFunction<Event, Returned, Arguments, Status, false, true>;

/// Events that JavaScript has not taken yet. Beyond these, what repeats itself is left out: a
/// listener that is too slow must cost neither memory nor time.
const MAX_WAITING: usize = 4096;
/// How many events are handed to JavaScript before it has its other work done. Node would dispatch
/// up to 1000 in one turn of its loop, and from each of the calls that run at the same time.
const BATCH: usize = 8;

/// Calls `onProgress` with one event; the result resolves when it has been called. Boxed: an async
/// function cannot hold a [`Function`] of arguments with a lifetime.
type Call = Box<dyn Fn(Event, Arc<AtomicBool>) -> oneshot::Receiver<()> + Send + Sync>;

/// Reports to `onProgress`, if there is one.
pub struct Reporter(Option<Call>);

impl Reporter {
    pub fn new(callback: Option<Callback<'_>>) -> Result<Self> {
        let Some(callback) = callback else { return Ok(Self(None)) };
        let function = callback.build_threadsafe_function::<Event>().weak::<true>().build_callback(|context| {
            let Event { phase, message, elapsed, thread_id } = context.value;
            let thread_id = thread_id.map(|id| id.to_string());
            let elapsed_ms = elapsed.as_secs_f64() * 1e3;
            let event = ProgressEvent { phase: phase.as_str(), message: message.clone(), elapsed_ms, thread_id };
            // Lives as long as the call of `onProgress`, for which it is made.
            let event = Object::from_raw(context.env.raw(), event.into_js(&context.env)?.raw());
            Ok((message, event).into())
        })?;
        Ok(Self(Some(Box::new(move |event, threw| call(&function, event, threw)))))
    }

    /// Begins to deliver, until `shutdown`. Needs a tokio runtime.
    pub fn start(self, shutdown: CancellationToken) -> Delivery {
        let Some(call) = self.0 else { return Delivery(None) };
        let (queue, events) = mpsc::unbounded_channel();
        let line = Arc::new(Line { queue, waiting: AtomicUsize::new(0) });
        let task = tokio::spawn(deliver(call, events, Arc::clone(&line), shutdown));
        Delivery(Some((line, task)))
    }
}

/// The events of one call on their way to `onProgress`.
pub struct Delivery(Option<(Arc<Line>, JoinHandle<bool>)>);

struct Line {
    /// No event means that there will be no more.
    queue: mpsc::UnboundedSender<Option<Event>>,
    waiting: AtomicUsize,
}

impl Delivery {
    /// Where the generation says things.
    pub fn progress(&self) -> Progress {
        let line = self.0.as_ref().map(|(line, _)| Arc::clone(line));
        Progress::new(move |event| {
            if let Some(line) = &line {
                line.send(event);
            }
        })
    }

    /// Waits until everything said has been delivered; what is said later never is. Tells whether
    /// the callback ever threw.
    pub async fn close(self) -> bool {
        let Some((line, task)) = self.0 else { return false };
        // The receiver is gone only when the environment has ended.
        let _ = line.queue.send(None);
        task.await.unwrap_or(false)
    }
}

impl Line {
    fn send(&self, event: Event) {
        // The other phases are said a few times at most, whatever Codex prints.
        let repeats = matches!(event.phase, Phase::Queued | Phase::Message | Phase::Command | Phase::Reconnecting);
        if repeats && self.waiting.load(Ordering::Relaxed) >= MAX_WAITING {
            return;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _ = self.queue.send(Some(event));
    }
}

/// Hands the events over in small batches, each after JavaScript has taken the one before. Tells
/// whether the callback ever threw.
async fn deliver(
    call: Call,
    mut events: mpsc::UnboundedReceiver<Option<Event>>,
    line: Arc<Line>,
    shutdown: CancellationToken,
) -> bool {
    let threw = Arc::new(AtomicBool::new(false));
    let mut batch = Vec::with_capacity(BATCH);
    while events.recv_many(&mut batch, BATCH).await > 0 {
        let is_last = batch.iter().any(Option::is_none);
        let said: Vec<Event> = batch.drain(..).map_while(|event| event).collect();
        line.waiting.fetch_sub(said.len(), Ordering::Relaxed);
        let taken = said.into_iter().map(|event| call(event, Arc::clone(&threw))).last();
        if let Some(taken) = taken {
            // napi does not even drop what it could not deliver to an environment that has gone.
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = taken => {}
            }
        }
        if is_last {
            break;
        }
    }
    threw.load(Ordering::Relaxed)
}

/// Calls `onProgress` with one event; the result resolves when it has been called.
fn call(function: &Function, event: Event, threw: Arc<AtomicBool>) -> oneshot::Receiver<()> {
    let (taken, receiver) = oneshot::channel();
    function.call_with_return_value(event, ThreadsafeFunctionCallMode::NonBlocking, move |returned, env| {
        threw.fetch_or(returned.and_then(|returned| forgive(&env, returned)).is_err(), Ordering::Relaxed);
        // Only the last of a batch is waited for.
        let _ = taken.send(());
        Ok(())
    });
    receiver
}

/// Gives a promise that the callback returned a handler: its rejection is not for the daemon to die
/// of.
fn forgive(env: &Env, returned: Returned) -> Result<()> {
    if returned.is_promise()? { Js::new(env)?.forgive(returned) } else { Ok(()) }
}
