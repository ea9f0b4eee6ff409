//! One report of a failure: its words, its HTTP status and the backend's JSON within.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use jiff::Zoned;
use regex::Regex;

use super::reset_time::retry_time;
use crate::codex::causes::{CAUSES, Means, Sign};
use crate::codex::events::MESSAGE_BYTES;
use crate::error::{BackendTrouble, Cause};
use crate::text::beginning;
use crate::text::pattern::regex;

/// A cause that was established, and when the limit resets if it is one.
#[derive(Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// Why there is no picture.
    pub cause: Cause,
    /// When a usage limit resets.
    pub resets_at: Option<SystemTime>,
}

impl From<Cause> for Diagnosis {
    fn from(cause: Cause) -> Self {
        Self { cause, resets_at: None }
    }
}

/// Precedes the reason of a failed image call on stderr (0.144 and later, where the CLI makes
/// that call itself): `http 429 Too Many Requests: Some("{\"error\":…}")`, whose quoted part is a
/// Rust string literal with the backend's JSON, or `network error: error sending request`.
pub const IMAGE_CALL_FAILED: &str = "image generation failed: ";

/// What is known of one failure.
#[derive(Debug)]
pub struct Report<'a> {
    /// All of it, as text.
    text: Cow<'a, str>,
    /// The same in lower case.
    words: String,
    /// The HTTP status.
    pub status: Option<u16>,
    /// The members of the backend's JSON within.
    body: Body,
}

impl<'a> Report<'a> {
    /// The message of a failed turn, or any other sentence of Codex's. On the hosted route (0.142
    /// and earlier) failures of the image tool come this way too, as failures of the stream.
    pub fn new(text: impl Into<Cow<'a, str>>) -> Self {
        let text = text.into();
        let body = Body::read(&text);
        let in_words = STATUS.captures(&text).and_then(|found| found["status"].parse().ok());
        // What is JSON from its beginning is the body of such a refusal
        // (codex-rs/codex-api/src/api_bridge.rs).
        let bare = (text.starts_with('{') || text.starts_with("[{")).then_some(BAD_REQUEST);
        let status = in_words.or(body.status).or(bare);
        Self { words: text.to_ascii_lowercase(), text, status, body }
    }

    /// The report on stderr from [`IMAGE_CALL_FAILED`] on.
    pub fn of_image_call(report: &str) -> Report<'static> {
        let report = beginning(report, MESSAGE_BYTES).to_owned();
        let answer = report.strip_prefix(IMAGE_CALL_FAILED).and_then(|reason| reason.strip_prefix("http "));
        let Some(status) = answer.and_then(leading_number) else { return Report::new(report) };
        let text = report.split_once("Some(\"").map(|(_, literal)| unescape(literal)).unwrap_or_default();
        Report { status: Some(status), ..Report::new(text) }
    }

    /// Whether the report shows that sign.
    pub fn shows(&self, sign: &Sign) -> bool {
        let says = |words: &str| self.words.contains(&words.to_ascii_lowercase());
        match sign {
            Sign::Code(code) => self.body.codes.iter().any(|found| found.eq_ignore_ascii_case(code)),
            Sign::Says(words) => says(words),
            Sign::Status(range) => self.status.is_some_and(|status| range.contains(&status)),
        }
    }

    /// What the first row of [`CAUSES`] that fits establishes. A code goes before all words: the
    /// backend's message may quote the prompt.
    pub fn means(&self) -> Option<&'static Means> {
        let (codes, others): (Vec<_>, Vec<_>) = CAUSES.iter().partition(|(sign, _)| matches!(sign, Sign::Code(_)));
        codes.into_iter().chain(others).find(|(sign, _)| self.shows(sign)).map(|(_, means)| means)
    }

    pub fn diagnosis(&self, clock: &Zoned) -> Option<Diagnosis> {
        match self.means()? {
            Means::Is(Cause::UsageLimit { .. }) => Some(self.usage_limit(clock)),
            Means::Is(cause) => Some(cause.clone().into()),
            Means::Http(reason) => Some(Cause::BackendError(BackendTrouble::Http(self.status?, reason)).into()),
        }
    }

    fn usage_limit(&self, clock: &Zoned) -> Diagnosis {
        let now = SystemTime::from(clock.timestamp());
        let until = |at: SystemTime| at.duration_since(now).ok();
        let may_be = |&at: &SystemTime| is_a_date(at) && at.checked_add(LONG_PAST).is_none_or(|at| at >= now);
        let seconds = self.body.resets_in_seconds.map(Duration::from_secs);
        let seconds = seconds.filter(|&seconds| now.checked_add(seconds).is_some_and(is_a_date));
        let at = self.body.resets_at.and_then(|at| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at)));
        let at = at.filter(may_be).or_else(|| now.checked_add(seconds?));
        let told = || retry_time(&self.text, clock).filter(may_be);
        let resets_at = at.or_else(told);
        Diagnosis { cause: Cause::UsageLimit { resets_in: seconds.or(resets_at.and_then(until)) }, resets_at }
    }
}

/// The status of a message that consists of the backend's JSON alone.
const BAD_REQUEST: u16 = 400;

/// The last second that a JavaScript `Date` can show, since 1970.
pub const LAST_DATE: Duration = Duration::from_secs(8_640_000_000_000);

/// Clocks differ, but not by this: what lies further back is no reset.
const LONG_PAST: Duration = Duration::from_hours(365 * 24);

fn is_a_date(at: SystemTime) -> bool {
    at.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since <= LAST_DATE)
}

/// The members of the backend's JSON about a refusal.
#[derive(Debug, Default)]
struct Body {
    codes: Vec<String>,
    status: Option<u16>,
    resets_in_seconds: Option<u64>,
    resets_at: Option<u64>,
}

impl Body {
    /// Reads the members of the JSON in `text`, at any depth and in JSON that a string quotes. Not
    /// with a parser: Codex shortens long bodies, and what one member says must not depend on the
    /// others. A member of another type than expected is left out, and of several the first counts.
    fn read(text: &str) -> Self {
        let mut body = Self::default();
        for member in MEMBER.captures_iter(text) {
            let number = member.name("number").map(|number| number.as_str());
            match (&member["name"], member.name("text")) {
                ("resets_in_seconds", _) => fill(&mut body.resets_in_seconds, number),
                ("resets_at", _) => fill(&mut body.resets_at, number),
                // A failed call over a WebSocket is reported with its status (0.140.0 and later).
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

/// Reads `number` into `place`, unless something is there.
fn fill<T: FromStr>(place: &mut Option<T>, number: Option<&str>) {
    *place = place.take().or_else(|| number?.parse().ok());
}

/// One member of the backend's JSON. A number is read only where it is whole.
static MEMBER: LazyLock<Regex> = LazyLock::new(|| {
    regex(concat!(
        r#"\\*"(?P<name>code|type|error|rate_limit_reached_type|status|resets_at|resets_in_seconds)\\*"\s*:\s*"#,
        r#"(?:\\*"(?P<text>[^"\\]*)|(?P<number>\d+)\s*[,}])"#
    ))
});

const fn is_failure(status: &u16) -> bool {
    matches!(status, 400..=599)
}

/// The content of a Rust string literal, up to its closing quote.
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

/// Where a sentence names a status: "unexpected status 401 Unauthorized: …", "exceeded retry limit,
/// last status: 429 Too Many Requests", "Access blocked by Cloudflare. … (status 403 Forbidden)",
/// "Failed to refresh token: 500 Internal Server Error", "HTTP error: 403 Forbidden".
static STATUS: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"(unexpected status|last status:|\(status|refresh token:|HTTP error:) (?P<status>[1-5]\d{2})\b")
});

fn leading_number(text: &str) -> Option<u16> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().ok()
}
