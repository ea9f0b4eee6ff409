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

use napi::bindgen_prelude::{Buffer, PromiseRaw, Result, ToNapiValue, Unknown};
use napi::{Env, Error};
use napi_derive::napi;
use tokio_util::task::AbortOnDropHandle;

use crate::codex::command::needs_danger_full_access;
use crate::error::{Cause, Evidence, Failure};
use crate::generate::{Cancel, Generated, generate};
use abort::{Abort, Start};
use image::GeneratedImage;
use js::Js;
use lifetime::JsEnvironment;
use progress::Reporter;

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
    run(env, options, on_progress, |generated| Buffer::from(generated.png))
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
        // A task of its own, so that a panic becomes an error, and everything it held is still let go of.
        let task = tokio::spawn(generate(request, reporter.progress(), cancel.clone()));
        let mut outcome = AbortOnDropHandle::new(task).await.unwrap_or_else(|_| Err(Cause::Internal.into()));
        let threw = reporter.close(&cancel.shutdown).await;
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
