//! An `AbortSignal` becomes a token.
//!
//! napi's own `AbortSignal` type takes over the user's `onabort`, ignores a signal that is already
//! aborted, and is disarmed when `onabort` is set later. So the signal is used as a JavaScript
//! program would use it.
//!
//! A signal may throw at any use. At the start that is an invalid option; at the end it changes
//! nothing.

use napi::bindgen_prelude::{FromNapiValue as _, FunctionRef, Object, ObjectRef, Result, Unknown};
use napi::{Env, JsValue as _};
use tokio_util::sync::CancellationToken;

use super::js::{self, Js};

/// A live connection to a signal.
pub struct Abort {
    token: CancellationToken,
    /// Not checked for leaks: an environment that goes away takes its references along.
    signal: Option<(ObjectRef<false>, FunctionRef<(), ()>)>,
}

/// What a signal says at the beginning.
pub enum Start<'env> {
    /// It is aborted already, for this reason.
    Aborted(Unknown<'env>),
    /// It is listened to.
    Live(Abort),
}

impl Abort {
    /// Fails if the signal throws; it is then not listened to.
    pub fn listen<'env>(js: &Js<'env>, signal: Option<Unknown<'env>>) -> Result<Start<'env>> {
        let token = js.lifetime.ending().child_token();
        let Some(signal) = signal else { return Ok(Start::Live(Self { token, signal: None })) };
        if is_aborted(js, signal)? {
            return Ok(Start::Aborted(js.read(signal, "reason")?));
        }
        let cancel = token.clone();
        let listener = js.env.create_function_from_closure::<(), (), _>("abort", move |_| {
            cancel.cancel();
            Ok(())
        })?;
        let listening = js.listen(signal, listener);
        let abort = Self { token, signal: Some((Object::from_unknown(signal)?.create_ref()?, listener.create_ref()?)) };
        if let Err(error) = listening {
            // It may have thrown after it added the listener.
            abort.close(js);
            return Err(error);
        }
        Ok(Start::Live(abort))
    }

    /// Cancelled when the signal is.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Stops listening; on the JavaScript thread, when the call settles. The result is the signal's
    /// reason, if it was aborted meanwhile and still says so.
    pub fn close<'env>(self, js: &Js<'env>) -> Option<Unknown<'env>> {
        let (signal, listener) = self.signal?;
        let reason = farewell(js, &signal, &listener);
        // Fails only where the environment has gone, and the reference with it.
        let _ = signal.unref(js.env);
        reason.ok().flatten()
    }
}

fn farewell<'env>(
    js: &Js<'env>,
    signal: &ObjectRef<false>,
    listener: &FunctionRef<(), ()>,
) -> Result<Option<Unknown<'env>>> {
    let env: &'env Env = js.env;
    let signal = signal.get_value(env)?.to_unknown();
    // Should it throw, the listener stays with the signal, where it changes nothing any more.
    let _ = js.unlisten(signal, listener.borrow_back(env)?);
    is_aborted(js, signal)?.then(|| js.read(signal, "reason")).transpose()
}

fn is_aborted<'env>(js: &Js<'env>, signal: Unknown<'env>) -> Result<bool> {
    js::boolean(js.read(signal, "aborted")?).map(Option::unwrap_or_default)
}
