//! Passes facts about the terminal to this package's command line. They are not in `index.d.ts`:
//! `loader/addon.js` has their types.

use napi::Env;
use napi::bindgen_prelude::{PromiseRaw, Result, ToNapiValue, Unknown};
use napi_derive::napi;
use tokio::task::spawn_blocking;

use super::call::{Resolved, promise, start};
use super::js::IntoJs;
use crate::error::Cause;
use crate::terminal::{Cell, attributes, cell};

/// Returns width and height of a character cell in pixels. None if they are not known.
#[must_use]
#[napi(catch_unwind, skip_typescript)]
pub fn terminal_cell() -> Option<Vec<f64>> {
    cell().map(|Cell { width, height }| vec![width, height])
}

/// Resolves with the numbers of the features that the terminal says it has.
#[allow(clippy::missing_errors_doc, reason = "the promise rejects only if the system has no thread left")]
#[napi(catch_unwind, skip_typescript)]
pub fn terminal_attributes(env: &Env) -> Result<PromiseRaw<'_, Resolved>> {
    let work = async { spawn_blocking(attributes).await.map_err(|_| Cause::Internal.into()) };
    promise(env, |js| start(js, None, work, Attributes))
}

struct Attributes(Vec<u16>);

impl IntoJs for Attributes {
    fn into_js(self, env: &Env) -> Result<Unknown<'_>> {
        self.0.into_unknown(env)
    }
}
