//! The pipeline of a call: queue, preflight, run directory, turn, provenance, clean-up.
//!
//! Codex prints nothing about images, so the file system decides; [`crate::provenance`] has the
//! rules. On every path, the call returns only when the process tree is dead and the run
//! directory removed.

mod aspect;
mod create_run_dir;
mod draw;
mod explain;
mod generated;
mod preflight;
mod recover;
mod watch;

pub use aspect::Aspect;
pub use generated::{Generated, Timings};
pub use recover::recover;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Instant;

use crate::blocking::{self, DiskWork};
use crate::codex::home;
use crate::error::{Failure, os_error_text};
use crate::interrupts::{Cancel, Interrupts};
use crate::process::RunTag;
use crate::progress::{Phase, Progress};
use crate::queue::Ticket;
use crate::request::Draft;
use crate::run_id::new_tag;
use create_run_dir::create_run_dir;
use draw::Draw;
use explain::append;
use preflight::Preflight;

/// Waits for a free slot of the queue, then generates one image.
///
/// # Errors
/// The [`Failure`], with its evidence. No process or directory is left behind in either case.
pub async fn generate(draft: Draft, ticket: Ticket, progress: Progress, cancel: Cancel) -> Result<Generated, Failure> {
    let interrupts = Interrupts::new(progress.began(), draft.timeout(), cancel);

    let waiting = ticket.admitted(|position| {
        progress.report(Phase::Queued, &format!("Waiting for a free place, number {position} in the queue"));
    });
    let _slot = interrupts.unless_interrupted(async { Ok(waiting.await) }).await?;
    let queued = progress.began().elapsed();

    progress.report(Phase::Preflight, "Looking for Codex and its login");
    let home = blocking::on_disk(DiskWork::UserDatabase, OsString::new(), move || home::complete(draft));
    let request = Arc::new(interrupts.unless_interrupted(home).await??);
    let tag = new_tag()?;
    let preflight = Preflight::run(&request, &tag, &interrupts).await?;
    let run_dir = create_run_dir(&request, &tag, &interrupts).await?;
    // The preflight used the tag without the directory, which did not exist.
    let tag = RunTag { dir: Some(run_dir.path()), ..tag };
    let prepared = progress.began().elapsed().saturating_sub(queued);

    let draw = Draw {
        request: &request,
        preflight: &preflight,
        run_dir: &run_dir,
        progress: &progress,
        interrupts: &interrupts,
    };
    let drawn = draw.run(tag).await;

    let closing = Instant::now();
    let left_behind = blocking::run(move || run_dir.close()).await?.err();
    let warning = left_behind
        .map(|error| format!("The private directory of the call could not be removed: {}.", os_error_text(&error)));
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
