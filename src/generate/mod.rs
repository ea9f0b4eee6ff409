//! The pipeline of a call: queue, preflight, workspace, turn, provenance, clean-up.
//!
//! Codex prints nothing about images, so the file system decides; [`crate::provenance`] has the
//! rules. On every path, the call returns only when the process tree is dead and the workspace
//! removed.

mod draw;
mod explain;
mod outcome;
mod preflight;
mod recover;
mod watch;

pub use outcome::{Generated, Timings};
pub use recover::recover;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Instant;

use crate::blocking::{self, DiskWork};
use crate::codex::home;
use crate::error::{Failure, os_error_text};
use crate::limits::{Cancel, Limits};
use crate::process::Marker;
use crate::progress::{Phase, Progress};
use crate::queue::Ticket;
use crate::request::Draft;
use crate::run_id::new_marker;
use draw::Draw;
use explain::append;
use preflight::{Preflight, make_workspace};

/// Waits for a free slot of the queue, then generates one image.
///
/// # Errors
/// The [`Failure`], with its evidence. No process or directory is left behind in either case.
pub async fn generate(draft: Draft, ticket: Ticket, progress: Progress, cancel: Cancel) -> Result<Generated, Failure> {
    let limits = Limits::new(progress.began(), draft.timeout(), cancel);

    let waiting = ticket.admitted(|position| {
        progress.report(Phase::Queued, &format!("Waiting for a free place, number {position} in the queue"));
    });
    let _slot = limits.unless_interrupted(async { Ok(waiting.await) }).await?;
    let queued = progress.began().elapsed();

    progress.report(Phase::Preflight, "Looking for Codex and its login");
    let home = blocking::on_disk(DiskWork::UserDatabase, OsString::new(), move || home::complete(draft));
    let request = Arc::new(limits.unless_interrupted(home).await??);
    let marker = new_marker()?;
    let preflight = Preflight::run(&request, &marker, &limits).await?;
    let workspace = make_workspace(&request, &marker, &limits).await?;
    let marker = Marker { dir: Some(workspace.root()), ..marker };
    let prepared = progress.began().elapsed().saturating_sub(queued);

    let draw =
        Draw { request: &request, preflight: &preflight, workspace: &workspace, progress: &progress, limits: &limits };
    let drawn = draw.run(marker).await;

    let closing = Instant::now();
    let left_behind = blocking::run(move || workspace.close()).await?.err();
    let warning = left_behind.map(|error| format!("The workspace could not be removed: {}.", os_error_text(&error)));
    match drawn {
        Ok(mut generated) => {
            generated.timings.queue = queued;
            generated.timings.preflight = prepared;
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
