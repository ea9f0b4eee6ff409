//! N-API bindings. No other module uses napi. They convert and hand over; every decision is made
//! elsewhere.
//!
//! The exported functions are synchronous and return a promise of their own making: only that form
//! can reject with a rich error, observe an `AbortSignal` and clean up on the JavaScript thread,
//! and never throws. The types that JavaScript sees stand in `types.d.ts` beside this file and are
//! copied to `index.d.ts` by the build.

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

use std::sync::LazyLock;

use napi::Env;
use napi::bindgen_prelude::{Buffer, PromiseRaw, Result, Unknown};
use napi_derive::napi;

use crate::generate::{self, Generated, generate};
use crate::limits::Cancel;
use crate::queue::Queue;
use crate::readiness::check;
use crate::sandbox::needs_danger_full_access;
use abort::{Abort, Start};
use call::{Begun, Refusal, Resolved, promise, start};
use image::GeneratedImage;
use js::{Answer, Js};
use options::{SIGNAL, unreadable};
use progress::Reporter;
use readiness::Readiness;

/// Draws one picture with the user's own signed-in Codex CLI and resolves with the bytes of the PNG
/// file.
///
/// Rejects with a `CodexImageError`, or with `signal.reason` if the call was aborted. When the
/// promise settles, no process, no directory and no listener of the call is left.
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

/// Finds the picture of a thread that was drawn earlier: in Codex's store, or in the thread's own
/// record. For a daemon that died meanwhile, and for callers that gave up: a picture that was paid
/// for is not lost. Starts nothing and spends nothing.
///
/// Rejects with `NO_IMAGE` if there is none. May take as long as reading a large record takes, but
/// rejects with `TIMEOUT` once the disk of `CODEX_HOME`, or a user database that has to be asked
/// for the home, has left a single request unanswered for two seconds.
#[allow(clippy::missing_errors_doc, reason = "the documentation is JavaScript's, which sees a rejected promise")]
#[napi(catch_unwind, ts_args_type = "options: RecoverOptions", ts_return_type = "Promise<GeneratedImage>")]
pub fn recover_codex_image<'env>(env: &'env Env, options: Unknown<'env>) -> Result<PromiseRaw<'env, Resolved>> {
    promise(env, |js| {
        let (draft, thread) = options::parse_recovery(js, options)?;
        start(js, None, generate::recover(draft, thread), GeneratedImage::from)
    })
}

/// Whether this machine can draw, and what to do if not. Offline, quick, and at no cost: for a
/// settings page.
///
/// Where the disk of `CODEX_HOME`, or a user database that has to be asked for the home, has left a
/// single request unanswered for two seconds, the login is `'unknown'` and `LOGIN_UNKNOWN` a
/// blocking problem.
#[allow(clippy::missing_errors_doc, reason = "the documentation is JavaScript's, which sees a rejected promise")]
#[napi(catch_unwind, ts_args_type = "options?: CheckOptions | null | undefined", ts_return_type = "Promise<Readiness>")]
pub fn check_codex<'env>(env: &'env Env, options: Unknown<'env>) -> Result<PromiseRaw<'env, Resolved>> {
    promise(env, |js| {
        let draft = options::parse_check(js, options)?;
        start(js, None, check(draft, js.lifetime.ending()), Readiness::from)
    })
}

/// How many generations of this process may run Codex at the same time, 1 to 1000; 2 by default.
/// The others wait in the order in which they came. Those that run already go on.
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
        Err(cause) => Err(errors::to_throw(&Js::new(env)?, cause)?),
    }
}

/// One queue for all environments of the process: they share one machine and one login.
static QUEUE: LazyLock<Queue> = LazyLock::new(Queue::default);

/// Whether Codex's own sandbox is known not to work here: on Windows, under WSL, or where
/// `OD_CODEX_SANDBOX` says `danger-full-access`. `platform` and `env` are this process's own by
/// default.
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

/// One generation, from JavaScript's arguments to a promise of what `answer` makes of the picture.
fn run<'env, A: Answer + 'static>(
    js: &Js<'env>,
    options: Unknown<'env>,
    on_progress: Unknown<'env>,
    answer: fn(Generated) -> A,
) -> Begun<'env> {
    let (draft, signal) = options::parse(js, options)?;
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
        let mut outcome = runtime::contained(generate(draft, ticket, delivery.progress(), cancel)).await;
        let threw = delivery.close().await;
        if let (Ok(generated), true) = (&mut outcome, threw) {
            generated.warnings.push("The progress callback threw an error.".to_owned());
        }
        outcome
    };
    start(js, Some(abort), work, answer)
}
