//! An `AbortSignal` becomes a token.
//!
//! napi's own `AbortSignal` type takes over the user's `onabort`, ignores a signal that is already aborted, and is disarmed
//! by whoever sets `onabort` later. So the signal is used as any JavaScript program would use it.

use napi::bindgen_prelude::{FnArgs, Function, FunctionRef, JsObjectValue as _, Object, ObjectRef, Result, Unknown};
use napi::{Env, Error, JsValue as _};
use tokio_util::sync::CancellationToken;

use super::js::Js;
use super::lifetime::JsEnvironment;

type ListenerCall<'a> = Function<'a, FnArgs<(&'static str, Function<'a, (), ()>)>, Unknown<'a>>;

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
    pub fn listen<'env>(
        js: &Js<'env>,
        signal: Option<Object<'env>>,
        environment: &JsEnvironment,
    ) -> Result<Start<'env>> {
        let token = environment.ending().child_token();
        let Some(signal) = signal else { return Ok(Start::Live(Self { token, signal: None })) };
        if signal.get_named_property::<bool>("aborted")? {
            return Ok(Start::Aborted(js.get(signal.to_unknown(), "reason")?));
        }
        let cancel = token.clone();
        let listener = js.env.create_function_from_closure::<(), (), _>("abort", move |_| {
            cancel.cancel();
            Ok(())
        })?;
        let held = listener.create_ref()?;
        let add: ListenerCall<'_> = signal.get_named_property("addEventListener")?;
        add.apply(signal, ("abort", listener).into())?;
        Ok(Start::Live(Self { token, signal: Some((signal.create_ref()?, held)) }))
    }

    /// Cancelled when the signal is.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Stops listening; on the JavaScript thread, when the call settles. The result is the signal's reason, as a value to
    /// reject with unchanged, if it was aborted meanwhile.
    pub fn close(self, env: &Env) -> Result<Option<Error>> {
        let Some((signal, listener)) = self.signal else { return Ok(None) };
        let object = signal.get_value(env)?;
        let remove: ListenerCall<'_> = object.get_named_property("removeEventListener")?;
        remove.apply(object, ("abort", listener.borrow_back(env)?).into())?;
        let aborted = object.get_named_property::<bool>("aborted")?;
        let reason = if aborted {
            Some(Error::from_unknown_without_coercion(object.get_named_property("reason")?))
        } else {
            None
        };
        signal.unref(env)?;
        Ok(reason)
    }
}
