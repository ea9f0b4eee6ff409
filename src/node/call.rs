//! Creates the promise of a call, runs its work, and settles the promise with the outcome.
//!
//! An exported function that returns a promise never throws. A failure before the work starts
//! rejects the promise as well.

use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::{Object, PromiseRaw, Result, Unknown};
use napi::{Env, Error, JsValue as _};

use super::abort::Abort;
use super::errors::Trace;
use super::js::{IntoJs, Js};
use super::runtime;
use crate::error::{Cause, Evidence, Failure};
use crate::text::redact::redact;

/// The value that a call's promise resolves with.
pub type Resolved = Unknown<'static>;

/// Reason why a call was not started.
pub enum StartError<'env> {
    Failure(Failure),
    /// Its signal was already aborted, for this reason.
    Aborted(Unknown<'env>),
    /// An error of N-API: a defect of this package.
    Defect(Error),
}

/// The promise of a call, or the reason why it was not started.
pub type StartResult<'env> = std::result::Result<PromiseRaw<'env, Resolved>, StartError<'env>>;

impl<C: Into<Failure>> From<C> for StartError<'_> {
    fn from(cause: C) -> Self {
        Self::Failure(cause.into())
    }
}

/// Returns the promise of `begin`. If `begin` fails or panics, returns a rejected promise.
pub fn promise<'env>(
    env: &'env Env,
    begin: impl FnOnce(&Js<'env>) -> StartResult<'env>,
) -> Result<PromiseRaw<'env, Resolved>> {
    let js = Js::new(env)?;
    let outcome = catch_unwind(AssertUnwindSafe(|| begin(&js))).unwrap_or_else(|_| Err(Cause::Internal.into()));
    let failure = match outcome {
        Ok(promise) => return Ok(promise),
        Err(StartError::Aborted(reason)) => return PromiseRaw::reject(env, reason),
        Err(StartError::Failure(failure)) => failure,
        Err(StartError::Defect(error)) => Failure {
            cause: Cause::Internal,
            evidence: Box::new(Evidence { detail: redact(&error.reason), ..Evidence::default() }),
        },
    };
    PromiseRaw::reject(env, Trace::capture(&js)?.into_error(&js, &failure)?)
}

/// Starts `work` as a call of its JavaScript environment. The promise resolves with the result,
/// converted by `convert`.
pub fn start<'env, T: Send + 'static, A: IntoJs + 'static>(
    js: &Js<'env>,
    abort: Option<Abort>,
    work: impl Future<Output = std::result::Result<T, Failure>> + Send + 'static,
    convert: fn(T) -> A,
) -> StartResult<'env> {
    let prepare = || {
        let runtime = runtime::handle()?;
        // Captures the caller's stack now: an error that is created later does not have it.
        let trace = Trace::capture(js).map_err(StartError::Defect)?;
        let (deferred, promise) = js.env.create_deferred().map_err(StartError::Defect)?;
        Ok((runtime, trace, deferred, PromiseRaw::new(js.env.raw(), promise.raw())))
    };
    let (runtime, trace, deferred, promise) = match prepare() {
        Ok(prepared) => prepared,
        Err(error) => {
            abort.map(|abort| abort.close(js));
            return Err(error);
        }
    };
    // Counts the call now: the environment may end before the task is scheduled.
    let running = js.lifetime.enter();
    runtime.spawn(async move {
        let outcome = runtime::catch_panic(work).await;
        deferred.resolve(move |env| settle(&env, abort, trace, outcome, convert));
        drop(running);
    });
    Ok(promise)
}

/// Returns the value to resolve with, or the error to reject with. Runs on the JavaScript thread.
fn settle<T, A: IntoJs>(
    env: &Env,
    abort: Option<Abort>,
    trace: Trace,
    outcome: std::result::Result<T, Failure>,
    convert: fn(T) -> A,
) -> Result<Resolved> {
    let js = Js::new(env)?;
    // An aborted call rejects with the reason even if there is an image.
    if let Some(reason) = abort.and_then(|abort| abort.close(&js)) {
        trace.release(env);
        return Err(Error::from_unknown_without_coercion(reason));
    }
    match outcome {
        Ok(value) => {
            trace.release(env);
            // Drops the lifetime, which is safe: napi resolves the promise at once.
            Ok(Object::from_raw(env.raw(), convert(value).into_js(env)?.raw()).to_unknown())
        }
        Err(failure) => Err(Error::from_unknown_without_coercion(trace.into_error(&js, &failure)?)),
    }
}
