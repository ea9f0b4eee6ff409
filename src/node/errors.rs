//! Converts a failure to a JavaScript error, and recognises such errors.

use std::time::{SystemTime, UNIX_EPOCH};

use napi::bindgen_prelude::{JsObjectValue as _, ObjectRef, Result, Unknown};
use napi::{Env, Error, JsValue as _, PropertyAttributes};

use super::js::{self, Js, define, property};
use crate::error::{CODES, Cause, Failure};
use crate::process::{Exit, signal_name};

const NAME: &str = "CodexImageError";

/// The caller's stack, captured when the call was made. Not checked for leaks: references end with
/// their environment.
pub struct Trace(ObjectRef<false>);

impl Trace {
    pub fn capture(js: &Js<'_>) -> Result<Self> {
        Ok(Self(js.trace()?.create_ref()?))
    }

    /// Releases the stack of a call that does not fail.
    pub fn release(self, env: &Env) {
        // Fails only if the environment has ended, and with it the reference.
        let _ = self.0.unref(env);
    }

    /// Returns the error of `failure`, with the caller's stack.
    pub fn into_error<'env>(self, js: &Js<'env>, failure: &Failure) -> Result<Unknown<'env>> {
        let env = js.env;
        let stack = self.frames(js);
        self.release(env);
        let Failure { cause, evidence } = failure;
        let message = cause.to_string();
        // Creates a new error: `Error.prepareStackTrace` may have frozen the captured one.
        let mut error = js.error(matches!(cause, Cause::InvalidOption { .. }))?;
        // Not enumerable, as in built-in errors.
        let hidden = PropertyAttributes::Writable | PropertyAttributes::Configurable;
        let shown = PropertyAttributes::default();
        error.define_properties(&[
            property(env, "name", NAME, hidden)?,
            property(env, "message", message.as_str(), hidden)?,
            property(env, "stack", format!("{NAME}: {message}{stack}"), hidden)?,
            property(env, "code", cause.code(), shown)?,
            property(env, "status", u32::from(cause.status()), shown)?,
            property(env, "retryable", cause.retryable(), shown)?,
        ])?;
        define(env, &mut error, "option", cause.option())?;
        let (code, signal) = match evidence.exit {
            Some(Exit::Code(code)) => (Some(code), None),
            Some(Exit::Signal(signal)) => (None, Some(signal_name(signal))),
            None => (None, None),
        };
        let resets_at = evidence.resets_at.map(|at| env.create_date(milliseconds_since_1970(at))).transpose()?;
        define(env, &mut error, "exitCode", code)?;
        define(env, &mut error, "signal", signal)?;
        define(env, &mut error, "threadId", evidence.thread_id.as_deref())?;
        define(env, &mut error, "resetsAt", resets_at)?;
        define(env, &mut error, "detail", Some(evidence.detail.as_str()).filter(|detail| !detail.is_empty()))?;
        Ok(error.to_unknown())
    }

    /// The stack's lines below the first. Empty if `Error.prepareStackTrace` or
    /// `Error.stackTraceLimit` leaves none.
    fn frames(&self, js: &Js<'_>) -> String {
        let stack = self.0.get_value(js.env).and_then(|error| js.read(error.to_unknown(), "stack")).and_then(js::text);
        let stack = stack.ok().flatten().unwrap_or_default();
        stack.find("\n    at ").map_or("", |at| &stack[at..]).to_owned()
    }
}

/// Returns the error to throw from a function that returns no promise.
pub fn to_throw(js: &Js<'_>, cause: Cause) -> Result<Error> {
    let error = Trace::capture(js)?.into_error(js, &cause.into())?;
    Ok(Error::from_unknown_without_coercion(error))
}

/// The code of the error that `loader/load-error.js` creates.
const LOAD_ERROR_CODE: &str = "CODEX_IMAGE_ADDON_UNAVAILABLE";

/// Returns whether a value is an error that [`Trace::into_error`] or the loader created, or the
/// data of one. Reads only strings: prototypes differ between realms, and `toJSON` returns a plain
/// object.
pub fn is_error<'env>(js: &Js<'env>, value: Unknown<'env>) -> bool {
    let member = |name| js.read(value, name).and_then(js::text).ok().flatten();
    let is_ours = |code: String| code == LOAD_ERROR_CODE || CODES.contains(&code.as_str());
    member("name").as_deref() == Some(NAME) && member("code").is_some_and(is_ours)
}

fn milliseconds_since_1970(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1e3).floor()
}
