//! Finds the failure of a turn that has no image.

use jiff::Zoned;

use crate::codex::failure::{self, Diagnosis, detail, diagnose};
use crate::codex::store::ImageError;
use crate::codex::turn::{FinishedTurn, TurnOutput};
use crate::error::{Cause, Evidence, Failure};
use crate::png::PngError;
use crate::process::Exit;
use crate::provenance::Rejection;
use crate::request::Request;

/// Warning if processes of the tree may still be running.
pub const SURVIVORS: &str = "Some processes that Codex started may still be running: this system does not show all of them, or \
    they could not be ended. Look for them in its list of processes.";

/// Returns the failure of a turn that ended by itself without an image. A cause that Codex reported
/// comes first, then an image that is too large, then an unsuccessful end, then `rejection`. `exit`
/// is None if Codex reported the end of the turn and had to be stopped.
pub fn without_image(rejection: Rejection, request: &Request, finished: &FinishedTurn, exit: Option<Exit>) -> Failure {
    let otherwise = || match (cause_of(rejection, request.max_image_bytes), exit) {
        (cause @ Cause::ImageTooLarge { .. }, _) => cause,
        (_, Some(exit)) if !exit.is_success() => Cause::CodexFailed(exit),
        (_, None) if finished.output.transcript.failed.is_some() => Cause::TurnFailed,
        (cause, _) => cause,
    };
    let reported = diagnose(&finished.output.transcript, &finished.output.stderr, exit, &local_now(request));
    let mut failure = failure(reported.unwrap_or_else(|| otherwise().into()), finished);
    failure.evidence.exit = exit;
    failure
}

pub const fn cause_of(rejection: Rejection, limit: u64) -> Cause {
    match rejection {
        Rejection::Refused(ImageError::TooLarge) => Cause::ImageTooLarge { limit },
        Rejection::Refused(ImageError::InUse) => Cause::InvalidImage(PngError::NotRegular("it cannot be opened")),
        Rejection::Refused(ImageError::Invalid(error)) => Cause::InvalidImage(error),
        Rejection::NoImage(reason) => Cause::NoImage(reason),
    }
}

/// The current time in the time zone of Codex's messages.
pub fn local_now(request: &Request) -> Zoned {
    failure::now_in(request.env.get("TZ"))
}

/// The failure, with the output of the turn as its detail.
pub fn failure(Diagnosis { cause, resets_at }: Diagnosis, finished: &FinishedTurn) -> Failure {
    let TurnOutput { transcript, stderr } = &finished.output;
    let thread_id = transcript.thread.as_ref().map(ToString::to_string);
    let mut detail = detail(transcript, stderr, &finished.redactor);
    append(&mut detail, finished.may_have_survivors.then_some(SURVIVORS));
    Failure { cause, evidence: Box::new(Evidence { exit: None, thread_id, resets_at, detail }) }
}

/// Appends a sentence on its own line.
pub fn append(detail: &mut String, sentence: Option<&str>) {
    let Some(sentence) = sentence else { return };
    detail.extend((!detail.is_empty()).then_some('\n'));
    detail.push_str(sentence);
}
