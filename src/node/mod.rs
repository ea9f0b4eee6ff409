//! The only room in which N-API is spoken. It converts and hands over; every decision is made elsewhere.
//!
//! The exported functions are synchronous and return a promise of their own making: only that form can reject with a rich
//! error, observe an `AbortSignal` and clean up on the JavaScript thread, and never throws. The types that JavaScript sees
//! stand in `types.d.ts` beside this file and are copied to `index.d.ts` by the build.

mod abort;
mod errors;
mod image;
mod js;
pub mod lifetime;
mod options;
mod progress;
mod readiness;
mod runtime;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use napi::bindgen_prelude::{Buffer, Object, PromiseRaw, Result, Unknown};
use napi::{Env, Error, JsValue as _};
use napi_derive::napi;

use crate::codex::command::needs_danger_full_access;
use crate::error::{Cause, Evidence, Failure};
use crate::generate::{self, Generated, generate};
use crate::queue::Queue;
use crate::readiness::check;
use crate::run::Cancel;
use abort::{Abort, Start};
use image::GeneratedImage;
use js::{Answer, Js};
use options::{Recovery, SIGNAL, unreadable};
use progress::Reporter;
use readiness::Readiness;

/// Draws one picture with the user's own signed-in Codex CLI and resolves with the bytes of the PNG file.
///
/// Rejects with a `CodexImageError`, or with `signal.reason` if the call was aborted. When the promise settles, no process,
/// no directory and no listener of the call is left.
#[allow(clippy::missing_errors_doc, reason = "the documentation is JavaScript's, which sees a rejected promise")]
#[napi(
    catch_unwind,
    ts_args_type = "options: GenerateOptions, onProgress?: OnProgress | null | undefined",
    ts_return_type = "Promise<Buffer>"
)]
pub fn generate_codex_image<'env>(
    env: &'env Env,
    options: Unknown<'env>,
    on_progress: Unknown<'env>,
) -> Result<PromiseRaw<'env, Resolved>> {
    promise(env, |js| run(js, options, on_progress, |generated| Buffer::from(generated.picked.png)))
}

/// Like `generateCodexImage`, but resolves with what is known about the picture beside its bytes.
#[allow(clippy::missing_errors_doc, reason = "the documentation is JavaScript's, which sees a rejected promise")]
#[napi(
    catch_unwind,
    ts_args_type = "options: GenerateOptions, onProgress?: OnProgress | null | undefined",
    ts_return_type = "Promise<GeneratedImage>"
)]
pub fn generate_codex_image_detailed<'env>(
    env: &'env Env,
    options: Unknown<'env>,
    on_progress: Unknown<'env>,
) -> Result<PromiseRaw<'env, Resolved>> {
    promise(env, |js| run(js, options, on_progress, GeneratedImage::from))
}

/// Finds the picture of a thread that was drawn earlier: in Codex's store, or in the thread's own record. For a daemon that
/// died meanwhile, and for callers that gave up: a picture that was paid for is not lost. Starts nothing and spends nothing.
///
/// Rejects with `NO_IMAGE` if there is none. May take as long as reading a large record takes, but rejects with `TIMEOUT`
/// once the disk of `CODEX_HOME` has left a single request unanswered for two seconds.
#[allow(clippy::missing_errors_doc, reason = "the documentation is JavaScript's, which sees a rejected promise")]
#[napi(catch_unwind, ts_args_type = "options: RecoverOptions", ts_return_type = "Promise<GeneratedImage>")]
pub fn recover_codex_image<'env>(env: &'env Env, options: Unknown<'env>) -> Result<PromiseRaw<'env, Resolved>> {
    promise(env, |js| {
        let Recovery { thread, codex_home, max_image_bytes } = options::parse_recovery(js, options)?;
        start(js, None, generate::recover(codex_home, thread, max_image_bytes), GeneratedImage::from)
    })
}

/// Whether this machine can draw, and what to do if not. Offline, quick, and at no cost: for a settings page.
///
/// Where the disk of `CODEX_HOME` has left a single request unanswered for two seconds, the login is `'unknown'` and
/// `LOGIN_UNKNOWN` a blocking problem.
#[allow(clippy::missing_errors_doc, reason = "the documentation is JavaScript's, which sees a rejected promise")]
#[napi(catch_unwind, ts_args_type = "options?: CheckOptions | null | undefined", ts_return_type = "Promise<Readiness>")]
pub fn check_codex<'env>(env: &'env Env, options: Unknown<'env>) -> Result<PromiseRaw<'env, Resolved>> {
    promise(env, |js| {
        let request = options::parse_check(js, options)?;
        start(js, None, check(request, js.lifetime.ending()), Readiness::from)
    })
}

/// How many generations of this process may run Codex at the same time, 1 to 1000; 2 by default. The others wait in the order
/// in which they came. Those that run already go on.
///
/// Throws a `TypeError` if it is no such number.
#[allow(clippy::missing_errors_doc, reason = "the documentation is JavaScript's")]
#[napi(catch_unwind, ts_args_type = "maxConcurrentRuns: number")]
pub fn set_max_concurrent_runs(env: &Env, limit: Unknown<'_>) -> Result<()> {
    match options::parse_limit(limit) {
        Ok(limit) => {
            QUEUE.set_limit(limit);
            Ok(())
        }
        Err(cause) => Err(thrown(&Js::new(env)?, cause)?),
    }
}

/// One queue for all environments of the process: they share one machine and one login.
static QUEUE: LazyLock<Queue> = LazyLock::new(Queue::default);

/// Whether Codex's own sandbox is known not to work here: on Windows, under WSL, or where `OD_CODEX_SANDBOX` says
/// `danger-full-access`. `platform` and `env` are this process's own by default.
#[allow(clippy::missing_errors_doc, reason = "the documentation is JavaScript's")]
#[napi(
    catch_unwind,
    ts_args_type = "platform?: string | null | undefined, env?: Record<string, string | undefined> | null | undefined"
)]
pub fn codex_needs_danger_full_access_sandbox(
    env: &Env,
    platform: Unknown<'_>,
    variables: Unknown<'_>,
) -> Result<bool> {
    let js = Js::new(env)?;
    let platform = js::text(platform)?.map_or_else(|| js.platform(), Ok)?;
    let variables = js::present(variables)?.map_or_else(|| js.process_env(), Ok).and_then(|env| js.environment(env));
    match variables.map_err(unreadable("env")) {
        Ok(variables) => Ok(needs_danger_full_access(&platform, &variables)),
        Err(cause) => Err(thrown(&js, cause)?),
    }
}

/// A failure to throw.
fn thrown(js: &Js<'_>, cause: Cause) -> Result<Error> {
    let error = errors::Trace::capture(js)?.into_error(js, &cause.into())?;
    Ok(Error::from_unknown_without_coercion(error))
}

/// What a promise of this package resolves with: an [`Answer`], already made.
type Resolved = Unknown<'static>;

/// Why a call has not begun.
enum Refusal<'env> {
    Failure(Failure),
    /// Its signal was aborted already.
    Aborted(Unknown<'env>),
    /// What N-API refuses is a defect of this package.
    Defect(Error),
}

impl<C: Into<Failure>> From<C> for Refusal<'_> {
    fn from(cause: C) -> Self {
        Self::Failure(cause.into())
    }
}

/// The promise that `begin` makes, or a rejected one: no exported function that returns a promise throws.
fn promise<'env>(
    env: &'env Env,
    begin: impl FnOnce(&Js<'env>) -> std::result::Result<PromiseRaw<'env, Resolved>, Refusal<'env>>,
) -> Result<PromiseRaw<'env, Resolved>> {
    let js = Js::new(env)?;
    let outcome = catch_unwind(AssertUnwindSafe(|| begin(&js))).unwrap_or_else(|_| Err(Cause::Internal.into()));
    let failure = match outcome {
        Ok(promise) => return Ok(promise),
        Err(Refusal::Aborted(reason)) => return PromiseRaw::reject(env, reason),
        Err(Refusal::Failure(failure)) => failure,
        Err(Refusal::Defect(error)) => Failure {
            cause: Cause::Internal,
            evidence: Box::new(Evidence { detail: error.reason.clone(), ..Evidence::default() }),
        },
    };
    PromiseRaw::reject(env, errors::Trace::capture(&js)?.into_error(&js, &failure)?)
}

/// Starts `work`, as a call of its JavaScript environment, and returns a promise of what `answer` makes of its outcome.
fn start<'env, T: Send + 'static, A: Answer + 'static>(
    js: &Js<'env>,
    abort: Option<Abort>,
    work: impl Future<Output = std::result::Result<T, Failure>> + Send + 'static,
    answer: fn(T) -> A,
) -> std::result::Result<PromiseRaw<'env, Resolved>, Refusal<'env>> {
    let prepare = || {
        let runtime = runtime::handle()?;
        // The stack of a rejection would begin nowhere: the caller's frames are remembered now.
        let trace = errors::Trace::capture(js).map_err(Refusal::Defect)?;
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
    // Now, and not where the scheduler starts the task: the environment may end before.
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
    trace: errors::Trace,
    outcome: std::result::Result<T, Failure>,
    answer: fn(T) -> A,
) -> Result<Resolved> {
    let js = Js::new(env)?;
    // Whoever has given up is told so, whatever became of the picture.
    if let Some(reason) = abort.and_then(|abort| abort.close(&js)) {
        trace.release(env);
        return Err(Error::from_unknown_without_coercion(reason));
    }
    match outcome {
        Ok(value) => {
            trace.release(env);
            // It lives until the promise has taken it.
            Ok(Object::from_raw(env.raw(), answer(value).into_js(env)?.raw()).to_unknown())
        }
        Err(failure) => Err(Error::from_unknown_without_coercion(trace.into_error(&js, &failure)?)),
    }
}

/// One generation, from JavaScript's arguments to a promise of what `answer` makes of the picture.
fn run<'env, A: Answer + 'static>(
    js: &Js<'env>,
    options: Unknown<'env>,
    on_progress: Unknown<'env>,
    answer: fn(Generated) -> A,
) -> std::result::Result<PromiseRaw<'env, Resolved>, Refusal<'env>> {
    let (request, signal) = options::parse(js, options)?;
    let callback = options::callback(on_progress)?;
    // Now, and not where the scheduler starts the task: the line is in the order of the calls.
    let ticket = QUEUE.line_up();
    let reporter = Reporter::new(callback).map_err(Refusal::Defect)?;
    let abort = match Abort::listen(js, signal).map_err(unreadable(SIGNAL))? {
        Start::Aborted(reason) => return Err(Refusal::Aborted(reason)),
        Start::Live(abort) => abort,
    };
    let cancel = Cancel { abort: abort.token(), shutdown: js.lifetime.ending() };
    let work = async move {
        let delivery = reporter.start(cancel.shutdown.clone());
        // A task of its own, so that a panic still leaves everything said delivered.
        let mut outcome = runtime::contained(generate(request, ticket, delivery.progress(), cancel)).await;
        let threw = delivery.close().await;
        if let (Ok(generated), true) = (&mut outcome, threw) {
            generated.warnings.push("The progress callback threw an error.".to_owned());
        }
        outcome
    };
    start(js, Some(abort), work, answer)
}
