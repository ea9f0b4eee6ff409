//! Parses one failure report: its text, its HTTP status and the backend's JSON that it quotes.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use jiff::Zoned;
use regex::Regex;

use super::causes::{CAUSES, Finding, Pattern};
use super::reset_time::reset_time;
use crate::codex::events::MESSAGE_BYTES;
use crate::error::{BackendTrouble, Cause};
use crate::text::beginning;
use crate::text::pattern::regex;

/// Cause of a failed turn, and the reset time of a usage limit.
#[derive(Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// Reason for the missing image.
    pub cause: Cause,
    /// Time at which the usage limit resets, if the cause is one.
    pub resets_at: Option<SystemTime>,
}

impl From<Cause> for Diagnosis {
    fn from(cause: Cause) -> Self {
        Self { cause, resets_at: None }
    }
}

/// Prefix of a failed image call's report on stderr (0.144 and later, where the CLI makes that call
/// itself). The reason follows: `network error: error sending request`, or
/// `http 429 Too Many Requests: Some("{\"error\":…}")`, whose quoted part is a Rust string literal
/// with the backend's JSON.
pub const IMAGE_CALL_FAILED: &str = "image generation failed: ";

/// One failure report, parsed.
#[derive(Debug)]
pub struct Report<'a> {
    text: Cow<'a, str>,
    /// `text` in lower case.
    lowercase: String,
    /// HTTP status.
    pub status: Option<u16>,
    /// Members of the backend's JSON that the text quotes.
    body: Body,
}

impl<'a> Report<'a> {
    /// Parses the message of a failed turn, or any other report of Codex. In 0.142 and earlier the
    /// backend calls the image tool, so its failures are in the turn's message, too.
    pub fn new(text: impl Into<Cow<'a, str>>) -> Self {
        let text = text.into();
        let body = Body::read(&text);
        let in_text = STATUS.captures(&text).and_then(|found| found["status"].parse().ok());
        // Codex reports a 400 as its bare body (codex-rs/codex-api/src/api_bridge.rs).
        let bare = (text.starts_with('{') || text.starts_with("[{")).then_some(BAD_REQUEST);
        let status = in_text.or(body.status).or(bare);
        Self { lowercase: text.to_ascii_lowercase(), text, status, body }
    }

    /// Parses a report on stderr that begins with [`IMAGE_CALL_FAILED`].
    pub fn of_image_call(report: &str) -> Report<'static> {
        let report = beginning(report, MESSAGE_BYTES).to_owned();
        let answer = report.strip_prefix(IMAGE_CALL_FAILED).and_then(|reason| reason.strip_prefix("http "));
        let Some(status) = answer.and_then(leading_number) else { return Report::new(report) };
        let text = report.split_once("Some(\"").map(|(_, literal)| unescape(literal)).unwrap_or_default();
        Report { status: Some(status), ..Report::new(text) }
    }

    /// Whether the report matches `pattern`.
    pub fn matches(&self, pattern: &Pattern) -> bool {
        let contains = |text: &str| self.lowercase.contains(&text.to_ascii_lowercase());
        match pattern {
            Pattern::Code(code) => self.body.codes.iter().any(|found| found.eq_ignore_ascii_case(code)),
            Pattern::Text(text) => contains(text),
            Pattern::Status(range) => self.status.is_some_and(|status| range.contains(&status)),
        }
    }

    /// Returns the first matching row of [`CAUSES`]. Codes take precedence over texts, because the
    /// backend's message may quote the prompt.
    pub fn row(&self) -> Option<&'static (Pattern, Finding)> {
        let (codes, others): (Vec<_>, Vec<_>) =
            CAUSES.iter().partition(|(pattern, _)| matches!(pattern, Pattern::Code(_)));
        codes.into_iter().chain(others).find(|(pattern, _)| self.matches(pattern))
    }

    pub fn diagnosis(&self, now: &Zoned) -> Option<Diagnosis> {
        match &self.row()?.1 {
            Finding::Is(Cause::UsageLimit { .. }) => Some(self.usage_limit(now)),
            Finding::Is(cause) => Some(cause.clone().into()),
            Finding::Http(reason) => Some(Cause::BackendError(BackendTrouble::Http(self.status?, reason)).into()),
        }
    }

    /// Returns the diagnosis of a usage limit. Its reset time is the first plausible one of the
    /// JSON's time, the JSON's duration, and the time in the text.
    fn usage_limit(&self, local_now: &Zoned) -> Diagnosis {
        let now = SystemTime::from(local_now.timestamp());
        let is_plausible = |&at: &SystemTime| is_a_date(at) && at.checked_add(LONG_PAST).is_none_or(|at| at >= now);
        let since_1970 = |seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));

        let gives_a_date = |&duration: &Duration| now.checked_add(duration).is_some_and(is_a_date);
        let duration = self.body.resets_in_seconds.map(Duration::from_secs).filter(gives_a_date);
        let resets_at = (self.body.resets_at.and_then(since_1970).filter(is_plausible))
            .or_else(|| now.checked_add(duration?))
            .or_else(|| reset_time(&self.text, local_now).filter(is_plausible));
        let remaining = resets_at.and_then(|at| at.duration_since(now).ok());
        Diagnosis { cause: Cause::UsageLimit { resets_in: duration.or(remaining) }, resets_at }
    }
}

/// Status of a message that is nothing but the backend's JSON.
const BAD_REQUEST: u16 = 400;

/// Last second since 1970 that a JavaScript `Date` can represent.
pub const LAST_DATE: Duration = Duration::from_secs(8_640_000_000_000);

/// Reset times further in the past are ignored: no clock is that wrong.
const LONG_PAST: Duration = Duration::from_hours(365 * 24);

fn is_a_date(at: SystemTime) -> bool {
    at.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since <= LAST_DATE)
}

/// Members of the backend's JSON that describe the failure.
#[derive(Debug, Default)]
struct Body {
    codes: Vec<String>,
    status: Option<u16>,
    resets_in_seconds: Option<u64>,
    resets_at: Option<u64>,
}

impl Body {
    /// Reads the members of the JSON in `text`, at any depth and also in JSON within a string. Uses
    /// a regular expression, not a parser: Codex truncates long bodies, and an invalid member must
    /// not hide the others. Skips members of an unexpected type. Of several numbers with the same
    /// name, the first wins.
    fn read(text: &str) -> Self {
        let mut body = Self::default();
        for member in MEMBER.captures_iter(text) {
            let number = member.name("number").map(|number| number.as_str());
            match (&member["name"], member.name("text")) {
                ("resets_in_seconds", _) => fill(&mut body.resets_in_seconds, number),
                ("resets_at", _) => fill(&mut body.resets_at, number),
                // In reports of failed WebSocket calls (0.140.0 and later).
                ("status", _) => {
                    fill(&mut body.status, number);
                    body.status = body.status.filter(is_failure);
                }
                (_, Some(code)) => body.codes.push(code.as_str().to_owned()),
                (_, None) => {}
            }
        }
        body
    }
}

/// Parses `number` into `slot`, unless `slot` has a value.
fn fill<T: FromStr>(slot: &mut Option<T>, number: Option<&str>) {
    *slot = slot.take().or_else(|| number?.parse().ok());
}

/// One member of the backend's JSON. Matches numbers only if they are not truncated.
static MEMBER: LazyLock<Regex> = LazyLock::new(|| {
    regex(concat!(
        r#"\\*"(?P<name>code|type|error|rate_limit_reached_type|status|resets_at|resets_in_seconds)\\*"\s*:\s*"#,
        r#"(?:\\*"(?P<text>[^"\\]*)|(?P<number>\d+)\s*[,}])"#
    ))
});

const fn is_failure(status: &u16) -> bool {
    matches!(status, 400..=599)
}

/// Decodes a Rust string literal up to its closing quote.
pub fn unescape(literal: &str) -> String {
    let mut text = String::with_capacity(literal.len());
    let mut chars = literal.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => match chars.next() {
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some('t') => text.push('\t'),
                Some('0') => text.push('\0'),
                Some('u') => {
                    let digits: String = chars.by_ref().skip(1).take_while(|&c| c != '}').collect();
                    text.extend(u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32));
                }
                Some(other) => text.push(other),
                None => break,
            },
            c => text.push(c),
        }
    }
    text
}

/// HTTP status in a report's text: "unexpected status 401 Unauthorized: …", "exceeded retry limit,
/// last status: 429 Too Many Requests", "Access blocked by Cloudflare. … (status 403 Forbidden)",
/// "Failed to refresh token: 500 Internal Server Error", "HTTP error: 403 Forbidden".
static STATUS: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"(unexpected status|last status:|\(status|refresh token:|HTTP error:) (?P<status>[1-5]\d{2})\b")
});

fn leading_number(text: &str) -> Option<u16> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().ok()
}
