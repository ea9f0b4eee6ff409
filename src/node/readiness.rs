//! Converts the result of a readiness check to JavaScript.

use napi::bindgen_prelude::Unknown;
use napi::{Env, JsValue as _};
use napi_derive::napi;

use super::js::{IntoJs, define, object_from};
use crate::codex::quota;
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
    /// What is left of the account's limits; present only with the option `quota`. A limit that is
    /// used up is not a problem: whether Codex still draws, only a call can show.
    pub quota: Option<Quota>,
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

/// What is left of an account's limits, as Codex's app-server reports it
/// (`account/rateLimits/read`).
#[napi(object, object_from_js = false)]
pub struct Quota {
    /// The limits, those of Codex's own turns first. Empty if nothing is known, or if there are
    /// none.
    pub limits: Vec<QuotaLimit>,
    /// The account's plan, in OpenAI's words, such as `plus`.
    pub plan: Option<String>,
    /// The account's credits, which OpenAI uses beyond the limits.
    pub credits: Option<QuotaCredits>,
    /// The reason for which OpenAI refuses turns now, in its own words, such as
    /// `rate_limit_reached`; absent if it names none.
    pub reached: Option<String>,
    /// The reason why nothing is known; absent if Codex has answered.
    pub unknown: Option<QuotaUnknown>,
}

/// One limit of an account: what may be used within one period.
#[napi(object, object_from_js = false)]
pub struct QuotaLimit {
    /// OpenAI's id of what is limited. `codex` stands for Codex's own turns.
    pub id: String,
    /// OpenAI's name for it, for end users.
    pub name: Option<String>,
    /// Which of its two periods this is. `primary` is the shorter one.
    #[napi(ts_type = "'primary' | 'secondary'")]
    pub window: &'static str,
    /// The used part, in per cent. 100 or more if nothing is left.
    pub used_percent: f64,
    /// The length of the period, in minutes, such as 300 or 10080.
    pub window_minutes: Option<f64>,
    /// The time at which the period ends and the limit is whole again.
    #[napi(ts_type = "Date")]
    pub resets_at: Option<f64>,
}

/// Credits of an account.
#[napi(object, object_from_js = false)]
pub struct QuotaCredits {
    /// Whether the account has credits.
    pub available: bool,
    /// Whether they are unlimited.
    pub unlimited: bool,
    /// The balance, in OpenAI's words.
    pub balance: Option<String>,
}

/// Reason why the quota is unknown.
#[napi(object, object_from_js = false)]
pub struct QuotaUnknown {
    /// The code. `UNSUPPORTED`: this version of Codex does not tell. `TIMEOUT`: no answer in time.
    /// `BACKEND_ERROR`: Codex could not get it from OpenAI. `CODEX_FAILED`: Codex ended without an
    /// answer. The others are those of a failed call.
    #[napi(
        ts_type = "'UNSUPPORTED' | 'TIMEOUT' | 'BACKEND_ERROR' | 'CODEX_FAILED' | 'CODEX_NOT_FOUND' | 'SPAWN_FAILED' | 'NOT_SIGNED_IN' | 'API_KEY_LOGIN' | 'WORKSPACE_FAILED'"
    )]
    pub code: &'static str,
    /// The reason, in one line for end users.
    pub message: String,
    /// The fix, in one line for end users.
    pub fix: String,
}

impl From<Result<quota::Quota, quota::QuotaUnknown>> for Quota {
    fn from(answer: Result<quota::Quota, quota::QuotaUnknown>) -> Self {
        match answer {
            Ok(quota::Quota { limits, plan, credits, reached }) => Self {
                limits: limits.into_iter().map(QuotaLimit::from).collect(),
                plan,
                credits: credits.map(|quota::Credits { available, unlimited, balance }| QuotaCredits {
                    available,
                    unlimited,
                    balance,
                }),
                reached,
                unknown: None,
            },
            Err(unknown) => {
                let Message { problem, fix } = unknown.message();
                let (message, fix) = (problem.into_owned(), fix.into_owned());
                let unknown = Some(QuotaUnknown { code: unknown.code(), message, fix });
                Self { limits: Vec::new(), plan: None, credits: None, reached: None, unknown }
            }
        }
    }
}

impl From<quota::Limit> for QuotaLimit {
    fn from(limit: quota::Limit) -> Self {
        let quota::Limit { id, name, window, used_percent, window_minutes, resets_at } = limit;
        let window = match window {
            quota::Window::Primary => "primary",
            quota::Window::Secondary => "secondary",
        };
        Self { id, name, window, used_percent, window_minutes, resets_at }
    }
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
            quota: found.quota.map(Quota::from),
        }
    }
}

impl IntoJs for Readiness {
    fn into_js(mut self, env: &Env) -> napi::Result<Unknown<'_>> {
        let (codex_path, version, quota) = (self.codex_path.take(), self.version.take(), self.quota.take());
        let mut readiness = object_from(env, self)?;
        define(env, &mut readiness, "codexPath", codex_path)?;
        define(env, &mut readiness, "version", version)?;
        define(env, &mut readiness, "quota", quota.map(|quota| quota.into_js(env)).transpose()?)?;
        Ok(readiness.to_unknown())
    }
}

impl IntoJs for Quota {
    fn into_js(mut self, env: &Env) -> napi::Result<Unknown<'_>> {
        let limits = std::mem::take(&mut self.limits);
        let (plan, reached) = (self.plan.take(), self.reached.take());
        let (credits, unknown) = (self.credits.take(), self.unknown.take());
        let mut quota = object_from(env, self)?;
        let limits: Vec<_> = limits.into_iter().map(|limit| limit.into_js(env)).collect::<napi::Result<_>>()?;
        define(env, &mut quota, "limits", Some(limits))?;
        define(env, &mut quota, "plan", plan)?;
        define(env, &mut quota, "credits", credits.map(|credits| credits.into_js(env)).transpose()?)?;
        define(env, &mut quota, "reached", reached)?;
        define(env, &mut quota, "unknown", unknown)?;
        Ok(quota.to_unknown())
    }
}

impl IntoJs for QuotaLimit {
    fn into_js(mut self, env: &Env) -> napi::Result<Unknown<'_>> {
        let (name, window_minutes) = (self.name.take(), self.window_minutes.take());
        let resets_at = self.resets_at.take().map(|seconds| env.create_date(seconds * 1e3)).transpose()?;
        let mut limit = object_from(env, self)?;
        define(env, &mut limit, "name", name)?;
        define(env, &mut limit, "windowMinutes", window_minutes)?;
        define(env, &mut limit, "resetsAt", resets_at)?;
        Ok(limit.to_unknown())
    }
}

impl IntoJs for QuotaCredits {
    fn into_js(mut self, env: &Env) -> napi::Result<Unknown<'_>> {
        let balance = self.balance.take();
        let mut credits = object_from(env, self)?;
        define(env, &mut credits, "balance", balance)?;
        Ok(credits.to_unknown())
    }
}
