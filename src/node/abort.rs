//! Connects an `AbortSignal` to a cancellation token by an event listener.
//!
//! napi's own `AbortSignal` type replaces the user's `onabort`, ignores a signal that is already
//! aborted, and stops working when `onabort` is set later. Any use of a signal may throw: at the
//! start of a call that is an invalid option, at its end it is ignored.

use napi::bindgen_prelude::{FromNapiValue as _, FunctionRef, Object, ObjectRef, Result, Unknown};
use napi::{Env, JsValue as _};
use tokio_util::sync::CancellationToken;

use super::js::{self, Js};

/// The abort listener of one call.
pub struct Abort {
    token: CancellationToken,
    /// Not checked for leaks: references end with their environment.
    signal: Option<(ObjectRef<false>, FunctionRef<(), ()>)>,
}

/// State of a signal at the start of a call.
pub enum SignalState<'env> {
    /// Already aborted, for this reason.
    Aborted(Unknown<'env>),
    /// Not aborted; the listener is added.
    Listening(Abort),
}

impl Abort {
    /// Adds a listener to the signal, if there is one. Fails without leaving a listener if the
    /// signal throws.
    pub fn listen<'env>(js: &Js<'env>, signal: Option<Unknown<'env>>) -> Result<SignalState<'env>> {
        let token = js.lifetime.ending().child_token();
        let Some(signal) = signal else { return Ok(SignalState::Listening(Self { token, signal: None })) };
        if is_aborted(js, signal)? {
            return Ok(SignalState::Aborted(js.read(signal, "reason")?));
        }
        let cancel = token.clone();
        let listener = js.env.create_function_from_closure::<(), (), _>("abort", move |_| {
            cancel.cancel();
            Ok(())
        })?;
        let listening = js.listen(signal, listener);
        let abort = Self { token, signal: Some((Object::from_unknown(signal)?.create_ref()?, listener.create_ref()?)) };
        if let Err(error) = listening {
            // `addEventListener` may have thrown after it added the listener.
            abort.close(js);
            return Err(error);
        }
        Ok(SignalState::Listening(abort))
    }

    /// Cancelled when the signal is aborted or the JavaScript environment is ending.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Removes the listener, when the call settles. Returns the signal's reason if it is aborted.
    pub fn close<'env>(self, js: &Js<'env>) -> Option<Unknown<'env>> {
        let (signal, listener) = self.signal?;
        let reason = unlisten(js, &signal, &listener);
        // Fails only if the environment has ended, and with it the reference.
        let _ = signal.unref(js.env);
        reason.ok().flatten()
    }
}

fn unlisten<'env>(
    js: &Js<'env>,
    signal: &ObjectRef<false>,
    listener: &FunctionRef<(), ()>,
) -> Result<Option<Unknown<'env>>> {
    let env: &'env Env = js.env;
    let signal = signal.get_value(env)?.to_unknown();
    // If this throws, the listener stays, but has no effect any more.
    let _ = js.unlisten(signal, listener.borrow_back(env)?);
    is_aborted(js, signal)?.then(|| js.read(signal, "reason")).transpose()
}

fn is_aborted<'env>(js: &Js<'env>, signal: Unknown<'env>) -> Result<bool> {
    js::boolean(js.read(signal, "aborted")?).map(Option::unwrap_or_default)
}
