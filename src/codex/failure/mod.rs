//! Diagnoses from Codex's output why a turn delivered no image.
//!
//! Uses the first of these reports: that of the image call on stderr, those of a missing image tool
//! (stderr, or the agent's answer [`UNAVAILABLE`](super::prompt::UNAVAILABLE)), `turn.failed`, and
//! without that event the last line of stderr, if Codex exited with an error. The module `causes`
//! maps a report to its cause.

mod causes;
mod report;
mod reset_time;
mod stderr;
#[cfg(test)]
mod tests;

use jiff::Zoned;

use super::events::{MESSAGE_BYTES, Transcript};
use crate::error::{BackendTrouble, Cause, ToolUnavailable};
use crate::process::Exit;
use crate::text::beginning;
use crate::text::redact::Redactor;

use report::Report;

pub use report::Diagnosis;
pub use reset_time::now_in;
pub use stderr::StderrDigest;

/// Formats the output of a turn for logs: the failed turn's own message, the agent's last messages
/// and the tail of stderr. Each is cut again after redaction, which may lengthen it.
#[must_use]
pub fn detail(transcript: &Transcript, stderr: &StderrDigest, redactor: &Redactor) -> String {
    let message = transcript.failed.as_deref().or(transcript.last_error.as_deref()).unwrap_or_default();
    let message = beginning(&redactor.redact(message), MESSAGE_BYTES).to_owned();
    [
        ("codex", message),
        ("agent", transcript.agent_messages.redacted(redactor)),
        ("stderr", stderr.tail.redacted(redactor)),
    ]
    .into_iter()
    .filter(|(_, text)| !text.is_empty())
    .map(|(source, text)| format!("{source}: {text}"))
    .collect::<Vec<_>>()
    .join("\n")
}

/// Returns the cause that the turn's own reports establish, if any. `exit` is `None` if Codex was
/// stopped.
#[must_use]
pub fn diagnose(transcript: &Transcript, stderr: &StderrDigest, exit: Option<Exit>, now: &Zoned) -> Option<Diagnosis> {
    if let Some(diagnosis) = stderr.image_call.as_ref().and_then(|report| report.diagnosis(now)) {
        return Some(diagnosis);
    }
    if let Some(reason) = &stderr.code_mode {
        return Some(Cause::ImageGenUnavailable(reason.clone()).into());
    }
    if stderr.unsupported || transcript.reported_unavailable {
        return Some(Cause::ImageGenUnavailable(ToolUnavailable::Reported).into());
    }
    match (&transcript.failed, exit) {
        (Some(message), _) => Report::new(message).diagnosis(now),
        (None, Some(Exit::Code(code))) if code != 0 => Report::new(stderr.last_report()?).diagnosis(now),
        _ => None,
    }
}

/// Returns the cause for a turn that was stopped because it only reconnected, from the reason in
/// its last message: "Reconnecting... 3/5 (reason)".
#[must_use]
pub fn diagnose_reconnects(transcript: &Transcript, now: &Zoned) -> Diagnosis {
    let diagnosis = transcript.last_reconnect.as_deref().and_then(|message| Report::new(message).diagnosis(now));
    diagnosis.unwrap_or_else(|| Cause::BackendError(BackendTrouble::Unreachable).into())
}
