//! The end of a JavaScript environment ends its calls.
//!
//! Nothing in Rust runs by itself on `process.exit`, on an uncaught exception or when a worker is
//! terminated: no destructor, no task. Two hooks cover these: Node's `exit` event, and the
//! environment's own clean-up. Both do the same: tell the calls to end, and wait, for a bounded
//! time, until they have. The threads of the runtime go on meanwhile, so there is one way of
//! stopping a run, and this is it too.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use napi::Env;
use napi::bindgen_prelude::{FnArgs, Function, JsObjectValue as _, Object, ObjectRef, Result, Unknown};
use napi_derive::napi;
use tokio_util::sync::CancellationToken;

use super::runtime;

/// What belongs to an environment for as long as it lives: Node-API's instance data.
pub(super) struct Loaded {
    pub(super) environment: JsEnvironment,
    /// The record that `realm.js` returns. Not checked for leaks: an environment that goes away
    /// takes its references along.
    pub(super) realm: ObjectRef<false>,
}

/// The main thread's environment, or a worker's.
#[derive(Clone, Default)]
pub struct JsEnvironment {
    ending: CancellationToken,
    running: Arc<Running>,
}

#[derive(Default)]
struct Running {
    count: Mutex<usize>,
    changed: Condvar,
}

/// A call that has not ended yet.
pub struct Call(Arc<Running>);

/// How long the end of an environment may be held up.
const PATIENCE: Duration = Duration::from_secs(2);

impl JsEnvironment {
    /// Cancelled when the environment ends.
    #[must_use]
    pub fn ending(&self) -> CancellationToken {
        self.ending.clone()
    }

    /// Counts a call for as long as the result lives.
    #[must_use]
    pub fn enter(&self) -> Call {
        *self.running.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Call(Arc::clone(&self.running))
    }

    /// Ends every call. Blocks until they have ended, but not for longer than [`PATIENCE`].
    fn end(&self) {
        self.ending.cancel();
        let count = self.running.count.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.running.changed.wait_timeout_while(count, PATIENCE, |count| *count > 0);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        *self.0.count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.changed.notify_all();
    }
}

/// Runs once for every environment that loads the addon.
///
/// # Errors
/// Whatever N-API says; the addon is then not loaded.
#[napi(module_exports)]
pub fn init(_exports: Object, env: Env) -> Result<()> {
    let environment = JsEnvironment::default();
    let realm: Object = env.run_script(include_str!("realm.js"))?;
    let at_exit = environment.clone();
    let hook = env.create_function_from_closure::<(), (), _>("endCodexImageCalls", move |_| {
        at_exit.end();
        Ok(())
    })?;
    let on_exit: Function<'_, FnArgs<(Function<'_, (), ()>,)>, Unknown<'_>> = realm.get_named_property("onExit")?;
    on_exit.call((hook,).into())?;
    env.set_instance_data(Loaded { environment: environment.clone(), realm: realm.create_ref()? }, (), |_| {})?;
    runtime::retain();
    env.add_env_cleanup_hook(environment, |environment| {
        environment.end();
        runtime::release();
    })?;
    Ok(())
}
