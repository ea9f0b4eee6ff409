//! Stops the calls of a JavaScript environment when it ends.
//!
//! No Rust destructor or task runs on `process.exit`, on an uncaught exception or when a worker is
//! terminated. Two hooks do: Node's `exit` event, and the environment's clean-up. Each cancels the
//! calls and blocks until they have ended or the time limit is over. Meanwhile the runtime's
//! threads keep running.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use napi::Env;
use napi::bindgen_prelude::{FnArgs, Function, JsObjectValue as _, Object, ObjectRef, Result, Unknown};
use napi_derive::napi;
use tokio_util::sync::CancellationToken;

use super::runtime;

/// Node-API's instance data: one for each environment.
pub(super) struct InstanceData {
    pub(super) environment: JsEnvironment,
    /// The object that `realm.js` returns. Not checked for leaks: references end with their
    /// environment.
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

/// Counts a call as running until it is dropped.
pub struct RunningCall(Arc<Running>);

/// Time limit for stopping all calls when an environment ends.
const STOP_LIMIT: Duration = Duration::from_secs(2);

impl JsEnvironment {
    /// Cancelled when the environment ends.
    #[must_use]
    pub fn ending(&self) -> CancellationToken {
        self.ending.clone()
    }

    /// Counts a call as running until the result is dropped.
    #[must_use]
    pub fn enter(&self) -> RunningCall {
        *self.running.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        RunningCall(Arc::clone(&self.running))
    }

    /// Cancels every call. Blocks until they have ended, at most for [`STOP_LIMIT`].
    fn end(&self) {
        self.ending.cancel();
        let count = self.running.count.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.running.changed.wait_timeout_while(count, STOP_LIMIT, |count| *count > 0);
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        *self.0.count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.changed.notify_all();
    }
}

/// Runs once for every environment that loads the addon.
///
/// # Errors
/// Those of N-API; the addon is then not loaded.
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
    env.set_instance_data(InstanceData { environment: environment.clone(), realm: realm.create_ref()? }, (), |_| {})?;
    runtime::retain();
    env.add_env_cleanup_hook(environment, |environment| {
        environment.end();
        runtime::release();
    })?;
    Ok(())
}
