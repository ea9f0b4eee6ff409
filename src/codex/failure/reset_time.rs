//! Parses the time at which a usage limit resets from Codex's message.

use std::sync::LazyLock;
use std::time::SystemTime;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use regex::Regex;

use crate::text::pattern::regex;

/// Returns the current time in the time zone that Codex uses in messages. `zone` is the variable
/// `TZ` of its environment; without it, the system's time zone applies.
#[must_use]
pub fn now_in(zone: Option<&str>) -> Zoned {
    let zone = zone.and_then(|name| TimeZone::get(name.strip_prefix(':').unwrap_or(name)).ok());
    Timestamp::now().to_zoned(zone.unwrap_or_else(TimeZone::system))
}

/// Parses the reset time of a usage limit, to the minute and in the time zone of `now`: "try again
/// at 12:16 PM." means today, and "try again at Nov 25th, 2026 12:16 PM." a later day (0.132.0 and
/// 0.169.0).
pub fn reset_time(message: &str, now: &Zoned) -> Option<SystemTime> {
    let found = RESET_TIME.captures(message)?;
    let time = Time::strptime("%I:%M %p", &found["time"]).ok()?;
    let date = match (found.name("day"), found.name("year")) {
        (Some(day), Some(year)) => Date::strptime("%b %d %Y", format!("{} {}", day.as_str(), year.as_str())).ok()?,
        _ => now.date(),
    };
    Some(date.to_datetime(time).to_zoned(now.time_zone().clone()).ok()?.timestamp().into())
}

static RESET_TIME: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"[Tt]ry again at ((?P<day>[A-Z][a-z]{2} \d{1,2})[a-z]{2}, (?P<year>\d{4}) )?(?P<time>\d{1,2}:\d{2} [AP]M)")
});
