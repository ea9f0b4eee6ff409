//! Asks the CLI's own app-server what is left of the account's limits.
//!
//! `codex app-server` speaks JSON-RPC, one message a line, on stdin and stdout. All versions have
//! the method `account/rateLimits/read`, for which Codex asks the backend (`GET …/wham/usage`). No
//! version starts MCP servers or `notify` for it, since there is no thread.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::ask::{failed, start};
use super::command;
use super::config::Config;
use super::line_sink::LineSink;
use super::locate::Cli;
use super::version::Version;
use crate::error::{Cause, Message};
use crate::process::{Exit, RunTag, StopMode, read};
use crate::request::Request;
use crate::text::name;

/// Time limit for the answer. It takes 0.15 to 0.9 s beside a backend that answers at once (all
/// versions). Codex itself may wait for an unreachable backend for minutes.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Longest wait for the exit after the end of stdin. It takes 15 to 40 ms (all versions). Codex may
/// be writing renewed tokens to `auth.json` meanwhile.
const EXIT_GRACE: Duration = Duration::from_millis(500);
/// Longest line that is read, in bytes. An answer with two limits has 1.2 KB.
const LINE_BYTES: usize = 256 << 10;
/// Largest number of limits that are returned.
const MAX_LIMITS: usize = 32;
/// Exit code of a CLI that does not know a subcommand or an option (clap).
const UNKNOWN_ARGUMENT: i32 = 2;
/// JSON-RPC's code of an unknown method.
const METHOD_NOT_FOUND: i64 = -32601;
/// Latest time of a JavaScript `Date`, in seconds since 1970.
const LATEST_DATE: f64 = 8.64e12;
/// The id of the limit of Codex's turns, if the answer names none.
const TURNS: &str = "codex";
/// Id of the request whose response is awaited.
const QUESTION: i64 = 1;

/// What is left of an account's limits.
#[derive(Debug, Default, PartialEq)]
pub struct Quota {
    /// The limits, those of Codex's turns first.
    pub limits: Vec<Limit>,
    /// The plan, in the backend's words, such as `plus`.
    pub plan: Option<String>,
    /// The credits that can be used beyond the limits.
    pub credits: Option<Credits>,
    /// The reason why a limit is reached, in the backend's words, such as `rate_limit_reached`.
    pub reached: Option<String>,
}

/// One limit: the use of one resource within one period.
#[derive(Debug, PartialEq)]
pub struct Limit {
    /// The backend's id of the resource, such as `codex`.
    pub id: String,
    /// The backend's name for the resource.
    pub name: Option<String>,
    /// Which of the resource's two periods this is.
    pub window: Window,
    /// The used part, in per cent.
    pub used_percent: f64,
    /// The length of the period, in minutes.
    pub window_minutes: Option<f64>,
    /// The end of the period, in seconds since 1970.
    pub resets_at: Option<f64>,
}

/// One of the two periods of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The shorter period.
    Primary,
    /// The longer period.
    Secondary,
}

/// Credits of an account.
#[derive(Debug, PartialEq, Eq)]
pub struct Credits {
    /// Whether there are any.
    pub available: bool,
    /// Whether they are unlimited.
    pub unlimited: bool,
    /// The balance, in the backend's words.
    pub balance: Option<String>,
}

/// Reason why the quota is unknown.
#[derive(Debug, PartialEq, Eq)]
pub enum QuotaUnknown {
    /// Codex cannot be asked: it would not draw either, or it cannot be started.
    Obstacle(Cause),
    /// This version of Codex does not know the question.
    Unsupported,
    /// Codex did not answer in time.
    NoAnswer,
    /// Codex could not get the numbers from the backend.
    Backend,
    /// Codex ended without an answer.
    Exited,
}

impl QuotaUnknown {
    /// The code: that of a failed call where one exists.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Obstacle(cause) => cause.code(),
            Self::Unsupported => "UNSUPPORTED",
            Self::NoAnswer => "TIMEOUT",
            Self::Backend => "BACKEND_ERROR",
            Self::Exited => "CODEX_FAILED",
        }
    }

    /// The reason and its fix.
    #[must_use]
    pub fn message(&self) -> Message {
        let (problem, fix) = match self {
            Self::Obstacle(cause) => return cause.message(),
            Self::Unsupported => ("This version of Codex does not tell what is left of your limits.", "Update Codex."),
            Self::NoAnswer => (
                "Codex did not tell in time what is left of your limits.",
                "Check the connection to the internet and try again.",
            ),
            Self::Backend => ("Codex could not get from OpenAI what is left of your limits.", "Try again later."),
            Self::Exited => (
                "Codex ended without telling what is left of your limits.",
                "Run `codex` in a terminal to see what is wrong.",
            ),
        };
        Message { problem: problem.into(), fix: fix.into() }
    }
}

/// Asks an app-server of the CLI for the quota and stops it. It has no process left afterwards.
///
/// Codex renews an expired login as at every start, and then writes it to `auth.json` (0.132.0 and
/// 0.171.0). It also creates its own databases in its home.
///
/// # Errors
/// The reason why the quota is unknown.
pub async fn quota(
    cli: &Cli,
    request: &Request,
    config: &Config,
    version: Option<Version>,
    tag: RunTag,
    given_up: &CancellationToken,
) -> Result<Quota, QuotaUnknown> {
    let settings = command::app_server_settings(request, config, version, &request.env.temp_dir());
    let settings = settings.into_iter().flat_map(|(key, value)| ["-c".to_owned(), format!("{key}={value}")]);
    let args = std::iter::once("app-server".to_owned()).chain(settings).map(OsString::from).collect();
    let obstacle = QuotaUnknown::Obstacle;
    let (mut child, pipes) = start(cli, request, args, tag).await.map_err(obstacle)?;
    let (sender, mut receiver) = oneshot::channel();
    let mut sender = Some(sender);
    let on_line = move |line: &[u8]| {
        if let Some(answer) = parse(line)
            && let Some(sender) = sender.take()
        {
            // The receiver is gone if the call is given up.
            let _ = sender.send(answer);
        }
    };
    let readers = [
        read(pipes.stdout, LineSink::new(LINE_BYTES, on_line)).map_err(|error| obstacle(failed(&error)))?,
        // Unread, a full pipe would block Codex. Its log is not used.
        read(pipes.stderr, LineSink::new(0, |_| {})).map_err(|error| obstacle(failed(&error)))?,
    ];

    let mut stdin = pipes.stdin;
    let asking = async {
        // If the child does not read, its exit or the timeout explains why there is no answer.
        let _ = stdin.write_all(conversation().as_bytes()).await;
        match (&mut receiver).await {
            Ok(answer) => answer,
            // stdout has ended. The exit or the timeout explains why.
            Err(_) => std::future::pending().await,
        }
    };
    let answer = tokio::select! {
        biased;
        answer = asking => answer,
        exit = child.exited() => Err(match exit {
            Exit::Code(UNKNOWN_ARGUMENT) => QuotaUnknown::Unsupported,
            Exit::Code(_) | Exit::Signal(_) => QuotaUnknown::Exited,
        }),
        () = tokio::time::sleep(TIMEOUT) => Err(QuotaUnknown::NoAnswer),
        () = given_up.cancelled() => Err(QuotaUnknown::NoAnswer),
    };
    // The end of stdin ends the app-server (all versions).
    drop(stdin);
    tokio::select! {
        _ = child.exited() => {}
        () = tokio::time::sleep(EXIT_GRACE) => {}
        () = given_up.cancelled() => {}
    }
    // Fails only if the runtime is shutting down. The tree was then stopped by its drop.
    let _ = spawn_blocking(move || child.stop(StopMode::Kill)).await;
    for reader in readers {
        reader.finish().await;
    }
    // The answer of a child that exits at once may be read after its exit.
    answer.or_else(|unknown| receiver.try_recv().unwrap_or(Err(unknown)))
}

/// Returns the messages to the app-server: the handshake and the question. It answers them in order
/// (all versions), so they need not wait for each other.
fn conversation() -> String {
    let client = json!({ "name": "codex-image", "title": null, "version": env!("CARGO_PKG_VERSION") });
    let messages = [
        json!({ "id": "initialize", "method": "initialize", "params": { "clientInfo": client, "capabilities": null } }),
        json!({ "method": "initialized" }),
        json!({ "id": QUESTION, "method": "account/rateLimits/read" }),
    ];
    messages.map(|message| format!("{message}\n")).concat()
}

#[derive(Deserialize)]
struct Response {
    id: Value,
    /// Present in requests of the app-server, which have ids of their own.
    method: Option<IgnoredAny>,
    result: Option<Value>,
    error: Option<RpcError>,
}

#[derive(Deserialize)]
struct RpcError {
    code: i64,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RateLimits {
    /// The limits of Codex's turns.
    rate_limits: Snapshot,
    /// All limits by their ids, with that of `rate_limits`.
    #[serde(default)]
    rate_limits_by_limit_id: Option<BTreeMap<String, Snapshot>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Snapshot {
    limit_id: Option<String>,
    limit_name: Option<String>,
    primary: Option<Period>,
    secondary: Option<Period>,
    credits: Option<CreditsSnapshot>,
    plan_type: Option<String>,
    rate_limit_reached_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Period {
    used_percent: f64,
    window_duration_mins: Option<f64>,
    resets_at: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreditsSnapshot {
    has_credits: bool,
    unlimited: bool,
    balance: Option<String>,
}

/// Parses a line of stdout. Returns None unless it is the answer to the question.
///
/// No text of an error is kept: it quotes the backend's answer, which names the account.
#[must_use]
pub fn parse(line: &[u8]) -> Option<Result<Quota, QuotaUnknown>> {
    let response: Response = serde_json::from_slice(line).ok()?;
    if response.id != QUESTION || response.method.is_some() {
        return None;
    }
    if let Some(RpcError { code, message }) = response.error {
        // "Invalid request: unknown variant `…`, expected one of …" with -32600 (all versions).
        let is_unknown = code == METHOD_NOT_FOUND || message.contains("unknown variant");
        return Some(Err(if is_unknown { QuotaUnknown::Unsupported } else { QuotaUnknown::Backend }));
    }
    let found = response.result.and_then(|result| serde_json::from_value::<RateLimits>(result).ok());
    Some(found.map(Quota::from).ok_or(QuotaUnknown::Unsupported))
}

impl From<RateLimits> for Quota {
    fn from(RateLimits { rate_limits: of_turns, rate_limits_by_limit_id }: RateLimits) -> Self {
        let others = rate_limits_by_limit_id.unwrap_or_default().into_iter();
        let of_turns_id = of_turns.limit_id.clone();
        let others = others.filter(|(id, _)| Some(id) != of_turns_id.as_ref()).map(|(_, snapshot)| snapshot);
        let mut quota = Self {
            plan: of_turns.plan_type.as_deref().map(name),
            reached: of_turns.rate_limit_reached_type.as_deref().map(name),
            ..Self::default()
        };
        for snapshot in std::iter::once(of_turns).chain(others) {
            let id = snapshot.limit_id.as_deref().map_or_else(|| TURNS.to_owned(), name);
            let label = snapshot.limit_name.as_deref().map(name);
            for (window, period) in [(Window::Primary, snapshot.primary), (Window::Secondary, snapshot.secondary)] {
                quota.limits.extend(period.map(|period| Limit {
                    id: id.clone(),
                    name: label.clone(),
                    window,
                    used_percent: period.used_percent,
                    window_minutes: period.window_duration_mins,
                    resets_at: period.resets_at.filter(|seconds| (0.0..=LATEST_DATE).contains(seconds)),
                }));
            }
            let credits = snapshot.credits.map(|credits| Credits {
                available: credits.has_credits,
                unlimited: credits.unlimited,
                balance: credits.balance.as_deref().map(name),
            });
            quota.credits = quota.credits.or(credits);
        }
        quota.limits.truncate(MAX_LIMITS);
        quota
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer of 0.171.0 on the loopback backend, without members that are null.
    const ANSWER: &str = r#"{"id":1,"result":{
        "rateLimits":{"limitId":"codex","primary":{"usedPercent":42,"windowDurationMins":300,"resetsAt":1795782008},
            "secondary":{"usedPercent":5,"windowDurationMins":10080,"resetsAt":1795818008},
            "credits":{"hasCredits":true,"unlimited":false,"balance":"12.5"},"planType":"plus"},
        "rateLimitsByLimitId":{
            "codex":{"limitId":"codex","primary":{"usedPercent":42,"windowDurationMins":300,"resetsAt":1795782008},
                "secondary":{"usedPercent":5,"windowDurationMins":10080,"resetsAt":1795818008}},
            "a_model":{"limitId":"a_model","limitName":"A model","primary":{"usedPercent":99},"secondary":null}},
        "rateLimitResetCredits":null,"accountId":"a"}}"#;

    fn limit(id: &str, window: Window, numbers: (f64, Option<f64>, Option<f64>)) -> Limit {
        let (used_percent, window_minutes, resets_at) = numbers;
        Limit { id: id.to_owned(), name: None, window, used_percent, window_minutes, resets_at }
    }

    #[test]
    fn lists_each_period_of_each_limit_once_with_that_of_turns_first() {
        let quota = parse(ANSWER.as_bytes()).unwrap().unwrap();
        let of_model = limit("a_model", Window::Primary, (99.0, None, None));
        let expected = Quota {
            limits: vec![
                limit("codex", Window::Primary, (42.0, Some(300.0), Some(1_795_782_008.0))),
                limit("codex", Window::Secondary, (5.0, Some(10_080.0), Some(1_795_818_008.0))),
                Limit { name: Some("A model".to_owned()), ..of_model },
            ],
            plan: Some("plus".to_owned()),
            credits: Some(Credits { available: true, unlimited: false, balance: Some("12.5".to_owned()) }),
            reached: None,
        };
        assert_eq!(quota, expected);
    }

    #[test]
    fn an_error_tells_whether_this_version_knows_the_question() {
        for (error, unknown) in [
            (r#"{"code":-32601,"message":"Method not found"}"#, QuotaUnknown::Unsupported),
            (
                r#"{"code":-32600,"message":"Invalid request: unknown variant `account/rateLimits/read`, expected …"}"#,
                QuotaUnknown::Unsupported,
            ),
            (
                r#"{"code":-32603,"message":"failed to fetch codex rate limits: GET … 404 Not Found"}"#,
                QuotaUnknown::Backend,
            ),
            (r#"{"code":-32600}"#, QuotaUnknown::Backend),
        ] {
            assert_eq!(parse(format!(r#"{{"id":1,"error":{error}}}"#).as_bytes()), Some(Err(unknown)), "{error}");
        }
        for result in ["null", "{}", r#"{"rateLimits":{"primary":{"usedPercent":"half"}}}"#] {
            let line = format!(r#"{{"id":1,"result":{result}}}"#);
            assert_eq!(parse(line.as_bytes()), Some(Err(QuotaUnknown::Unsupported)), "{result}");
        }
    }

    #[test]
    fn other_messages_are_no_answer() {
        for line in [
            "",
            "no JSON",
            "[1]",
            r#"{"method":"configWarning","params":{}}"#,
            r#"{"id":"initialize","result":{}}"#,
            r#"{"id":1,"method":"attestation/generate","params":{}}"#,
            r#"{"id":2,"result":{}}"#,
        ] {
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn texts_and_times_of_the_backend_are_bounded() {
        let evil = format!("x\\u001b[31m{}", "y".repeat(10_000));
        let periods = r#""primary":{"usedPercent":1e9,"resetsAt":1e300},"secondary":{"usedPercent":-1,"resetsAt":-5}"#;
        let snapshot = format!(r#"{{"limitId":"{evil}","limitName":"{evil}","planType":"{evil}",{periods}}}"#);
        let many: Vec<_> = (0..1_000).map(|n| format!(r#""{n}":{{"limitId":"{n}",{periods}}}"#)).collect();
        let line =
            format!(r#"{{"id":1,"result":{{"rateLimits":{snapshot},"rateLimitsByLimitId":{{{}}}}}}}"#, many.join(","));
        let quota = parse(line.as_bytes()).unwrap().unwrap();
        assert_eq!(quota.limits.len(), MAX_LIMITS);
        assert!(quota.limits.iter().all(|limit| limit.resets_at.is_none() && limit.id.chars().count() <= 100));
        assert!(quota.plan.unwrap().chars().all(|c| !c.is_control()));
    }
}
