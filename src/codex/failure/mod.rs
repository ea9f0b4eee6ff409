//! Why a turn delivered no picture, read from what Codex printed.
//!
//! [`super::causes`] tells what each report establishes. This module finds the report that counts:
//! stderr's report of the image call, then the sentinel, then the event that ends a failed turn,
//! then the last line of stderr of a Codex that exited with an error and without that event.

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
pub use reset_time::clock;
pub use stderr::StderrDigest;

/// The output of a turn, for logs: the failed turn's own message, the agent's last messages, the
/// end of stderr. Each is bounded once more after `redactor` has made it longer.
#[must_use]
pub fn detail(transcript: &Transcript, stderr: &StderrDigest, redactor: &Redactor) -> String {
    let message = transcript.failed.as_deref().or(transcript.trouble.as_deref()).unwrap_or_default();
    let message = beginning(&redactor.redact(message), MESSAGE_BYTES).to_owned();
    [("codex", message), ("agent", transcript.words.redacted(redactor)), ("stderr", stderr.tail.redacted(redactor))]
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(who, text)| format!("{who}: {text}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The cause that the turn's own reports establish, if they do. `exit` is none for a Codex that had
/// to be stopped.
#[must_use]
pub fn diagnose(
    transcript: &Transcript,
    stderr: &StderrDigest,
    exit: Option<Exit>,
    clock: &Zoned,
) -> Option<Diagnosis> {
    if let Some(diagnosis) = stderr.image_call.as_ref().and_then(|report| report.diagnosis(clock)) {
        return Some(diagnosis);
    }
    if let Some(trouble) = &stderr.code_mode {
        return Some(Cause::ImageGenUnavailable(trouble.clone()).into());
    }
    if stderr.unsupported || transcript.says_unavailable {
        return Some(Cause::ImageGenUnavailable(ToolUnavailable::Reported).into());
    }
    match (&transcript.failed, exit) {
        (Some(message), _) => Report::new(message).diagnosis(clock),
        (None, Some(Exit::Code(code))) if code != 0 => Report::new(stderr.last_words()?).diagnosis(clock),
        _ => None,
    }
}

/// What Codex's last try establishes about a turn that was stopped because it did nothing but
/// connect anew: "Reconnecting... 3/5 (what went wrong)".
#[must_use]
pub fn diagnose_trouble(transcript: &Transcript, clock: &Zoned) -> Diagnosis {
    let diagnosis = transcript.reconnecting.as_deref().and_then(|trouble| Report::new(trouble).diagnosis(clock));
    diagnosis.unwrap_or_else(|| Cause::BackendError(BackendTrouble::Unreachable).into())
}
