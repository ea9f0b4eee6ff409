//! Why a turn delivered no picture, read from what Codex printed.
//!
//! Structure comes first: the HTTP status and the backend's JSON in stderr's report of the image call, then the event that
//! ends a failed turn, then the sentinel. Words decide only where there is nothing else, and only words that were seen in
//! the real CLI (0.132.0 and 0.169.0 unless said otherwise), most of them on a backend that was told to fail.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use jiff::Zoned;
use jiff::civil::{Date, Time};
use regex::Regex;
use serde::Deserialize;

use super::events::{MESSAGE_BYTES, Transcript};
use crate::error::{BackendTrouble, Cause, Unmounted};
use crate::text::beginning;
use crate::text::redact::Redactor;
use crate::text::tail::Tail;

/// How much of stderr is shown, in bytes.
const STDERR_BYTES: usize = 16 << 10;

/// What is remembered of stderr. Bounded, however much comes.
#[derive(Debug)]
pub struct Complaints {
    /// Its end.
    pub tail: Tail,
    image_call: Option<Refusal>,
    unsupported: bool,
}

impl Default for Complaints {
    fn default() -> Self {
        Self { tail: Tail::new(STDERR_BYTES), image_call: None, unsupported: false }
    }
}

impl Complaints {
    /// Takes in one line.
    pub fn note(&mut self, line: &[u8]) {
        let find = |words: &str| memchr::memmem::find(line, words.as_bytes());
        // 0.132.0 under a relay, and 0.169.0 with direct tools; in code mode nothing is printed.
        self.unsupported |= find("unsupported call: image_gen").is_some();
        if let Some(at) = find(IMAGE_CALL_FAILED) {
            let report = String::from_utf8_lossy(&line[at + IMAGE_CALL_FAILED.len()..]);
            self.image_call = Refusal::parse(&report).or(self.image_call.take());
        }
    }
}

/// What stderr says before the reason of a failed image call (0.144 and later, where the CLI makes that call itself): `http
/// 429 Too Many Requests: Some("{\"error\":…}")`, whose quoted part is a Rust string literal with the backend's JSON, or
/// `network error: error sending request`.
const IMAGE_CALL_FAILED: &str = "image generation failed: ";

/// What a call that failed was answered.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// By the backend.
    Http(u16, BackendError),
    /// By nobody.
    Unreachable,
}

/// The backend's own words about a refusal.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
struct BackendError {
    #[serde(rename = "type")]
    kind: Option<String>,
    code: Option<String>,
    resets_in_seconds: Option<u64>,
    resets_at: Option<u64>,
}

impl Refusal {
    fn parse(report: &str) -> Option<Self> {
        let Some(answer) = report.strip_prefix("http ") else {
            return report.starts_with("network error").then_some(Self::Unreachable);
        };
        let http = leading_number(answer)?;
        let body = answer.split_once("Some(\"").map(|(_, literal)| unescape(literal));
        Some(Self::Http(http, body.as_deref().and_then(BackendError::parse).unwrap_or_default()))
    }

    fn diagnosis(&self, now: SystemTime) -> Diagnosis {
        match self {
            Self::Unreachable => Cause::BackendError(BackendTrouble::Unreachable).into(),
            Self::Http(http, error) => error.diagnosis(now).unwrap_or_else(|| from_status(*http).into()),
        }
    }
}

impl BackendError {
    /// Reads `{"error":{…}}`. Anything else says nothing.
    fn parse(json: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body {
            error: BackendError,
        }
        serde_json::from_str::<Body>(json).ok().map(|body| body.error)
    }

    /// What the error's own type and code establish.
    fn diagnosis(&self, now: SystemTime) -> Option<Diagnosis> {
        let says = |word: &str| [&self.kind, &self.code].into_iter().flatten().any(|text| text == word);
        if says("usage_limit_reached") {
            return Some(self.usage_limit(now));
        }
        let cause = match () {
            () if says("moderation_blocked") => Cause::SafetyRejected,
            () if says("rate_limit_exceeded") => Cause::RateLimited,
            () if says("token_expired") => Cause::NotSignedIn,
            () => return None,
        };
        Some(cause.into())
    }

    fn usage_limit(&self, now: SystemTime) -> Diagnosis {
        let at = self.resets_at.and_then(|at| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at)));
        let until = at.and_then(|at| at.duration_since(now).ok());
        let resets_in = self.resets_in_seconds.map(Duration::from_secs).or(until);
        let resets_at = at.or_else(|| now.checked_add(resets_in?));
        Diagnosis { cause: Cause::UsageLimit { resets_in }, resets_at }
    }
}

/// What a status establishes where the backend said nothing more.
const fn from_status(http: u16) -> Cause {
    match http {
        401 => Cause::NotSignedIn,
        429 => Cause::RateLimited,
        http => Cause::BackendError(BackendTrouble::Http(http)),
    }
}

/// The content of a Rust string literal, up to its closing quote.
fn unescape(literal: &str) -> String {
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

/// What was said, for logs: the failed turn's own message, the agent's last words, the end of
/// stderr. Each is bounded once more after `redactor` has made it longer.
#[must_use]
pub fn detail(transcript: &Transcript, complaints: &Complaints, redactor: &Redactor) -> String {
    let told = transcript.failed.as_deref().or(transcript.trouble.as_deref()).unwrap_or_default();
    let told = beginning(&redactor.redact(told), MESSAGE_BYTES).to_owned();
    [("codex", told), ("agent", transcript.words.redacted(redactor)), ("stderr", complaints.tail.redacted(redactor))]
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(who, text)| format!("{who}: {text}"))
        .collect::<Vec<_>>()
        .join("\n")
}

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

/// What the turn's own reports establish; none if they establish nothing.
#[must_use]
pub fn diagnose(transcript: &Transcript, complaints: &Complaints, now: SystemTime) -> Option<Diagnosis> {
    if let Some(refusal) = &complaints.image_call {
        return Some(refusal.diagnosis(now));
    }
    if complaints.unsupported || transcript.says_unavailable {
        return Some(Cause::ImageGenUnavailable(Unmounted::Reported).into());
    }
    from_turn_failure(transcript.failed.as_deref()?, now)
}

/// What Codex's last trouble establishes about a turn that was stopped because it did nothing but connect anew:
/// "Reconnecting... 3/5 (what went wrong)".
#[must_use]
pub fn diagnose_trouble(transcript: &Transcript, now: SystemTime) -> Diagnosis {
    let told = transcript.trouble.as_deref().and_then(|trouble| from_turn_failure(trouble, now));
    told.unwrap_or_else(|| Cause::BackendError(BackendTrouble::Unreachable).into())
}

/// What the message of `turn.failed` establishes. It is the backend's JSON, or a status in words, or words alone; on the
/// hosted route (0.142 and earlier) failures of the image tool come this way too, as failures of the stream.
fn from_turn_failure(message: &str, now: SystemTime) -> Option<Diagnosis> {
    if let Some(diagnosis) = BackendError::parse(message).and_then(|error| error.diagnosis(now)) {
        return Some(diagnosis);
    }
    // "unexpected status 401 Unauthorized: …", "exceeded retry limit, last status: 429 Too Many Requests"
    let after_status = ["unexpected status ", "last status: "].iter().find_map(|words| message.split_once(words));
    if let Some(http) = after_status.and_then(|(_, status)| leading_number(status)) {
        return Some(from_status(http).into());
    }
    let (_, cause) = WORDS.iter().find(|(words, _)| message.contains(words))?;
    if !matches!(cause, Cause::UsageLimit { .. }) {
        return Some(cause.clone().into());
    }
    let resets_at = retry_time(message, &Zoned::try_from(now).ok()?);
    let resets_in = resets_at.and_then(|at| at.duration_since(now).ok());
    Some(Diagnosis { cause: Cause::UsageLimit { resets_in }, resets_at })
}

/// When a usage limit resets according to Codex's own sentence, in the user's time zone and to the minute: "try again at 12:16
/// PM." today, or "try again at Nov 25th, 2026 12:16 PM." later (0.132.0 and 0.169.0).
fn retry_time(message: &str, now: &Zoned) -> Option<SystemTime> {
    let found = RETRY_TIME.captures(message)?;
    let time = Time::strptime("%I:%M %p", &found["time"]).ok()?;
    let date = match (found.name("day"), found.name("year")) {
        (Some(day), Some(year)) => Date::strptime("%b %d %Y", format!("{} {}", day.as_str(), year.as_str())).ok()?,
        _ => now.date(),
    };
    Some(date.to_datetime(time).to_zoned(now.time_zone().clone()).ok()?.timestamp().into())
}

#[expect(clippy::expect_used, reason = "the pattern is a constant, and a test compiles it")]
static RETRY_TIME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"try again at ((?P<day>[A-Z][a-z]{2} \d{1,2})[a-z]{2}, (?P<year>\d{4}) )?(?P<time>\d{1,2}:\d{2} [AP]M)")
        .expect("a constant pattern")
});

/// Words that were seen, the specific before the general: "stream disconnected" introduces most of the others.
static WORDS: [(&str, Cause); 12] = [
    ("hit your usage limit", Cause::UsageLimit { resets_in: None }),
    ("usage limit has been reached", Cause::UsageLimit { resets_in: None }),
    ("rejected by the safety system", Cause::SafetyRejected),
    ("Rate limit reached", Cause::RateLimited),
    ("access token could not be refreshed", Cause::NotSignedIn),
    ("authentication token is expired", Cause::NotSignedIn),
    ("experiencing high demand", Cause::BackendError(BackendTrouble::Overloaded)),
    ("server had an error", Cause::BackendError(BackendTrouble::Failed)),
    ("error sending request", Cause::BackendError(BackendTrouble::Unreachable)),
    ("network error", Cause::BackendError(BackendTrouble::Unreachable)),
    ("workspace routing discovery failed", Cause::BackendError(BackendTrouble::Unreachable)),
    ("stream disconnected", Cause::BackendError(BackendTrouble::Unreachable)),
];

fn leading_number(text: &str) -> Option<u16> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codex::events::Event;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn from_stderr(line: &str) -> Option<Diagnosis> {
        let mut complaints = Complaints::default();
        complaints.note(line.as_bytes());
        diagnose(&Transcript::default(), &complaints, NOW)
    }

    fn from_turn(message: &str) -> Option<Diagnosis> {
        let mut transcript = Transcript::default();
        transcript.note(&Event::TurnFailed(message.into()));
        diagnose(&transcript, &Complaints::default(), NOW)
    }

    fn code(diagnosis: Option<Diagnosis>) -> Option<&'static str> {
        diagnosis.map(|diagnosis| diagnosis.cause.code())
    }

    const ROUTER: &str = "2026-11-22T10:46:16.278818Z ERROR codex_core::tools::router: error=";

    #[test]
    fn reports_of_the_image_call_are_understood() {
        // Printed by 0.169.0, code mode and direct tools alike; the unsupported call by 0.132.0 too.
        for (report, expected) in [
            (
                r#"image generation failed: http 401 Unauthorized: Some("{\"error\":{\"type\":null,\"code\":\"token_expired\",\"message\":\"Provided authentication token is expired. Please try signing in again.\",\"param\":null}}")"#,
                "NOT_SIGNED_IN",
            ),
            (r#"image generation failed: http 404 Not Found: Some("{\"detail\":\"Not Found\"}")"#, "BACKEND_ERROR"),
            (
                r#"image generation failed: http 500 Internal Server Error: Some("{\"error\":{\"type\":\"server_error\",\"code\":null,\"message\":\"The server had an error while processing your request. Sorry about that!\",\"param\":null}}")"#,
                "BACKEND_ERROR",
            ),
            ("image generation failed: network error: error sending request", "BACKEND_ERROR"),
            (
                r#"image generation failed: http 400 Bad Request: Some("{\"error\":{\"type\":\"image_generation_user_error\",\"code\":\"moderation_blocked\",\"message\":\"Your request was rejected by the safety system. safety_violations=[violence].\",\"param\":null}}")"#,
                "SAFETY_REJECTED",
            ),
            (
                r#"image generation failed: http 429 Too Many Requests: Some("{\"error\":{\"type\":\"requests\",\"code\":\"rate_limit_exceeded\",\"message\":\"Rate limit reached for gpt-image on images per min. Please try again in 1s.\",\"param\":null}}")"#,
                "RATE_LIMITED",
            ),
            ("image generation failed: http 429 Too Many Requests: None", "RATE_LIMITED"),
            ("unsupported call: image_genimagegen", "IMAGE_GEN_UNAVAILABLE"),
        ] {
            assert_eq!(code(from_stderr(&format!("{ROUTER}{report}"))), Some(expected), "{report}");
        }
        assert_eq!(from_stderr("ERROR rmcp::transport::worker: worker quit"), None);
        assert_eq!(from_stderr("image generation failed: something new"), None);
    }

    #[test]
    fn a_usage_limit_tells_when_it_resets() {
        let report = r#"image generation failed: http 429 Too Many Requests: Some("{\"error\":{\"type\":\"usage_limit_reached\",\"code\":null,\"message\":\"The usage limit has been reached\",\"plan_type\":\"plus\",\"resets_at\":1795349765,\"resets_in_seconds\":5400}}")"#;
        let diagnosis = from_stderr(&format!("{ROUTER}{report}")).unwrap();
        assert_eq!(diagnosis.cause, Cause::UsageLimit { resets_in: Some(Duration::from_secs(5400)) });
        assert_eq!(diagnosis.resets_at, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_349_765)));

        let relative = BackendError { resets_in_seconds: Some(60), ..BackendError::default() }.usage_limit(NOW);
        assert_eq!(relative.resets_at, Some(NOW + Duration::from_secs(60)));
        let absurd =
            BackendError { resets_at: Some(u64::MAX), resets_in_seconds: Some(u64::MAX), ..BackendError::default() };
        assert_eq!(absurd.usage_limit(NOW).resets_at, None);
    }

    #[test]
    fn messages_of_failed_turns_are_understood() {
        for (message, expected) in [
            // 0.132.0
            (
                "You've hit your usage limit. Upgrade to Pro (https://chatgpt.com/explore/pro), visit https://chatgpt.com/codex/settings/usage to purchase more credits or try again at 12:16 PM.",
                "USAGE_LIMIT",
            ),
            ("stream disconnected before completion: The usage limit has been reached", "USAGE_LIMIT"),
            (
                "stream disconnected before completion: Your request was rejected by the safety system. safety_violations=[violence].",
                "SAFETY_REJECTED",
            ),
            (
                "stream disconnected before completion: Rate limit reached for gpt-image on images per min. Please try again in 1s.",
                "RATE_LIMITED",
            ),
            (
                "stream disconnected before completion: Provided authentication token is expired. Please try signing in again.",
                "NOT_SIGNED_IN",
            ),
            (
                "stream disconnected before completion: The server had an error while processing your request. Sorry about that!",
                "BACKEND_ERROR",
            ),
            (
                "stream disconnected before completion: Transport error: network error: error decoding response body",
                "BACKEND_ERROR",
            ),
            (
                "stream disconnected before completion: error sending request for url (https://127.0.0.1:9/backend-api/codex/responses)",
                "BACKEND_ERROR",
            ),
            ("stream disconnected before completion: Not Found", "BACKEND_ERROR"),
            ("We're currently experiencing high demand, which may cause temporary errors.", "BACKEND_ERROR"),
            ("error sending request for url (http://127.0.0.1:9/oauth/token)", "BACKEND_ERROR"),
            // 0.169.0, whose apostrophes are typographic
            (
                "You\u{2019}ve hit your usage limit. Upgrade to Pro (https://chatgpt.com/explore/pro), visit https://chatgpt.com/settings/usage to purchase more credits or try again at 12:16 PM.",
                "USAGE_LIMIT",
            ),
            ("We\u{2019}re currently experiencing high demand, which may cause temporary errors.", "BACKEND_ERROR"),
            ("stream disconnected before completion: error sending request", "BACKEND_ERROR"),
            ("workspace routing discovery failed", "BACKEND_ERROR"),
            // Both, and 0.140.0 where tried
            (
                "Your access token could not be refreshed because your refresh token has expired. Please log out and sign in again.",
                "NOT_SIGNED_IN",
            ),
            (
                "unexpected status 401 Unauthorized: Missing bearer or basic authentication in header, url: https://127.0.0.1:40529/backend-api/codex/responses",
                "NOT_SIGNED_IN",
            ),
            (
                "unexpected status 401 Unauthorized: Provided authentication token is expired. Please try signing in again., url: https://127.0.0.1:43833/backend-api/codex/responses",
                "NOT_SIGNED_IN",
            ),
            (
                r#"unexpected status 404 Not Found: {"detail":"Not Found"}, url: https://127.0.0.1:43833/backend-api/codex/responses"#,
                "BACKEND_ERROR",
            ),
            ("exceeded retry limit, last status: 429 Too Many Requests", "RATE_LIMITED"),
            (
                r#"{"error":{"type":"image_generation_user_error","code":"moderation_blocked","message":"Your request was rejected by the safety system. safety_violations=[violence].","param":null}}"#,
                "SAFETY_REJECTED",
            ),
        ] {
            assert_eq!(code(from_turn(message)), Some(expected), "{message}");
        }
        assert_eq!(from_turn("something nobody has seen"), None);
    }

    #[test]
    fn the_sentence_about_a_usage_limit_is_read_in_the_users_own_time_zone() {
        let now: Zoned = "2026-11-22T10:46:00+01:00[Europe/Berlin]".parse().unwrap();
        let at = |text: &str| {
            let message =
                format!("You've hit your usage limit. Upgrade to Pro (https://chatgpt.com/explore/pro){text}");
            retry_time(&message, &now)
                .map(|at| Zoned::try_from(at).unwrap().with_time_zone(now.time_zone().clone()).to_string())
        };
        assert_eq!(at(" or try again at 12:16 PM.").unwrap(), "2026-11-22T12:16:00+01:00[Europe/Berlin]");
        assert_eq!(at(" or try again at 1:05 PM.").unwrap(), "2026-11-22T13:05:00+01:00[Europe/Berlin]");
        assert_eq!(at(" or try again at Nov 25th, 2026 9:07 AM.").unwrap(), "2026-11-25T09:07:00+01:00[Europe/Berlin]");
        assert_eq!(at(" or try again at Jul 1st, 2027 12:00 AM.").unwrap(), "2027-07-01T00:00:00+02:00[Europe/Berlin]");
        for unknown in
            ["", " or try again later.", " or try again at noon.", " or try again at PM", " try again at 99:99 PM."]
        {
            assert_eq!(at(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn the_image_calls_own_report_goes_before_the_turns_end() {
        let mut complaints = Complaints::default();
        complaints.note(b"image generation failed: http 500 Internal Server Error: None");
        let mut transcript = Transcript::default();
        transcript.note(&Event::TurnFailed("You've hit your usage limit.".into()));
        transcript.note(&Event::Message("IMAGE_GEN_UNAVAILABLE".into()));
        assert_eq!(code(diagnose(&transcript, &complaints, NOW)), Some("BACKEND_ERROR"));
    }

    #[test]
    fn a_rust_literal_is_read_to_its_own_end() {
        assert_eq!(unescape(r#"a\"b\\c\n\u{e9}\'d") and more "x"#), "a\"b\\c\n\u{e9}'d");
        assert_eq!(unescape(r"cut off \"), "cut off ");
        assert_eq!(unescape(r"\u{110000}x"), "x");
    }
}
