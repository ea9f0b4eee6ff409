//! The story: queue → locate → preflight → workspace → turn → provenance → clean up.
//!
//! Codex prints nothing about images, so the file system decides; [`crate::provenance`] has the
//! rules. Whatever happens, the answer is given only when the process tree is dead and the
//! workspace removed.

mod draw;
mod explain;
mod outcome;
mod preflight;
mod recover;

pub use outcome::{Generated, Timings};
pub use recover::recover;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Instant;

use crate::blocking::{self, Kind, blocking};
use crate::codex::home;
use crate::error::{Failure, os_words};
use crate::limits::{Cancel, Limits};
use crate::process::Marker;
use crate::progress::{Phase, Progress};
use crate::queue::{Slot, Ticket};
use crate::request::Draft;
use crate::run_id::marker;
use draw::draw;
use explain::append;
use preflight::{make_workspace, preflight};

/// Draws one picture, when its turn has come.
///
/// # Errors
/// The [`Failure`], with its evidence. Nothing is left behind in either case.
pub async fn generate(draft: Draft, ticket: Ticket, progress: Progress, cancel: Cancel) -> Result<Generated, Failure> {
    let limits = Limits::new(progress.began(), draft.timeout(), cancel);

    let _slot = limits.unless_interrupted(wait(ticket, &progress)).await?;
    let queued = progress.began().elapsed();

    progress.say(Phase::Preflight, "Looking for Codex and its login", None);
    let home = blocking::read_patiently(Kind::Accounts, OsString::new(), move || home::complete(draft));
    let request = Arc::new(limits.unless_interrupted(home).await???);
    let run = marker()?;
    let found = preflight(&request, &run, &limits).await?;
    let workspace = make_workspace(&request, &run, &limits).await?;
    let marker = Marker { dir: Some(workspace.root()), ..run };
    let preflight = progress.began().elapsed().saturating_sub(queued);

    let drawn = draw(&request, &found, &workspace, marker, &progress, &limits).await;
    let closing = Instant::now();
    let left_behind = blocking(move || workspace.close()).await?.err();

    let warning = left_behind.map(|error| format!("The workspace could not be removed: {}.", os_words(&error)));
    match drawn {
        Ok(mut generated) => {
            generated.timings.queue = queued;
            generated.timings.preflight = preflight;
            generated.timings.stop += closing.elapsed();
            generated.timings.total = progress.began().elapsed();
            generated.warnings.extend(warning);
            Ok(generated)
        }
        Err(mut failure) => {
            append(&mut failure.evidence.detail, warning.as_deref());
            Err(failure)
        }
    }
}

async fn wait(ticket: Ticket, progress: &Progress) -> Slot {
    let say = |position| {
        progress.say(Phase::Queued, &format!("Waiting for a free place, number {position} in the queue"), None);
    };
    ticket.turn(say).await
}
