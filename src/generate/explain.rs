//! Why a finished turn has no picture.

use jiff::Zoned;

use crate::codex::failure::{self, Diagnosis, detail, diagnose};
use crate::codex::turn::{FinishedTurn, TurnOutput};
use crate::error::{Cause, Evidence, Failure, NoImageReason};
use crate::files::ReadError;
use crate::process::Exit;
use crate::provenance::Rejection;
use crate::request::Request;

/// What is said where the end of every process could not be made sure of.
pub const SURVIVORS: &str = "Some processes that Codex started may still be running: this system does not show all of them, or \
    they could not be ended. Look for them in its list of processes.";

/// Why a turn that ended by itself has brought no picture: what Codex reported, else what was
/// found, else how it ended. `exit` is none for a Codex that said so and had to be stopped.
pub fn without_picture(
    rejection: Rejection,
    request: &Request,
    finished: &FinishedTurn,
    exit: Option<Exit>,
) -> Failure {
    let otherwise = || match (cause_of(rejection, request.max_image_bytes), exit) {
        (cause @ Cause::ImageTooLarge { .. }, _) => cause,
        (_, Some(exit)) if !exit.is_success() => Cause::CodexFailed(exit),
        (_, None) if finished.output.transcript.failed.is_some() => Cause::TurnFailed,
        (cause, _) => cause,
    };
    let told = diagnose(&finished.output.transcript, &finished.output.stderr, exit, &clock(request));
    let mut failure = failure(told.unwrap_or_else(|| otherwise().into()), finished);
    failure.evidence.exit = exit;
    failure
}

pub const fn cause_of(rejection: Rejection, limit: u64) -> Cause {
    match rejection {
        Rejection::Refused(ReadError::TooLarge) => Cause::ImageTooLarge { limit },
        Rejection::Refused(ReadError::Flawed(flaw)) => Cause::InvalidImage(flaw),
        Rejection::Refused(ReadError::Absent) => Cause::NoImage(NoImageReason::NotDrawn),
        Rejection::NoImage(missing) => Cause::NoImage(missing),
    }
}

/// Now, as Codex tells the time.
pub fn clock(request: &Request) -> Zoned {
    failure::clock(request.env.get("TZ"))
}

/// The cause with what the turn said about it.
pub fn failure(Diagnosis { cause, resets_at }: Diagnosis, finished: &FinishedTurn) -> Failure {
    let TurnOutput { transcript, stderr } = &finished.output;
    let thread_id = transcript.thread.as_ref().map(ToString::to_string);
    let mut detail = detail(transcript, stderr, &finished.redactor);
    append(&mut detail, finished.may_have_survivors.then_some(SURVIVORS));
    Failure { cause, evidence: Box::new(Evidence { exit: None, thread_id, resets_at, detail }) }
}

/// Adds a sentence on a line of its own.
pub fn append(detail: &mut String, sentence: Option<&str>) {
    let Some(sentence) = sentence else { return };
    detail.extend((!detail.is_empty()).then_some('\n'));
    detail.push_str(sentence);
}
