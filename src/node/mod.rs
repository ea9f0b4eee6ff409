//! N-API bindings. No other module uses napi. They convert values and decide nothing else.
//!
//! The exported functions are synchronous and create their promises themselves: an `async fn` of
//! napi can neither reject with members such as `retryable` nor remove an abort listener on the
//! JavaScript thread. The build copies `types.d.ts` to the head of `index.d.ts`.

mod abort;
mod call;
mod errors;
mod image;
mod js;
pub mod lifetime;
mod options;
mod progress;
mod readiness;
mod runtime;
pub mod terminal;

use std::sync::LazyLock;

use napi::Env;
use napi::bindgen_prelude::{Buffer, PromiseRaw, Result, Unknown};
use napi_derive::napi;

use crate::generate::{self, Generated, generate};
use crate::interrupts::Cancel;
use crate::queue::Queue;
use crate::readiness::check;
use crate::sandbox::needs_danger_full_access;
use abort::{Abort, SignalState};
use call::{Resolved, StartError, StartResult, promise, start};
use image::GeneratedImage;
use js::{IntoJs, Js};
use options::{SIGNAL, unreadable};
use progress::Listener;
use readiness::Readiness;

/// Draws one image with the user's own signed-in Codex CLI and resolves with the bytes of the PNG
/// file.
///
/// Rejects with a `CodexImageError`, or with `signal.reason` if the call was aborted. When the
/// promise settles, the call has left no process, no directory and no listener.
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
    promise(env, |js| run(js, options, on_progress, |generated| Buffer::from(generated.image.png)))
}

/// Like `generateCodexImage`, but resolves with the bytes and facts about the image.
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

/// Finds the image of an earlier thread, in Codex's store or in the thread's record. After a
/// timeout, an abort or a crash it may exist, and count against the plan. Starts no process and
/// costs nothing.
///
/// Rejects with `NO_IMAGE` if there is none. Reading a large record has no time limit, but if the
/// disk of `CODEX_HOME`, or the user database that names the home, leaves a request unanswered for
/// two seconds, the promise rejects with `TIMEOUT`.
#[allow(clippy::missing_errors_doc, reason = "the documentation is JavaScript's, which sees a rejected promise")]
#[napi(catch_unwind, ts_args_type = "options: RecoverOptions", ts_return_type = "Promise<GeneratedImage>")]
pub fn recover_codex_image<'env>(env: &'env Env, options: Unknown<'env>) -> Result<PromiseRaw<'env, Resolved>> {
    promise(env, |js| {
        let (draft, thread) = options::parse_recovery(js, options)?;
        start(js, None, generate::recover(draft, thread), GeneratedImage::from)
    })
}

/// Checks whether this machine can draw, and how to fix what prevents it. Quick, offline and free,
/// for settings pages.
///
/// With `quota: true` it also asks OpenAI, through Codex, what is left of the account's limits.
/// That uses the network, costs nothing, and takes about half a second, at most 15.
///
/// If the disk of `CODEX_HOME`, or the user database that names the home, leaves a request
/// unanswered for two seconds, the login is `'unknown'`, and `LOGIN_UNKNOWN` is a blocking problem.
#[allow(clippy::missing_errors_doc, reason = "the documentation is JavaScript's, which sees a rejected promise")]
#[napi(catch_unwind, ts_args_type = "options?: CheckOptions | null | undefined", ts_return_type = "Promise<Readiness>")]
pub fn check_codex<'env>(env: &'env Env, options: Unknown<'env>) -> Result<PromiseRaw<'env, Resolved>> {
    promise(env, |js| {
        let (draft, asks_quota) = options::parse_check(js, options)?;
        start(js, None, check(draft, asks_quota, js.lifetime.ending()), Readiness::from)
    })
}

/// Sets how many generations of this process may run Codex at the same time, 1 to 1000; 2 by
/// default. Further calls wait in order. Generations that are already running continue.
///
/// Throws a `TypeError` for any other value.
#[allow(clippy::missing_errors_doc, reason = "the documentation is JavaScript's")]
#[napi(catch_unwind, ts_args_type = "maxConcurrentRuns: number")]
pub fn set_max_concurrent_runs(env: &Env, limit: Unknown<'_>) -> Result<()> {
    match options::parse_limit(limit) {
        Ok(limit) => {
            QUEUE.set_limit(limit);
            Ok(())
        }
        Err(cause) => Err(errors::to_throw(&Js::new(env)?, cause)?),
    }
}

/// Returns whether a value is a `CodexImageError` or a `CodexImageLoadError`, such as one of a
/// worker. Goes by its `name` and `code`, so it is also true for errors of another realm, where
/// `instanceof Error` is false, and for what `toJSON` returned, after `postMessage` or
/// `JSON.parse`. Such data has no `toJSON`; after `JSON.parse`, its `resetsAt` is a string.
#[allow(clippy::missing_errors_doc, reason = "the documentation is JavaScript's")]
#[napi(
    catch_unwind,
    ts_args_type = "value: unknown",
    ts_return_type = "value is CodexImageError | CodexImageLoadError"
)]
pub fn is_codex_image_error(env: &Env, value: Unknown<'_>) -> Result<bool> {
    Ok(errors::is_error(&Js::new(env)?, value))
}

/// One queue for all environments of the process: they share one machine and one login.
static QUEUE: LazyLock<Queue> = LazyLock::new(Queue::default);

/// Returns whether Codex's own sandbox is known not to work: on Windows, under WSL, or if
/// `OD_CODEX_SANDBOX` is `danger-full-access`. `platform` and `env` default to this process's own.
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
        Err(cause) => Err(errors::to_throw(&js, cause)?),
    }
}

/// Starts a generation. Its promise resolves with the image, converted by `convert`.
fn run<'env, A: IntoJs + 'static>(
    js: &Js<'env>,
    options: Unknown<'env>,
    on_progress: Unknown<'env>,
    convert: fn(Generated) -> A,
) -> StartResult<'env> {
    let (draft, signal) = options::parse(js, options)?;
    let callback = options::callback(on_progress)?;
    // Queues the call now: tasks may be scheduled in another order than that of the calls.
    let ticket = QUEUE.join();
    let listener = Listener::new(callback).map_err(StartError::Defect)?;
    let abort = match Abort::listen(js, signal).map_err(unreadable(SIGNAL))? {
        SignalState::Aborted(reason) => return Err(StartError::Aborted(reason)),
        SignalState::Listening(abort) => abort,
    };
    let cancel = Cancel { abort: abort.token(), shutdown: js.lifetime.ending() };
    let work = async move {
        let delivery = listener.start(cancel.shutdown.clone());
        // A separate task, so that events are delivered after a panic as well.
        let mut outcome = runtime::catch_panic(generate(draft, ticket, delivery.progress(), cancel)).await;
        let threw = delivery.close().await;
        if let (Ok(generated), true) = (&mut outcome, threw) {
            generated.warnings.push("The progress callback threw an error.".to_owned());
        }
        outcome
    };
    start(js, Some(abort), work, convert)
}
