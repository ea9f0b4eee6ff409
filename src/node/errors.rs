//! A failure becomes a JavaScript error.

use std::time::{SystemTime, UNIX_EPOCH};

use napi::bindgen_prelude::{JsObjectValue as _, Object, ObjectRef, Result, Unknown};
use napi::{Env, Error, JsTypeError, JsValue as _, Property, PropertyAttributes, Status};

use crate::error::{Cause, Failure};
use crate::process::{Exit, signal_name};

const NAME: &str = "CodexImageError";

/// An error of the caller's own making, as a `TypeError`.
pub fn type_error<'env>(env: &'env Env, cause: &Cause) -> Result<Unknown<'env>> {
    let mut error = bare_type_error(env);
    let stack: String = error.get_named_property("stack")?;
    describe(env, &mut error, cause, &stack)?;
    Ok(error.to_unknown())
}

fn bare_type_error(env: &Env) -> Object<'_> {
    let error: JsTypeError = Error::new(Status::InvalidArg, String::new()).into();
    Object::from_raw(env.raw(), error.into_unknown(*env).raw())
}

/// The caller's stack, taken when the call was made. Not checked for leaks: an environment that goes away takes its
/// references along.
pub struct Trace(ObjectRef<false>);

impl Trace {
    pub fn capture(env: &Env) -> Result<Self> {
        Ok(Self(env.create_error(Error::from_reason(""))?.create_ref()?))
    }

    /// For calls that do not fail.
    pub fn release(self, env: &Env) -> Result<()> {
        self.0.unref(env)
    }

    /// The failure as an error with the caller's stack.
    pub fn into_error<'env>(self, env: &'env Env, failure: &Failure) -> Result<Unknown<'env>> {
        let traced = self.0.get_value(env)?;
        self.0.unref(env)?;
        let stack: String = traced.get_named_property("stack")?;
        // Some options can only be judged off the JavaScript thread, such as the files they name.
        let mut error =
            if matches!(failure.cause, Cause::InvalidOption { .. }) { bare_type_error(env) } else { traced };
        describe(env, &mut error, &failure.cause, &stack)?;
        let evidence = &failure.evidence;
        match evidence.exit {
            Some(Exit::Code(code)) => error.set("exitCode", code)?,
            Some(Exit::Signal(signal)) => error.set("signal", signal_name(signal))?,
            None => {}
        }
        if let Some(thread_id) = &evidence.thread_id {
            error.set("threadId", thread_id.as_str())?;
        }
        if let Some(at) = evidence.resets_at {
            error.set("resetsAt", env.create_date(milliseconds_since_1970(at))?)?;
        }
        if !evidence.detail.is_empty() {
            error.set("detail", evidence.detail.as_str())?;
        }
        Ok(error.to_unknown())
    }
}

/// Gives `error` what every error of this package has. Name, message and stack are not enumerable, as in any error.
fn describe(env: &Env, error: &mut Object<'_>, cause: &Cause, stack: &str) -> Result<()> {
    let message = cause.to_string();
    let frames = stack.find("\n    at ").map_or("", |at| &stack[at..]);
    let hidden = |name: &str, value: &str| -> Result<Property> {
        let attributes = PropertyAttributes::Writable | PropertyAttributes::Configurable;
        Ok(Property::new()
            .with_utf8_name(name)?
            .with_value(&env.create_string(value)?)
            .with_property_attributes(attributes))
    };
    error.define_properties(&[
        hidden("name", NAME)?,
        hidden("message", &message)?,
        hidden("stack", &format!("{NAME}: {message}{frames}"))?,
    ])?;
    error.set("code", cause.code())?;
    error.set("status", u32::from(cause.status()))?;
    error.set("retryable", cause.retryable())
}

fn milliseconds_since_1970(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1e3).floor()
}
