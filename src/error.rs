//! Defines every cause of a failed call, with its code, its status and its message.
//!
//! A [`Failure`] has two parts. The [`Cause`] is public: its message reaches end users verbatim, so
//! it never holds a path, a line of stderr or a secret. The [`Evidence`] is for logs; its `detail`
//! is redacted where it is collected.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use crate::png::PngError;
use crate::process::{Exit, JobRefused};
use crate::text::name;

/// Cause of a failed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// An option is invalid; nothing was started.
    InvalidOption {
        /// The option's name as the caller wrote it, e.g. `timeoutMs` or `env.PATH`.
        option: String,
        /// The problem, as a clause that completes "Invalid option X: …".
        problem: String,
    },
    /// No Codex CLI was found.
    CodexNotFound,
    /// Only a Codex CLI for Windows was found, on another system.
    CodexForWindows,
    /// `codexPath` names a file that cannot be run as the CLI.
    CodexUnusable(CliFault),
    /// `CODEX_BIN` names a file that cannot be run as the CLI.
    CodexBinUnusable(CliFault),
    /// The operating system could not start the CLI, for this reason.
    SpawnFailed(String),
    /// There is no login.
    NotSignedIn,
    /// Codex has no home: the user has no home directory, and `CODEX_HOME` is not set.
    HomeUnknown,
    /// The login is to an account or a workspace that OpenAI has deactivated.
    Deactivated,
    /// Codex's home is not a directory that Codex can open, so Codex does not start.
    HomeUnusable,
    /// Codex's configuration does not allow the login: Codex would sign out.
    LoginRefused(Demand),
    /// The login is programmatic, which does not include the image tool.
    ApiKeyLogin,
    /// Codex runs, but has no image tool.
    ImageGenUnavailable(ToolUnavailable),
    /// No file counts as the image.
    NoImage(NoImageReason),
    /// There is a file, but it is not a valid PNG.
    InvalidImage(PngError),
    /// There is a file, but it is larger than the caller allows.
    ImageTooLarge {
        /// The limit in force, in bytes.
        limit: u64,
    },
    /// The rolling limit of the subscription is reached.
    UsageLimit {
        /// Time until the limit resets, if the backend reported it.
        resets_in: Option<Duration>,
    },
    /// An allowance of the account is used up. Waiting does not restore it.
    Exhausted(Allowance),
    /// Too many requests in a short time.
    RateLimited,
    /// OpenAI's safety system refused the request.
    SafetyRejected,
    /// OpenAI's backend failed, or could not be reached.
    BackendError(BackendTrouble),
    /// Codex exited with an error, for an unrecognised reason.
    CodexFailed(Exit),
    /// The turn failed, for an unrecognised reason, and Codex had to be stopped.
    TurnFailed,
    /// The whole call took longer than this limit.
    Timeout(Duration),
    /// The disk of `CODEX_HOME`, or the user database that names the home, does not answer.
    HomeUnanswered,
    /// The run directory could not be made, for this reason.
    WorkspaceFailed(String),
    /// The caller aborted the call. In JavaScript, the promise rejects with `signal.reason`
    /// instead.
    Aborted,
    /// A defect of this package.
    Internal,
}

/// Reason why a file cannot be run as the CLI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CliFault {
    /// The path is relative. Only the variable may be: the option is refused earlier.
    #[error("it is not an absolute path")]
    Relative,
    /// The path names nothing.
    #[error("there is no such file")]
    Absent,
    /// The path names a directory.
    #[error("it is a directory")]
    Directory,
    /// The path names a device, a socket or a pipe.
    #[error("it is not a regular file")]
    NotRegular,
    /// The user may not execute it.
    #[error("it is not executable")]
    NotExecutable,
    /// It runs on Windows only. WSL would start it, but it cannot use the paths of this system.
    #[error("it is a program for Windows; install Codex inside of this system")]
    ForWindows,
    /// The file is a launcher whose script was moved or removed.
    #[error("the script that it starts is not there")]
    ScriptAbsent,
    /// The file is a script, on Windows, where this package runs no scripts.
    #[error("it is a script, and leads to no native Codex")]
    OnlyScript,
}

/// Reason why no file counts as the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoImageReason {
    /// The turn left no image.
    NotDrawn,
    /// The image that the turn left is an unchanged reference image.
    Reference,
    /// The image that the turn left is not verified, although the call requires that.
    Unverified,
    /// Neither the store nor the rollout holds an image of the earlier thread.
    NotKept,
}

/// Requirement of Codex's configuration that the login does not meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// A method other than ChatGPT.
    AnotherMethod,
    /// A login with ChatGPT.
    ChatGpt,
    /// Another ChatGPT workspace.
    AnotherWorkspace,
}

/// Reason why the image tool is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolUnavailable {
    /// `config.toml` selects a provider that certainly does not offer it.
    Provider(String),
    /// `config.toml` selects a provider that does not exist: Codex does not start.
    Undefined(String),
    /// The configuration or the call switches off this feature, which the tool needs.
    SwitchedOff(&'static str),
    /// A program that belongs to Codex is missing.
    Incomplete,
    /// Codex, or its model, reported it during the turn.
    Reported,
}

/// Allowance that stays used up until it is paid for or raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// The credits of a workspace.
    Credits,
    /// The spend cap of a workspace.
    SpendCap,
    /// The quota or the balance of an account.
    Quota,
    /// A plan, as the account's own does not include Codex.
    Plan,
}

/// Failure of OpenAI's backend or of the connection to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackendTrouble {
    /// The backend answered with this HTTP status. The text explains it.
    Http(u16, &'static str),
    /// There is no connection, or it broke off.
    Unreachable,
    /// The servers report high demand.
    Overloaded,
    /// The selected model is at capacity.
    AtCapacity,
    /// The backend reported an error without an explanation.
    Failed,
    /// The network or its region is blocked.
    Blocked,
    /// The account or this version of Codex cannot use the model.
    NoSuchModel,
    /// The request does not fit into the model's context.
    TooLong,
    /// The backend cannot read an image of the request.
    UnreadableImage,
}

/// A message for end users in two parts, each of whole sentences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The problem.
    pub problem: Cow<'static, str>,
    /// The action that the user can take. Empty if the problem implies it.
    pub fix: Cow<'static, str>,
}

impl Message {
    fn new(problem: impl Into<Cow<'static, str>>, fix: impl Into<Cow<'static, str>>) -> Self {
        Self { problem: problem.into(), fix: fix.into() }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { problem, fix } = self;
        f.write_str(problem)?;
        if fix.is_empty() { Ok(()) } else { write!(f, " {fix}") }
    }
}

const SIGN_IN: &str = "Run `codex login` and sign in with ChatGPT.";
const UPDATE: &str = "Update Codex and try again. \
                      If that does not help, run `codex` in a terminal to see what it reports.";

/// The codes that JavaScript sees: those of all causes except [`Cause::Aborted`].
pub const CODES: [&str; 17] = [
    "INVALID_OPTIONS",
    "CODEX_NOT_FOUND",
    "SPAWN_FAILED",
    "NOT_SIGNED_IN",
    "API_KEY_LOGIN",
    "IMAGE_GEN_UNAVAILABLE",
    "NO_IMAGE",
    "INVALID_IMAGE",
    "IMAGE_TOO_LARGE",
    "USAGE_LIMIT",
    "RATE_LIMITED",
    "SAFETY_REJECTED",
    "BACKEND_ERROR",
    "CODEX_FAILED",
    "TIMEOUT",
    "WORKSPACE_FAILED",
    "INTERNAL",
];

impl Cause {
    /// The message for end users.
    #[must_use]
    pub fn message(&self) -> Message {
        match self {
            Self::InvalidOption { option, problem } => {
                Message::new(format!("Invalid option `{}`: {problem}.", name(option)), "")
            }
            Self::CodexNotFound => Message::new(
                "The Codex CLI was not found.",
                "Install it with `npm install -g @openai/codex`, \
                 or put the directory that it is in on the PATH.",
            ),
            Self::CodexForWindows => Message::new(
                "Only a Codex CLI for Windows was found, which cannot work here.",
                "Install one inside of this system with `npm install -g @openai/codex`.",
            ),
            Self::CodexUnusable(fault) => Message::new(
                format!("The chosen Codex CLI cannot be run: {fault}."),
                "Choose another, or install it with `npm install -g @openai/codex`.",
            ),
            Self::CodexBinUnusable(fault) => Message::new(
                format!("The Codex CLI that the variable CODEX_BIN names cannot be run: {fault}."),
                "Correct the variable, or remove it to have Codex searched for.",
            ),
            Self::SpawnFailed(reason) => {
                Message::new(format!("Codex could not be started: {reason}."), "Try again in a minute.")
            }
            Self::NotSignedIn => Message::new("Codex is not signed in.", SIGN_IN),
            Self::HomeUnknown => Message::new(
                "Codex is not signed in: the user that it would run as has no home directory.",
                "Set the variable HOME or CODEX_HOME, then run `codex login` and sign in with ChatGPT.",
            ),
            Self::Deactivated => Message::new(
                "Codex is not signed in to an active account: \
                 OpenAI has deactivated the account or its workspace.",
                "Run `codex login` and sign in with another one, or ask OpenAI's support.",
            ),
            Self::HomeUnusable => Message::new(
                "Codex's home directory does not exist or cannot be opened, so Codex is not signed in there.",
                "Create it and run `codex login` with it as CODEX_HOME, or correct the setting that names it.",
            ),
            Self::LoginRefused(demand) => demand.message(),
            Self::ApiKeyLogin => Message::new(
                "Codex is signed in with an API key or another programmatic login, which cannot draw images.",
                SIGN_IN,
            ),
            Self::ImageGenUnavailable(reason) => reason.message(),
            Self::NoImage(reason) => reason.message(),
            Self::InvalidImage(error) => {
                Message::new(format!("What Codex delivered is not a valid PNG: {error}."), "Try again.")
            }
            Self::ImageTooLarge { limit } => Message::new(
                format!("The image is larger than the {limit} bytes that are allowed here."),
                "Ask for a smaller or simpler one.",
            ),
            Self::UsageLimit { resets_in } => Message::new(
                "Your ChatGPT plan's limit is reached; it resets on a rolling window.",
                format!("Try again later{}.", reset_text(*resets_in)),
            ),
            Self::Exhausted(allowance) => allowance.message(),
            Self::RateLimited => Message::new("OpenAI is limiting the rate of requests.", "Try again in a minute."),
            Self::SafetyRejected => {
                Message::new("The request was refused by OpenAI's safety system.", "Reword the prompt.")
            }
            Self::BackendError(trouble) => trouble.message(),
            Self::CodexFailed(exit) => Message::new(format!("codex image_gen exited {}.", exit_text(*exit)), UPDATE),
            Self::TurnFailed => Message::new("Codex reported that its turn failed.", UPDATE),
            Self::Timeout(limit) => Message::new(
                format!("Codex did not deliver an image within {} s.", limit.as_secs_f64()),
                "Drawing can take some minutes. Try again.",
            ),
            Self::HomeUnanswered => Message::new(
                "Codex's home directory does not answer.",
                "Check the disk or network drive that it lies on, then try again.",
            ),
            Self::WorkspaceFailed(reason) => Message::new(
                format!("The private directory of the call could not be made: {reason}."),
                "Check the directory for temporary files: \
                 it has to exist, to have room, and to be safe from other users.",
            ),
            Self::Aborted => Message::new("The generation was aborted.", ""),
            Self::Internal => Message::new("The image addon failed internally.", "Please report this."),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message().fmt(f)
    }
}

impl std::error::Error for Cause {}

impl NoImageReason {
    fn message(self) -> Message {
        match self {
            Self::NotDrawn => Message::new(
                "Codex finished, but there is no image at the requested path or in its own store: \
                 it answered without drawing.",
                "Trying again, or wording the request differently, may help.",
            ),
            Self::Reference => Message::new(
                "Codex finished, but there is no image at the requested path \
                 other than one of the reference images, unchanged.",
                "Say in the prompt what is to be different.",
            ),
            Self::Unverified => Message::new(
                "Codex finished, but there is no image at the requested path \
                 that provably came from image_gen.",
                "Trying again may help.",
            ),
            Self::NotKept => Message::new(
                "There is no image of this thread in Codex's store or in its record of the thread.",
                "Ask for the image again.",
            ),
        }
    }
}

impl Demand {
    fn message(self) -> Message {
        match self {
            Self::AnotherMethod => Message::new(
                "Codex's configuration does not allow to sign in with ChatGPT, as drawing needs it.",
                "Change forced_login_method there, or ask the administrator who has set it.",
            ),
            Self::ChatGpt => Message::new(
                "Codex's configuration demands to be signed in with ChatGPT, \
                 and it is signed in with an API key or another programmatic login.",
                SIGN_IN,
            ),
            Self::AnotherWorkspace => Message::new(
                "Codex is signed in to another ChatGPT workspace than its configuration demands.",
                "Run `codex login` and choose that workspace, or correct forced_chatgpt_workspace_id.",
            ),
        }
    }
}

impl ToolUnavailable {
    fn message(&self) -> Message {
        let (reason, fix) = match self {
            Self::Provider(provider) => (
                format!("the model provider `{}` selected in config.toml does not offer it", name(provider)),
                "Use OpenAI's own provider, \
                 or set requires_openai_auth = true for a relay that passes the tool on.",
            ),
            Self::Undefined(provider) => (
                format!("the model provider `{}` selected in config.toml is not defined there", name(provider)),
                "Define it in model_providers, or use OpenAI's own provider.",
            ),
            Self::SwitchedOff(feature) => (
                format!("the feature {feature} is switched off in Codex's configuration"),
                "Switch it on there, or leave it out.",
            ),
            Self::Incomplete => (
                "its program codex-code-mode-host is missing, so Codex is not completely installed".to_owned(),
                "Reinstall Codex.",
            ),
            Self::Reported => (
                "Codex reports that it has no such tool".to_owned(),
                "Update Codex, make sure that `codex login` was done with ChatGPT, \
                 and that the selected model can draw.",
            ),
        };
        Message::new(format!("Codex's image_gen tool is unavailable: {reason}."), fix)
    }
}

impl Allowance {
    fn message(self) -> Message {
        match self {
            Self::Credits => Message::new(
                "Your ChatGPT workspace is out of credits.",
                "Add credits, or ask the workspace's owner to add some.",
            ),
            Self::SpendCap => Message::new(
                "The spend cap of your ChatGPT workspace is reached.",
                "Raise it, or ask the workspace's owner to raise it.",
            ),
            Self::Quota => Message::new(
                "Your OpenAI account has no quota or balance left for this.",
                "Check its plan and billing details.",
            ),
            Self::Plan => Message::new(
                "Your ChatGPT plan does not include Codex.",
                "Upgrade it, or run `codex login` and sign in with another account.",
            ),
        }
    }
}

impl BackendTrouble {
    /// Whether the same request may succeed later. Of the HTTP statuses, this holds for a timeout,
    /// "too early", "too many requests" and the server's own errors.
    const fn may_pass(&self) -> bool {
        match self {
            Self::Http(status, _) => matches!(status, 408 | 425 | 429 | 500..=599),
            Self::Unreachable | Self::Overloaded | Self::AtCapacity | Self::Failed => true,
            Self::Blocked | Self::NoSuchModel | Self::TooLong | Self::UnreadableImage => false,
        }
    }

    fn message(&self) -> Message {
        const LATER: &str = "Try again later.";
        let (trouble, fix): (Cow<'_, str>, _) = match self {
            Self::Http(status, reason) => (
                format!("HTTP {status}: {reason}").into(),
                if self.may_pass() { LATER } else { "The same request would fail again. Change it, or update Codex." },
            ),
            Self::Unreachable => ("no connection".into(), LATER),
            Self::Overloaded => ("its servers report high demand".into(), LATER),
            Self::AtCapacity => ("the selected model is at capacity".into(), LATER),
            Self::Failed => ("its servers report an error".into(), LATER),
            Self::Blocked => (
                "access from this network or region is blocked".into(),
                "Use Codex from another network or without a VPN or proxy.",
            ),
            Self::NoSuchModel => {
                ("the selected model is not available".into(), "Update Codex, or select another model.")
            }
            Self::TooLong => {
                ("the request is too long for the model".into(), "Shorten the prompt, or use fewer reference images.")
            }
            Self::UnreadableImage => ("it cannot read an image of the request".into(), "Use other reference images."),
        };
        Message::new(format!("OpenAI's backend could not deliver the image ({trouble})."), fix)
    }
}

const HOURS_OF_A_YEAR: u64 = 365 * 24;

fn reset_text(resets_in: Option<Duration>) -> String {
    let Some(wait) = resets_in else { return String::new() };
    let minutes = wait.as_secs().div_ceil(60).max(1);
    match (minutes / 60, minutes % 60) {
        // No limit lasts for more than a month.
        (HOURS_OF_A_YEAR.., _) => String::new(),
        (hours @ 48.., _) => format!(", in about {} days", (hours + 12) / 24),
        (0, 1) => ", in about a minute".to_owned(),
        (0, minutes) => format!(", in about {minutes} minutes"),
        (hours, 0) => format!(", in about {hours} h"),
        (hours, minutes) => format!(", in about {hours} h {minutes} min"),
    }
}

fn exit_text(exit: Exit) -> String {
    match exit {
        // A crash on Windows, which is known by its hexadecimal number.
        Exit::Code(code) if code < -1 => format!("exit {code:#010x}"),
        Exit::Code(code) => format!("exit {code}"),
        Exit::Signal(signal) => format!("signal {}", crate::process::signal_name(signal)),
    }
}

impl Cause {
    /// The stable code for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidOption { .. } => "INVALID_OPTIONS",
            Self::CodexNotFound | Self::CodexForWindows | Self::CodexUnusable(_) | Self::CodexBinUnusable(_) => {
                "CODEX_NOT_FOUND"
            }
            Self::SpawnFailed(_) => "SPAWN_FAILED",
            Self::NotSignedIn | Self::HomeUnknown | Self::HomeUnusable | Self::LoginRefused(_) | Self::Deactivated => {
                "NOT_SIGNED_IN"
            }
            Self::ApiKeyLogin => "API_KEY_LOGIN",
            Self::ImageGenUnavailable(_) => "IMAGE_GEN_UNAVAILABLE",
            Self::NoImage(_) => "NO_IMAGE",
            Self::InvalidImage(_) => "INVALID_IMAGE",
            Self::ImageTooLarge { .. } => "IMAGE_TOO_LARGE",
            Self::UsageLimit { .. } | Self::Exhausted(_) => "USAGE_LIMIT",
            Self::RateLimited => "RATE_LIMITED",
            Self::SafetyRejected => "SAFETY_REJECTED",
            Self::BackendError(_) => "BACKEND_ERROR",
            Self::CodexFailed(_) | Self::TurnFailed => "CODEX_FAILED",
            Self::Timeout(_) | Self::HomeUnanswered => "TIMEOUT",
            Self::WorkspaceFailed(_) => "WORKSPACE_FAILED",
            Self::Aborted => "ABORTED",
            Self::Internal => "INTERNAL",
        }
    }

    /// An HTTP-like number for callers that answer HTTP requests. Some callers exit with it, so
    /// modulo 256 it is never 0 or 2.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::InvalidOption { .. } => 400,
            Self::NotSignedIn | Self::HomeUnknown | Self::HomeUnusable | Self::LoginRefused(_) | Self::Deactivated => {
                401
            }
            Self::ApiKeyLogin => 403,
            Self::ImageTooLarge { .. } => 413,
            Self::SafetyRejected => 422,
            Self::CodexNotFound | Self::CodexForWindows | Self::CodexUnusable(_) | Self::CodexBinUnusable(_) => 424,
            Self::UsageLimit { .. } | Self::Exhausted(_) | Self::RateLimited => 429,
            Self::Aborted => 499,
            Self::SpawnFailed(_) | Self::Internal => 500,
            Self::ImageGenUnavailable(_) => 501,
            Self::NoImage(_)
            | Self::InvalidImage(_)
            | Self::BackendError(_)
            | Self::CodexFailed(_)
            | Self::TurnFailed => 502,
            Self::Timeout(_) | Self::HomeUnanswered => 504,
            Self::WorkspaceFailed(_) => 507,
        }
    }

    /// The invalid option as the message names it: printable, and cut to a bounded length.
    #[must_use]
    pub fn option(&self) -> Option<String> {
        match self {
            Self::InvalidOption { option, .. } => Some(name(option)),
            _ => None,
        }
    }

    /// Whether the same call may succeed if it is made again.
    #[must_use]
    pub const fn retryable(&self) -> bool {
        match self {
            Self::BackendError(trouble) => trouble.may_pass(),
            Self::SpawnFailed(_)
            | Self::NoImage(_)
            | Self::InvalidImage(_)
            | Self::RateLimited
            | Self::Timeout(_)
            | Self::HomeUnanswered => true,
            _ => false,
        }
    }
}

/// Evidence of a failure, for logs and programs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The exit of Codex, if it ran and ended by itself.
    pub exit: Option<Exit>,
    /// The thread of the failed turn.
    pub thread_id: Option<String>,
    /// The time at which a usage limit resets.
    pub resets_at: Option<SystemTime>,
    /// The redacted ends of the agent's messages and of stderr; empty if there was no output.
    pub detail: String,
}

/// A cause with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct Failure {
    /// The cause, for end users.
    pub cause: Cause,
    /// The evidence, for logs.
    pub evidence: Box<Evidence>,
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self { cause, evidence: Box::default() }
    }
}

/// Returns the text of an operating-system error, without any path.
#[must_use]
pub fn os_error_text(error: &std::io::Error) -> String {
    // An `io::Error` made from an errno prints only that errno's text. One made from a message may
    // quote anything, so only its kind is returned.
    match error.get_ref().and_then(|inner| inner.downcast_ref::<JobRefused>()) {
        Some(refused) => refused.to_string(),
        None if error.raw_os_error().is_some() => error.to_string(),
        None => error.kind().to_string(),
    }
}

/// Assertions on every message for end users.
#[cfg(test)]
pub(crate) mod sentences {
    use crate::text::printable::printable;
    use crate::text::redact::redact;

    /// Asserts that `text` is one printable line of whole sentences, without a path.
    pub fn assert_sentence(text: &str) {
        assert!(text.ends_with('.') && !text.ends_with(".."), "{text}");
        assert!(!text.contains('\n') && text.len() < 350, "{text}");
        assert!(!text.contains(" /") && !text.contains(":\\") && !text.contains("~/"), "{text}");
        assert_eq!(printable(text), text);
        assert_eq!(redact(text), text);
    }

    /// Asserts that `text` names no option of the API and no member of its errors, since end users
    /// can neither set nor see them. Ignores names that are also plain English words.
    pub fn assert_names_no_option(text: &str) {
        let declared = include_str!("node/types.d.ts").lines().filter_map(|line| line.strip_prefix("  "));
        let names = declared.filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim_end_matches('?'));
        let is_name = |name: &&str| name.chars().all(char::is_alphanumeric) && name.contains(char::is_uppercase);
        let names: Vec<_> = names.filter(is_name).collect();
        for known in ["codexPath", "timeoutMs", "maxImageBytes", "requireVerified", "threadId"] {
            assert!(names.contains(&known), "{names:?}");
        }
        let words: Vec<_> = text.split(|c: char| !c.is_alphanumeric()).collect();
        for name in names.into_iter().chain(["detail", "onProgress"]) {
            assert!(!words.contains(&name), "{name} in {text}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::sentences::{assert_names_no_option, assert_sentence};
    use super::*;

    #[test]
    fn os_errors_are_quoted_and_other_texts_are_not() {
        use std::io::Error;

        let denied = Error::from_raw_os_error(5);
        assert_eq!(os_error_text(&denied), denied.to_string());
        assert_eq!(os_error_text(&Error::other("/home/me")), "other error");
        let expected = format!("Windows does not let a job object hold it: {denied}");
        assert_eq!(os_error_text(&Error::other(JobRefused(denied))), expected);
    }

    fn every_cause() -> Vec<Cause> {
        vec![
            Cause::InvalidOption { option: "prompt".into(), problem: "it is blank".into() },
            Cause::CodexNotFound,
            Cause::CodexForWindows,
            Cause::CodexUnusable(CliFault::Absent),
            Cause::CodexUnusable(CliFault::Directory),
            Cause::CodexUnusable(CliFault::NotRegular),
            Cause::CodexUnusable(CliFault::NotExecutable),
            Cause::CodexUnusable(CliFault::ForWindows),
            Cause::CodexUnusable(CliFault::ScriptAbsent),
            Cause::CodexUnusable(CliFault::OnlyScript),
            Cause::CodexBinUnusable(CliFault::Relative),
            Cause::SpawnFailed("Permission denied (os error 13)".into()),
            Cause::NotSignedIn,
            Cause::HomeUnknown,
            Cause::Deactivated,
            Cause::HomeUnusable,
            Cause::LoginRefused(Demand::AnotherMethod),
            Cause::LoginRefused(Demand::ChatGpt),
            Cause::LoginRefused(Demand::AnotherWorkspace),
            Cause::ApiKeyLogin,
            Cause::ImageGenUnavailable(ToolUnavailable::Provider("relay".into())),
            Cause::ImageGenUnavailable(ToolUnavailable::Undefined("relay".into())),
            Cause::ImageGenUnavailable(ToolUnavailable::SwitchedOff("image_generation")),
            Cause::ImageGenUnavailable(ToolUnavailable::Incomplete),
            Cause::ImageGenUnavailable(ToolUnavailable::Reported),
            Cause::NoImage(NoImageReason::NotDrawn),
            Cause::NoImage(NoImageReason::Reference),
            Cause::NoImage(NoImageReason::Unverified),
            Cause::NoImage(NoImageReason::NotKept),
            Cause::InvalidImage(PngError::Empty),
            Cause::ImageTooLarge { limit: 1 },
            Cause::UsageLimit { resets_in: None },
            Cause::UsageLimit { resets_in: Some(Duration::from_secs(5400)) },
            Cause::Exhausted(Allowance::Credits),
            Cause::Exhausted(Allowance::SpendCap),
            Cause::Exhausted(Allowance::Quota),
            Cause::Exhausted(Allowance::Plan),
            Cause::RateLimited,
            Cause::SafetyRejected,
            Cause::BackendError(BackendTrouble::Http(404, "not found")),
            Cause::BackendError(BackendTrouble::Http(500, "an error of the server")),
            Cause::BackendError(BackendTrouble::Unreachable),
            Cause::BackendError(BackendTrouble::Overloaded),
            Cause::BackendError(BackendTrouble::AtCapacity),
            Cause::BackendError(BackendTrouble::Failed),
            Cause::BackendError(BackendTrouble::Blocked),
            Cause::BackendError(BackendTrouble::NoSuchModel),
            Cause::BackendError(BackendTrouble::TooLong),
            Cause::BackendError(BackendTrouble::UnreadableImage),
            Cause::CodexFailed(Exit::Code(1)),
            Cause::CodexFailed(Exit::Signal(9999)),
            Cause::TurnFailed,
            Cause::Timeout(Duration::from_secs(600)),
            Cause::HomeUnanswered,
            Cause::WorkspaceFailed("No space left on device (os error 28)".into()),
            Cause::Aborted,
            Cause::Internal,
        ]
    }

    /// Messages are public: users quote them, and programs match them.
    #[test]
    fn every_message_is_the_pinned_one() {
        let pinned = include_str!("../__test__/fixtures/messages.txt");
        let parts = |cause: &Cause| {
            let Message { problem, fix } = cause.message();
            if fix.is_empty() { format!("{problem}\n") } else { format!("{problem}\n  {fix}\n") }
        };
        assert_eq!(every_cause().iter().map(parts).collect::<String>(), pinned);
        let whole: Vec<_> = every_cause().iter().map(Cause::to_string).collect();
        assert_eq!(whole, pinned.replace("\n  ", " ").lines().collect::<Vec<_>>());
    }

    #[test]
    fn the_codes_are_those_of_all_causes_but_the_abort() {
        let causes = every_cause().into_iter().filter(|cause| *cause != Cause::Aborted);
        let codes: BTreeSet<_> = causes.map(|cause| cause.code()).collect();
        assert_eq!(codes, BTreeSet::from(CODES));
    }

    #[test]
    fn a_status_used_as_an_exit_code_is_never_success_nor_usage_error() {
        for cause in every_cause() {
            assert!(!matches!(cause.status() % 256, 0 | 2), "{cause:?}");
        }
    }

    #[test]
    fn every_message_is_whole_sentences_without_paths_or_options() {
        for cause in every_cause() {
            let message = cause.to_string();
            assert_sentence(&message);
            // Only this message is for the caller, who has set the option.
            if !matches!(cause, Cause::InvalidOption { .. }) {
                assert_names_no_option(&message);
            }
        }
    }

    #[test]
    fn every_message_has_a_fix_unless_the_problem_implies_it() {
        for cause in every_cause() {
            // The problem of an invalid option implies the fix. In JavaScript, `signal.reason`
            // replaces `Aborted`.
            let implied = matches!(cause, Cause::InvalidOption { .. } | Cause::Aborted);
            assert_eq!(cause.message().fix.is_empty(), implied, "{cause}");
        }
    }

    #[test]
    fn names_chosen_by_others_are_quoted_as_printable_text() {
        let evil = format!("x\u{202e}\n\u{1b}[31m\u{200b}`{}", "y".repeat(100_000));
        for cause in [
            Cause::ImageGenUnavailable(ToolUnavailable::Provider(evil.clone())),
            Cause::InvalidOption { option: format!("env.{evil}"), problem: "it must be a string".into() },
        ] {
            let message = cause.to_string();
            assert_sentence(&message);
            assert!(message.matches('`').count() == 2 && message.contains("x 'yyy"), "{message}");
        }
    }

    #[test]
    fn the_wording_that_callers_match_stays() {
        let message = |cause: Cause| cause.to_string();
        assert!(
            message(Cause::ImageGenUnavailable(ToolUnavailable::Reported)).contains("image_gen tool is unavailable")
        );
        assert!(message(Cause::NoImage(NoImageReason::NotDrawn)).contains("no image at the requested path"));
        assert!(message(Cause::InvalidImage(PngError::Empty)).contains("not a valid PNG"));
        assert!(message(Cause::CodexFailed(Exit::Code(7))).contains("codex image_gen exited exit 7"));
        assert!(message(Cause::CodexFailed(Exit::Code(0xc000_0005_u32.cast_signed()))).contains("exit 0xc0000005"));
        let signal = if cfg!(unix) { "SIGSEGV" } else { "number 11" };
        assert!(message(Cause::CodexFailed(Exit::Signal(11))).contains(&format!("exited signal {signal}")));
        assert!(message(Cause::UsageLimit { resets_in: None }).contains("resets on a rolling window"));
        assert!(message(Cause::NotSignedIn).contains("not signed in. Run `codex login`"));
        assert!(message(Cause::ApiKeyLogin).contains("API key"));
    }

    #[test]
    fn only_a_retryable_cause_or_a_limit_suggests_trying_again_later() {
        for cause in every_cause() {
            assert!(
                cause.retryable() || !cause.to_string().contains("again later") || cause.status() == 429,
                "{cause}"
            );
        }
        for http in 300..600 {
            let cause = Cause::BackendError(BackendTrouble::Http(http, "a reason"));
            assert_eq!(cause.retryable(), matches!(http, 408 | 425 | 429) || http >= 500, "{http}");
            assert_eq!(cause.to_string().contains("Try again later"), cause.retryable(), "{http}");
        }
    }

    #[test]
    fn a_reset_is_given_in_minutes_hours_or_days() {
        let text = |secs| reset_text(Some(Duration::from_secs(secs)));
        assert_eq!(text(0), ", in about a minute");
        assert_eq!(text(61), ", in about 2 minutes");
        assert_eq!(text(3600), ", in about 1 h");
        assert_eq!(text(5400), ", in about 1 h 30 min");
        assert_eq!(text(48 * 3600 - 60), ", in about 47 h 59 min");
        assert_eq!(text(48 * 3600), ", in about 2 days");
        assert_eq!(text(6 * 86_400 + 20 * 3600), ", in about 7 days");
        assert_eq!(text(1_795_349_765_000), "", "no limit lasts that long");
    }
}
