//! One call: from the arguments to a promise, and from the outcome to its settlement.
//!
//! No exported function that returns a promise throws: what goes wrong before the work is started
//! rejects the promise, as what goes wrong later does.

use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::{Object, PromiseRaw, Result, Unknown};
use napi::{Env, Error, JsValue as _};

use super::abort::Abort;
use super::errors::Trace;
use super::js::{Answer, Js};
use super::runtime;
use crate::error::{Cause, Evidence, Failure};
use crate::text::redact::redact;

/// What a promise of this package resolves with: an [`Answer`], already made.
pub type Resolved = Unknown<'static>;

/// Why a call has not begun.
pub enum Refusal<'env> {
    Failure(Failure),
    /// Its signal was aborted already.
    Aborted(Unknown<'env>),
    /// What N-API refuses is a defect of this package.
    Defect(Error),
}

/// A call's promise, once it has begun.
pub type Begun<'env> = std::result::Result<PromiseRaw<'env, Resolved>, Refusal<'env>>;

impl<C: Into<Failure>> From<C> for Refusal<'_> {
    fn from(cause: C) -> Self {
        Self::Failure(cause.into())
    }
}

/// The promise that `begin` makes, or a rejected one.
pub fn promise<'env>(
    env: &'env Env,
    begin: impl FnOnce(&Js<'env>) -> Begun<'env>,
) -> Result<PromiseRaw<'env, Resolved>> {
    let js = Js::new(env)?;
    let outcome = catch_unwind(AssertUnwindSafe(|| begin(&js))).unwrap_or_else(|_| Err(Cause::Internal.into()));
    let failure = match outcome {
        Ok(promise) => return Ok(promise),
        Err(Refusal::Aborted(reason)) => return PromiseRaw::reject(env, reason),
        Err(Refusal::Failure(failure)) => failure,
        Err(Refusal::Defect(error)) => Failure {
            cause: Cause::Internal,
            evidence: Box::new(Evidence { detail: redact(&error.reason), ..Evidence::default() }),
        },
    };
    PromiseRaw::reject(env, Trace::capture(&js)?.into_error(&js, &failure)?)
}

/// Starts `work`, as a call of its JavaScript environment, and returns a promise of what `answer`
/// makes of its outcome.
pub fn start<'env, T: Send + 'static, A: Answer + 'static>(
    js: &Js<'env>,
    abort: Option<Abort>,
    work: impl Future<Output = std::result::Result<T, Failure>> + Send + 'static,
    answer: fn(T) -> A,
) -> Begun<'env> {
    let prepare = || {
        let runtime = runtime::handle()?;
        // Remembers the caller's frames: the stack of a rejection would have none.
        let trace = Trace::capture(js).map_err(Refusal::Defect)?;
        let (deferred, promise) = js.env.create_deferred().map_err(Refusal::Defect)?;
        Ok((runtime, trace, deferred, PromiseRaw::new(js.env.raw(), promise.raw())))
    };
    let (runtime, trace, deferred, promise) = match prepare() {
        Ok(prepared) => prepared,
        Err(refusal) => {
            abort.map(|abort| abort.close(js));
            return Err(refusal);
        }
    };
    // Counts the call now, not when the task is scheduled: the environment may end before.
    let running = js.lifetime.enter();
    runtime.spawn(async move {
        let outcome = runtime::contained(work).await;
        deferred.resolve(move |env| settle(&env, abort, trace, outcome, answer));
        drop(running);
    });
    Ok(promise)
}

/// On the JavaScript thread: the value to resolve with, or the error to reject with.
fn settle<T, A: Answer>(
    env: &Env,
    abort: Option<Abort>,
    trace: Trace,
    outcome: std::result::Result<T, Failure>,
    answer: fn(T) -> A,
) -> Result<Resolved> {
    let js = Js::new(env)?;
    // An aborted call rejects with the reason, even if there is a picture.
    if let Some(reason) = abort.and_then(|abort| abort.close(&js)) {
        trace.release(env);
        return Err(Error::from_unknown_without_coercion(reason));
    }
    match outcome {
        Ok(value) => {
            trace.release(env);
            // Without a lifetime: napi hands it to the promise at once.
            Ok(Object::from_raw(env.raw(), answer(value).into_js(env)?.raw()).to_unknown())
        }
        Err(failure) => Err(Error::from_unknown_without_coercion(trace.into_error(&js, &failure)?)),
    }
}
