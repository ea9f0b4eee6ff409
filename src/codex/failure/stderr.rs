//! Collects the failure reports on Codex's stderr.

use std::sync::LazyLock;

use regex::Regex;

use super::report::{IMAGE_CALL_FAILED, Report};
use crate::codex::code_mode;
use crate::error::ToolUnavailable;
use crate::text::pattern::regex;
use crate::text::printable::printable;
use crate::text::tail::Tail;

/// Length of the tail of stderr that is kept, in bytes.
const STDERR_BYTES: usize = 16 << 10;

/// Tail of stderr, and the failure reports in it. Its size is bounded.
#[derive(Debug)]
pub struct StderrDigest {
    /// Last part of stderr.
    pub tail: Tail,
    /// Last report of a failed image call whose cause is known.
    pub(super) image_call: Option<Report<'static>>,
    /// Whether the agent called an image tool that it does not have.
    pub(super) unsupported: bool,
    /// First report that code mode cannot draw.
    pub(super) code_mode: Option<ToolUnavailable>,
}

impl Default for StderrDigest {
    fn default() -> Self {
        Self { tail: Tail::new(STDERR_BYTES), image_call: None, unsupported: false, code_mode: None }
    }
}

/// Texts of which a line must contain one to be parsed. A new kind of report needs its own.
const KNOWN_TEXTS: [&str; 3] = [IMAGE_CALL_FAILED, UNSUPPORTED, code_mode::REPORT_MARKER];

impl StderrDigest {
    /// Checks one line for a failure report.
    pub fn note(&mut self, line: &[u8]) {
        let contains = |text: &str| memchr::memmem::find(line, text.as_bytes()).is_some();
        if !KNOWN_TEXTS.into_iter().any(contains) {
            return;
        }
        let line = String::from_utf8_lossy(line);
        let line = printable(&line);
        let Some(report) = reported(&line) else { return };
        self.unsupported |= report.starts_with(UNSUPPORTED);
        self.code_mode = self.code_mode.take().or_else(|| code_mode::unavailable_reason(report));
        if report.starts_with(IMAGE_CALL_FAILED) {
            let report = Report::of_image_call(report);
            if report.row().is_some() {
                self.image_call = Some(report);
            }
        }
    }

    /// Returns the report in the last line: Codex prints the reason there before it exits with an
    /// error.
    pub(super) fn last_report(&self) -> Option<String> {
        let line = self.tail.last_line()?;
        reported(&line).map(str::to_owned)
    }
}

/// Returns the report in a line of stderr: the message of a log line, or the whole of another line.
///
/// Ignores log lines that report no failure of the turn or the login. Side requests, such as for
/// the list of models, fail in successful turns, too, and traces quote the prompt
/// (`RUST_LOG=trace`).
fn reported(line: &str) -> Option<&str> {
    let Some(log) = LOG_LINE.captures(line) else { return Some(line) };
    if !matches!(&log["level"], "ERROR" | "WARN") {
        return None;
    }
    match (log.name("target"), log.name("report")) {
        (Some(target), Some(report)) if TURN_TARGETS.contains(&target.as_str()) => Some(report.as_str()),
        // "ERROR: …" without a time is not a log line.
        _ => log.name("time").is_none().then_some(line),
    }
}

/// Log targets (crates of Codex) that report on the turn itself or the login.
const TURN_TARGETS: [&str; 5] = ["codex_api", "codex_client", "codex_core", "codex_exec", "codex_login"];

/// Report that the agent called an image tool that it does not have. Printed by 0.132.0 with a
/// relay and by 0.169.0 with direct tools. In code mode nothing is printed.
const UNSUPPORTED: &str = "unsupported call: image_gen";

/// Log line of Codex, with or without spans:
/// `2026-06-01T12:00:00.101448Z ERROR turn{model=x}: codex_core::tools::router: error=…`.
static LOG_LINE: LazyLock<Regex> = LazyLock::new(|| {
    regex(concat!(
        r"^(?P<time>\d{4}-\d{2}-\d{2}T\S+\s+)?(?P<level>ERROR|WARN|INFO|DEBUG|TRACE)\b",
        r"(?:\s+(?:[^\s{]*\{[^}]*\}:)*\s*(?P<target>\w+)(?:::\w+)*:\s+(?:error=)?(?P<report>.*))?"
    ))
});
