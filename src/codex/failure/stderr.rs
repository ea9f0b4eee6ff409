//! What is remembered of Codex's stderr.

use std::sync::LazyLock;

use regex::Regex;

use super::report::{IMAGE_CALL_FAILED, Report};
use crate::codex::code_mode;
use crate::error::ToolUnavailable;
use crate::text::pattern::regex;
use crate::text::printable::printable;
use crate::text::tail::Tail;

/// How much of stderr is shown, in bytes.
const STDERR_BYTES: usize = 16 << 10;

/// What is remembered of stderr. Bounded, however much comes.
#[derive(Debug)]
pub struct StderrDigest {
    /// Its end.
    pub tail: Tail,
    pub(super) image_call: Option<Report<'static>>,
    pub(super) unsupported: bool,
    pub(super) code_mode: Option<ToolUnavailable>,
}

impl Default for StderrDigest {
    fn default() -> Self {
        Self { tail: Tail::new(STDERR_BYTES), image_call: None, unsupported: false, code_mode: None }
    }
}

impl StderrDigest {
    /// Takes in one line.
    pub fn note(&mut self, line: &[u8]) {
        let mentions = |words: &str| memchr::memmem::find(line, words.as_bytes()).is_some();
        if ![IMAGE_CALL_FAILED, UNSUPPORTED, code_mode::HOST_WORDS].into_iter().any(mentions) {
            return;
        }
        let line = String::from_utf8_lossy(line);
        let line = printable(&line);
        let Some(report) = reported(&line) else { return };
        self.unsupported |= report.starts_with(UNSUPPORTED);
        self.code_mode = self.code_mode.take().or_else(|| code_mode::trouble(report));
        if report.starts_with(IMAGE_CALL_FAILED) {
            let report = Report::of_image_call(report);
            if report.means().is_some() {
                self.image_call = Some(report);
            }
        }
    }

    /// The last line, in which a Codex that ends with an error says why.
    pub(super) fn last_words(&self) -> Option<String> {
        let line = self.tail.last_line()?;
        reported(&line).map(str::to_owned)
    }
}

/// The report in a line of stderr: all of it, or the rest of a log line behind its head. None of a
/// log line that reports no failure of the turn or the login: others tell of side requests, such as
/// for the list of models, which fail in good runs too, or quote the prompt (`RUST_LOG=trace`).
fn reported(line: &str) -> Option<&str> {
    let Some(log) = LOG_LINE.captures(line) else { return Some(line) };
    let tells_of_failure = matches!(&log["level"], "ERROR" | "WARN");
    match (log.name("target"), log.name("report")) {
        (Some(target), Some(report)) if OWN_LOGS.contains(&target.as_str()) => Some(report.as_str()),
        // "ERROR: …" is no line of the log.
        _ => log.name("time").is_none().then_some(line),
    }
    .filter(|_| tells_of_failure)
}

/// The parts of Codex whose log is of the turn itself or of the login.
const OWN_LOGS: [&str; 5] = ["codex_api", "codex_client", "codex_core", "codex_exec", "codex_login"];

/// How stderr reports that the agent called a tool that it does not have: 0.132.0 under a relay,
/// and 0.169.0 with direct tools; in code mode nothing is printed.
const UNSUPPORTED: &str = "unsupported call: image_gen";

/// A line of Codex's log, within spans or not:
/// `2026-06-01T12:00:00.101448Z ERROR turn{model=x}: codex_core::tools::router: error=…`.
static LOG_LINE: LazyLock<Regex> = LazyLock::new(|| {
    regex(concat!(
        r"^(?P<time>\d{4}-\d{2}-\d{2}T\S+\s+)?(?P<level>ERROR|WARN|INFO|DEBUG|TRACE)\b",
        r"(?:\s+(?:[^\s{]*\{[^}]*\}:)*\s*(?P<target>\w+)(?:::\w+)*:\s+(?:error=)?(?P<report>.*))?"
    ))
});
