//! When a usage limit resets, by Codex's own sentence.

use std::sync::LazyLock;
use std::time::SystemTime;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use regex::Regex;

use crate::text::pattern::regex;

/// Now, in the time zone in which Codex names times: the one that its environment's `TZ` names,
/// else the system's.
#[must_use]
pub fn clock(zone: Option<&str>) -> Zoned {
    let zone = zone.and_then(|name| TimeZone::get(name.strip_prefix(':').unwrap_or(name)).ok());
    Timestamp::now().to_zoned(zone.unwrap_or_else(TimeZone::system))
}

/// When a usage limit resets according to Codex's own sentence, in the time zone of `now` and to
/// the minute: "try again at 12:16 PM." today, or "try again at Nov 25th, 2026 12:16 PM." later
/// (0.132.0 and 0.169.0).
pub fn retry_time(message: &str, now: &Zoned) -> Option<SystemTime> {
    let found = RETRY_TIME.captures(message)?;
    let time = Time::strptime("%I:%M %p", &found["time"]).ok()?;
    let date = match (found.name("day"), found.name("year")) {
        (Some(day), Some(year)) => Date::strptime("%b %d %Y", format!("{} {}", day.as_str(), year.as_str())).ok()?,
        _ => now.date(),
    };
    Some(date.to_datetime(time).to_zoned(now.time_zone().clone()).ok()?.timestamp().into())
}

static RETRY_TIME: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"[Tt]ry again at ((?P<day>[A-Z][a-z]{2} \d{1,2})[a-z]{2}, (?P<year>\d{4}) )?(?P<time>\d{1,2}:\d{2} [AP]M)")
});
