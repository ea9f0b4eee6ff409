//! Delivers progress events to `onProgress`: in order, without delaying the generation, and never
//! after the promise has settled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use napi::bindgen_prelude::{FnArgs, Function, Object, Result, Unknown};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, JsValue as _, Status};
use napi_derive::napi;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::js::{IntoJs, Js, define, object_from};
use crate::progress::{Event, Phase, Progress};

/// A progress event, the second argument of `onProgress`.
#[napi(object, object_from_js = false)]
pub struct ProgressEvent {
    /// The step that the generation has reached.
    #[napi(
        ts_type = "'queued' | 'preflight' | 'starting' | 'started' | 'message' | 'command' | 'reconnecting' | 'image' | 'checking' | 'stopping'"
    )]
    pub phase: &'static str,
    /// One printable line of at most 200 characters: the callback's first argument.
    pub message: String,
    /// Time since the call began, in milliseconds.
    pub elapsed_ms: f64,
    /// The Codex thread, once it has started.
    pub thread_id: Option<String>,
}

impl IntoJs for ProgressEvent {
    fn into_js(mut self, env: &Env) -> Result<Unknown<'_>> {
        let thread_id = self.thread_id.take();
        let mut event = object_from(env, self)?;
        define(env, &mut event, "threadId", thread_id)?;
        Ok(event.to_unknown())
    }
}

/// The arguments of `onProgress`: the message and the event.
pub type Arguments = FnArgs<(String, Object<'static>)>;

/// The result of `onProgress`: any value.
pub type Returned = Unknown<'static>;

/// The caller's `onProgress`.
pub type Callback<'env> = Function<'env, Arguments, Returned>;

/// Weak: the promise keeps the process alive, not the callback.
type WeakFunction = ThreadsafeFunction<Event, Returned, Arguments, Status, false, true>;

/// If this many events are pending, further repetitive ones (positions in the queue, messages,
/// commands, reconnects) are dropped, so that a slow listener costs neither memory nor time.
const MAX_PENDING: usize = 4096;
/// Number of events that are delivered before JavaScript gets to its other work. Node would
/// dispatch up to 1000 in one turn of its event loop, for each of the concurrent calls.
const BATCH: usize = 8;

/// Calls `onProgress` with one event. The result resolves when the callback has returned. Boxed,
/// because an async function cannot hold a [`WeakFunction`] whose arguments have a lifetime.
type ListenerFn = Box<dyn Fn(Event, Arc<AtomicBool>) -> oneshot::Receiver<()> + Send + Sync>;

/// The `onProgress` of one call, if there is one.
pub struct Listener(Option<ListenerFn>);

impl Listener {
    pub fn new(callback: Option<Callback<'_>>) -> Result<Self> {
        let Some(callback) = callback else { return Ok(Self(None)) };
        let function = callback.build_threadsafe_function::<Event>().weak::<true>().build_callback(|context| {
            let Event { phase, message, elapsed, thread_id } = context.value;
            let thread_id = thread_id.map(|id| id.to_string());
            let elapsed_ms = elapsed.as_secs_f64() * 1e3;
            let event = ProgressEvent { phase: phase.as_str(), message: message.clone(), elapsed_ms, thread_id };
            // Drops the lifetime, which is safe: the object is passed to `onProgress` at once.
            let event = Object::from_raw(context.env.raw(), event.into_js(&context.env)?.raw());
            Ok((message, event).into())
        })?;
        Ok(Self(Some(Box::new(move |event, threw| call(&function, event, threw)))))
    }

    /// Starts a task that delivers events until `shutdown`. Needs a tokio runtime.
    pub fn start(self, shutdown: CancellationToken) -> Delivery {
        let Some(call) = self.0 else { return Delivery(None) };
        let (sender, events) = mpsc::unbounded_channel();
        let queue = Arc::new(EventQueue { sender, pending: AtomicUsize::new(0) });
        let task = tokio::spawn(deliver(call, events, Arc::clone(&queue), shutdown));
        Delivery(Some((queue, task)))
    }
}

/// The events of one call on their way to `onProgress`.
pub struct Delivery(Option<(Arc<EventQueue>, JoinHandle<bool>)>);

struct EventQueue {
    /// None marks the end.
    sender: mpsc::UnboundedSender<Option<Event>>,
    pending: AtomicUsize,
}

impl Delivery {
    /// Returns the generation's progress reporter, whose events this delivers.
    pub fn progress(&self) -> Progress {
        let queue = self.0.as_ref().map(|(queue, _)| Arc::clone(queue));
        Progress::new(move |event| {
            if let Some(queue) = &queue {
                queue.send(event);
            }
        })
    }

    /// Waits until all events so far are delivered. Later events are dropped. Returns whether the
    /// callback ever threw.
    pub async fn close(self) -> bool {
        let Some((queue, task)) = self.0 else { return false };
        // Fails only if the environment has ended.
        let _ = queue.sender.send(None);
        task.await.unwrap_or(false)
    }
}

impl EventQueue {
    fn send(&self, event: Event) {
        // The other phases occur only a few times, whatever Codex prints.
        let repeats = matches!(event.phase, Phase::Queued | Phase::Message | Phase::Command | Phase::Reconnecting);
        if repeats && self.pending.load(Ordering::Relaxed) >= MAX_PENDING {
            return;
        }
        self.pending.fetch_add(1, Ordering::Relaxed);
        let _ = self.sender.send(Some(event));
    }
}

/// Delivers the events in small batches, each after the callback has handled the one before.
/// Returns whether the callback ever threw.
async fn deliver(
    call: ListenerFn,
    mut events: mpsc::UnboundedReceiver<Option<Event>>,
    queue: Arc<EventQueue>,
    shutdown: CancellationToken,
) -> bool {
    let threw = Arc::new(AtomicBool::new(false));
    let mut batch = Vec::with_capacity(BATCH);
    while events.recv_many(&mut batch, BATCH).await > 0 {
        let is_last = batch.iter().any(Option::is_none);
        let events: Vec<Event> = batch.drain(..).flatten().collect();
        queue.pending.fetch_sub(events.len(), Ordering::Relaxed);
        let taken = events.into_iter().map(|event| call(event, Arc::clone(&threw))).last();
        if let Some(taken) = taken {
            // napi never drops a call that it cannot deliver because the environment has ended.
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

/// Calls `onProgress` with one event. The result resolves when the callback has returned.
fn call(function: &WeakFunction, event: Event, threw: Arc<AtomicBool>) -> oneshot::Receiver<()> {
    let (taken, receiver) = oneshot::channel();
    function.call_with_return_value(event, ThreadsafeFunctionCallMode::NonBlocking, move |returned, env| {
        threw.fetch_or(returned.and_then(|returned| ignore_rejection(&env, returned)).is_err(), Ordering::Relaxed);
        // Fails for all but the last event of a batch, whose receivers are dropped.
        let _ = taken.send(());
        Ok(())
    });
    receiver
}

/// Ignores the rejection of a promise that the callback returned, because an unhandled rejection
/// ends the process.
fn ignore_rejection(env: &Env, returned: Returned) -> Result<()> {
    if returned.is_promise()? { Js::new(env)?.ignore_rejection(returned) } else { Ok(()) }
}
