//! Converts the result of a readiness check to JavaScript.

use napi::bindgen_prelude::{Result, Unknown};
use napi::{Env, JsValue as _};
use napi_derive::napi;

use super::js::{IntoJs, define, object_from};
use crate::error::Message;
use crate::readiness;

/// The result of a check whether this machine can draw.
#[napi(object, object_from_js = false)]
pub struct Readiness {
    /// Whether nothing is known to keep this machine from drawing.
    pub ready: bool,
    /// The CLI that a generation would run.
    pub codex_path: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Codex's login. `'api-key'` stands for every programmatic login.
    #[napi(ts_type = "'chatgpt' | 'api-key' | 'none' | 'unknown'")]
    pub login: &'static str,
    /// Whether the image tool is likely to be available.
    #[napi(ts_type = "'likely' | 'unlikely'")]
    pub image_tool: &'static str,
    /// Problems that keep this machine from drawing, and hints.
    pub problems: Vec<ReadinessProblem>,
}

/// A problem that keeps this machine from drawing, or a hint.
#[napi(object, object_from_js = false)]
pub struct ReadinessProblem {
    /// The code with which a generation would fail, or that of a hint.
    #[napi(
        ts_type = "'CODEX_NOT_FOUND' | 'NOT_SIGNED_IN' | 'API_KEY_LOGIN' | 'IMAGE_GEN_UNAVAILABLE' | 'WORKSPACE_FAILED' | 'LOGIN_UNKNOWN' | 'CUSTOM_PROVIDER'"
    )]
    pub code: &'static str,
    /// The problem, in one line for end users.
    pub message: String,
    /// The fix, in one line for end users.
    pub fix: String,
    /// Whether the problem keeps this machine from drawing; otherwise it is a hint.
    pub blocking: bool,
}

impl From<readiness::Readiness> for Readiness {
    fn from(found: readiness::Readiness) -> Self {
        let ready = found.ready();
        let problems = found.problems.into_iter().map(|problem| {
            let Message { problem: message, fix } = problem.message;
            ReadinessProblem {
                code: problem.code,
                message: message.into_owned(),
                fix: fix.into_owned(),
                blocking: problem.blocking,
            }
        });
        Self {
            ready,
            codex_path: found.codex_path.map(|path| path.to_string_lossy().into_owned()),
            version: found.version,
            login: found.login.as_str(),
            image_tool: if found.image_tool { "likely" } else { "unlikely" },
            problems: problems.collect(),
        }
    }
}

impl IntoJs for Readiness {
    fn into_js(mut self, env: &Env) -> Result<Unknown<'_>> {
        let (codex_path, version) = (self.codex_path.take(), self.version.take());
        let mut readiness = object_from(env, self)?;
        define(env, &mut readiness, "codexPath", codex_path)?;
        define(env, &mut readiness, "version", version)?;
        Ok(readiness.to_unknown())
    }
}
