//! Finds the image of an earlier generation.

use std::ffi::OsString;
use std::time::Instant;

use super::explain::cause_of;
use super::generated::{Generated, Timings};
use crate::blocking::{self, DiskWork};
use crate::codex::{ThreadId, home};
use crate::error::{Cause, Failure};
use crate::files::fs_request;
use crate::provenance::{self, FoundImage};
use crate::request::Draft;

/// Finds the image of an earlier thread. Starts no process.
///
/// # Errors
/// [`Cause::NoImage`] if there is none, or the problem of an invalid one. [`Cause::HomeUnanswered`]
/// if the disk does not answer.
pub async fn recover(draft: Draft, thread: ThreadId) -> Result<Generated, Failure> {
    let began = Instant::now();
    let image = read_thread(draft, thread.clone()).await.map_err(|mut failure| {
        failure.evidence.thread_id = Some(thread.to_string());
        failure
    })?;
    Ok(Generated {
        image,
        // The thread does not state what this package asked for.
        aspect: None,
        thread: Some(thread),
        codex_version: None,
        usage: None,
        timings: Timings { total: began.elapsed(), ..Timings::default() },
        warnings: Vec::new(),
    })
}

async fn read_thread(draft: Draft, thread: ThreadId) -> Result<FoundImage, Failure> {
    let completed =
        blocking::on_disk_unless_stalled(DiskWork::UserDatabase, OsString::new(), move || home::complete(draft))
            .await?;
    let request = completed.ok_or(Cause::HomeUnanswered)??;
    let (codex_home, limit) = (request.home_path(), request.max_image_bytes);
    let (disk, probed) = (codex_home.clone(), codex_home.clone());
    // Probes the disk first: if it is dead, this blocks threads of the small pool, not of the large
    // one that reads long rollouts.
    let probe = move || fs_request(|| std::fs::read_dir(&probed).is_ok_and(|mut entries| entries.next().is_some()));
    blocking::on_disk_unless_stalled(DiskWork::HomeFiles, &disk, probe).await?.ok_or(Cause::HomeUnanswered)?;
    let read = move || provenance::recover(&codex_home, &thread, limit);
    let found =
        blocking::on_disk_unless_stalled(DiskWork::ThreadFiles, &disk, read).await?.ok_or(Cause::HomeUnanswered)?;
    Ok(found.map_err(|rejection| cause_of(rejection, limit))?)
}
