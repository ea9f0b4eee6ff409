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

use std::sync::LazyLock;

use napi::bindgen_prelude::{Buffer, PromiseRaw, Result, ToNapiValue, Unknown};
use napi::{Env, Error};
use napi_derive::napi;
use tokio_util::task::AbortOnDropHandle;

use crate::codex::command::needs_danger_full_access;
use crate::error::{Cause, Evidence, Failure};
use crate::generate::{self, Generated, generate};
use crate::queue::Queue;
use crate::readiness::check;
use crate::run::Cancel;
use abort::{Abort, Start};
use image::GeneratedImage;
use js::Js;
use lifetime::JsEnvironment;
use options::Recovery;
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
) -> Result<PromiseRaw<'env, Buffer>> {
    run(env, options, on_progress, |generated| Buffer::from(generated.picked.png))
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
) -> Result<PromiseRaw<'env, GeneratedImage>> {
    run(env, options, on_progress, GeneratedImage::from)
}

/// Finds the picture of a thread that was drawn earlier: in Codex's store, or in the thread's own record. For a daemon that
/// died meanwhile, and for callers that gave up: a picture that was paid for is not lost. Starts nothing and spends nothing.
///
/// Rejects with `NO_IMAGE` if there is none.
#[allow(clippy::missing_errors_doc, reason = "the documentation is JavaScript's, which sees a rejected promise")]
#[napi(catch_unwind, ts_args_type = "options: RecoverOptions", ts_return_type = "Promise<GeneratedImage>")]
pub fn recover_codex_image<'env>(env: &'env Env, options: Unknown<'env>) -> Result<PromiseRaw<'env, GeneratedImage>> {
    let js = Js::new(env)?;
    settle(env, options::parse_recovery(&js, options), |Recovery { thread, codex_home, max_image_bytes }| async move {
        generate::recover(codex_home, thread, max_image_bytes).await.map(GeneratedImage::from)
    })
}

/// Whether this machine can draw, and what to do if not. Offline, quick, and at no cost: for a settings page.
#[allow(clippy::missing_errors_doc, reason = "the documentation is JavaScript's, which sees a rejected promise")]
#[napi(catch_unwind, ts_args_type = "options?: CheckOptions | null | undefined", ts_return_type = "Promise<Readiness>")]
pub fn check_codex<'env>(env: &'env Env, options: Unknown<'env>) -> Result<PromiseRaw<'env, Readiness>> {
    let js = Js::new(env)?;
    settle(env, options::parse_check(&js, options), |request| async move { check(request).await.map(Readiness::from) })
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
        Err(cause) => Err(Error::from_unknown_without_coercion(errors::type_error(env, &cause)?)),
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
    let variables = js::present(variables)?.map_or_else(|| js.process_env(), Ok)?;
    Ok(needs_danger_full_access(&platform, &js.environment(variables)?))
}

/// A promise of what `work` makes of the arguments.
fn settle<A, F, T>(
    env: &Env,
    arguments: std::result::Result<A, Cause>,
    work: impl FnOnce(A) -> F,
) -> Result<PromiseRaw<'_, T>>
where
    F: Future<Output = std::result::Result<T, Failure>> + Send + 'static,
    T: ToNapiValue + Send + 'static,
{
    let arguments = match arguments {
        Ok(arguments) => arguments,
        Err(cause) => return PromiseRaw::reject(env, errors::type_error(env, &cause)?),
    };
    let trace = errors::Trace::capture(env)?;
    let work = work(arguments);
    env.spawn_future_with_callback(async move { Ok(work.await) }, move |env, outcome| match outcome {
        Ok(value) => {
            trace.release(env)?;
            Ok(value)
        }
        Err(failure) => Err(Error::from_unknown_without_coercion(trace.into_error(env, &failure)?)),
    })
}

/// One call, from JavaScript's arguments to a promise of what `answer` makes of the picture.
fn run<'env, T: ToNapiValue + 'static>(
    env: &'env Env,
    options: Unknown<'env>,
    on_progress: Unknown<'env>,
    answer: fn(Generated) -> T,
) -> Result<PromiseRaw<'env, T>> {
    // What N-API itself refuses is nobody's mistake but ours, and still no reason to throw.
    begin(env, options, on_progress, answer).or_else(|error| {
        let failure = Failure {
            cause: Cause::Internal,
            evidence: Box::new(Evidence { detail: error.reason.clone(), ..Evidence::default() }),
        };
        PromiseRaw::reject(env, errors::Trace::capture(env)?.into_error(env, &failure)?)
    })
}

fn begin<'env, T: ToNapiValue + 'static>(
    env: &'env Env,
    options: Unknown<'env>,
    on_progress: Unknown<'env>,
    answer: fn(Generated) -> T,
) -> Result<PromiseRaw<'env, T>> {
    let js = Js::new(env)?;
    let parsed = options::parse(&js, options).and_then(|parsed| Ok((parsed, options::callback(on_progress)?)));
    let ((request, signal), callback) = match parsed {
        Ok(parsed) => parsed,
        Err(cause) => return PromiseRaw::reject(env, errors::type_error(env, &cause)?),
    };
    let environment = JsEnvironment::current();
    // Now, and not where the scheduler starts the task: the line is in the order of the calls.
    let ticket = QUEUE.line_up();
    let reporter = Reporter::new(callback)?;
    let abort = match Abort::listen(&js, signal, &environment)? {
        Start::Aborted(reason) => return PromiseRaw::reject(env, reason),
        Start::Live(abort) => abort,
    };
    // The stack of a rejection would begin nowhere: the caller's frames are remembered now.
    let trace = errors::Trace::capture(env)?;
    let cancel = Cancel { abort: abort.token(), shutdown: environment.ending() };
    let future = async move {
        let _running = environment.enter();
        let delivery = reporter.start(cancel.shutdown.clone());
        // A task of its own, so that a panic becomes an error, and everything it held is still let go of.
        let task = tokio::spawn(generate(request, ticket, delivery.progress(), cancel));
        let mut outcome = AbortOnDropHandle::new(task).await.unwrap_or_else(|_| Err(Cause::Internal.into()));
        let threw = delivery.close().await;
        if let (Ok(generated), true) = (&mut outcome, threw) {
            generated.warnings.push("The progress callback threw an error.".to_owned());
        }
        Ok(outcome)
    };
    env.spawn_future_with_callback(future, move |env, outcome| {
        // Whoever has given up is told so, whatever became of the picture.
        if let Some(reason) = abort.close(env)? {
            trace.release(env)?;
            return Err(reason);
        }
        match outcome {
            Ok(generated) => {
                trace.release(env)?;
                Ok(answer(generated))
            }
            Err(failure) => Err(Error::from_unknown_without_coercion(trace.into_error(env, &failure)?)),
        }
    })
}
