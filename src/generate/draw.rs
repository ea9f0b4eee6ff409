//! Runs one turn until it has an image, or ends without one.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::aspect::Aspect;
use super::explain::{SURVIVORS, failure, local_now, without_image};
use super::generated::{Generated, Timings};
use super::preflight::Preflight;
use super::watch::first_image;
use crate::blocking::{self, DiskWork};
use crate::codex::config::Setting;
use crate::codex::confinement::{Confinement, is_privileged};
use crate::codex::failure::diagnose_reconnects;
use crate::codex::prompt::{Brief, prompt};
use crate::codex::store::Baseline;
use crate::codex::turn::{FinishedTurn, Turn, TurnStatus};
use crate::codex::version::Version;
use crate::codex::{ThreadId, command, turn};
use crate::error::{Cause, Failure, os_error_text};
use crate::interrupts::{Interrupt, Interrupts};
use crate::process::{Exit, RunTag, StopMode};
use crate::progress::{Phase, Progress};
use crate::provenance::{FoundImage, ProvenanceCheck};
use crate::reference::{self, Staged};
use crate::request::{Completion, Request};
use crate::run_dir::RunDir;
use crate::run_id::random_hex;
use crate::text::redact::Redactor;

/// Maximum grace period when the JavaScript environment is ending.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(300);
/// Time limit for a check of an image that is still running at the call's time limit.
const LAST_CHECK_LIMIT: Duration = Duration::from_secs(1);

/// Reason why the wait for the turn ended.
enum WaitEnd {
    /// The store holds an image that counts.
    Image(FoundImage),
    /// Codex exited by itself.
    Exited,
    /// Codex reported the end of the turn but did not exit.
    TurnEnded,
    /// Codex has reconnected too often without doing anything else.
    Disconnected,
    /// The call was aborted or timed out, or the JavaScript environment is ending.
    Interrupted(Interrupt),
}

/// One turn of one call.
pub struct Draw<'a> {
    pub request: &'a Arc<Request>,
    pub preflight: &'a Preflight,
    pub run_dir: &'a RunDir,
    pub progress: &'a Progress,
    pub interrupts: &'a Interrupts,
}

impl Draw<'_> {
    /// Runs the turn and returns its image. Its processes carry `tag` in their environment. All
    /// of them are dead when this returns, unless [`FinishedTurn::may_have_survivors`] is set.
    pub async fn run(&self, tag: RunTag) -> Result<Generated, Failure> {
        let starting = Instant::now();
        let references = self.stage_references().await?;
        self.interrupts.check()?;
        let settings = self.settings(&tag);
        let (provenance, redactor) = self.prepare(&references, settings.clone()).await?;
        let _give_up = provenance.give_up_on_drop();
        self.progress.report(Phase::Starting, "Starting Codex");
        let mut turn = self.start(settings, &references, tag, redactor).await?;
        let started = Instant::now();
        let wait_end = self.wait(&mut turn, &provenance).await;
        let image_time = matches!(wait_end, WaitEnd::Image(_)).then(|| started.elapsed());
        let stopping = Instant::now();
        let finished = self.stop(turn, &wait_end).await;
        let stop = stopping.elapsed();
        let image = self.result_of(wait_end, &finished, &provenance).await?;
        let timings = Timings { start: started - starting, image: image_time, stop, ..Timings::default() };
        let aspect = Aspect::of(self.request.aspect(), &image.info);
        // A caller that names no aspect ratio expects none.
        let is_named = self.request.aspect.is_some();
        let shape = aspect.as_ref().filter(|_| is_named).and_then(|aspect| aspect.warning(&image.info));
        Ok(Generated {
            warnings: shape.into_iter().chain(self.warnings(&image, &finished, &provenance)).collect(),
            image,
            aspect,
            thread: finished.output.transcript.thread,
            codex_version: self.preflight.codex_version.clone(),
            usage: finished.output.transcript.usage,
            timings,
        })
    }

    /// Copies the reference images into the workspace.
    async fn stage_references(&self) -> Result<Vec<Staged>, Failure> {
        if self.request.references.is_empty() {
            return Ok(Vec::new());
        }
        let (request, path) = (Arc::clone(self.request), self.run_dir.workspace_path());
        let dir = self.run_dir.workspace().ok_or(Cause::Internal)?;
        self.interrupts.check()?;
        // A hanging disk blocks this thread, but not the call. The thread holds the directory open:
        // it can create no files there once the directory is removed.
        let staging = blocking::run(move || reference::stage(&request.references, &dir, &path));
        Ok(self.interrupts.unless_interrupted(staging).await??)
    }

    fn version(&self) -> Option<Version> {
        self.preflight.codex_version.as_deref().and_then(Version::parse)
    }

    fn settings(&self, tag: &RunTag) -> Vec<Setting> {
        let (config, workspace) = (&self.preflight.config, self.run_dir.workspace_path());
        command::settings(self.request, config, self.version(), &workspace, (tag.name, &tag.value))
    }

    /// Records what the store holds before the turn, and how the agent will be confined.
    async fn prepare(
        &self,
        references: &[Staged],
        settings: Vec<Setting>,
    ) -> Result<(ProvenanceCheck, Redactor), Failure> {
        let (request, workspace) = (Arc::clone(self.request), self.run_dir.workspace_path());
        let (config, version) = (self.preflight.config.clone(), self.version());
        let reading = blocking::on_disk(DiskWork::HomeFiles, self.request.home_path(), move || {
            let confinement = Confinement::expected(&request, &config, &settings, version, is_privileged());
            (confinement, Baseline::take(&request.home_path()), redactor(&request, &workspace))
        });
        let (confinement, baseline, redactor) = self.interrupts.unless_interrupted(reading).await?;
        let fingerprints = references.iter().map(|reference| reference.fingerprint).collect();
        let request = Arc::clone(self.request);
        let check = ProvenanceCheck::new(request, fingerprints, confinement, self.run_dir.workspace_path(), baseline);
        Ok((check, redactor))
    }

    async fn start(
        &self,
        settings: Vec<Setting>,
        references: &[Staged],
        tag: RunTag,
        redactor: Redactor,
    ) -> Result<Turn, Failure> {
        let copy_to = self.request.sandbox.has_shell().then(|| self.run_dir.image_path());
        let references: Vec<_> = references.iter().map(|reference| reference.path.clone()).collect();
        let brief = Brief {
            user_prompt: &self.request.prompt,
            aspect: self.request.aspect(),
            transparent: self.request.transparent,
            references: &references,
            ignore_instructions: self.request.lean,
            copy_to: copy_to.as_deref(),
        };
        let prompt = prompt(&brief, &random_hex()?);
        let (request, cli, cwd) = (Arc::clone(self.request), self.preflight.cli.clone(), self.run_dir.working_dir());
        let progress = self.progress.redacted(redactor);
        // Ignores interrupts: the child must be registered to be stopped.
        let starting = blocking::run(move || {
            let args = command::exec_args(&request, &settings, &references);
            Turn::start(&command::program(&cli, &request, args, cwd), tag, prompt, progress)
        });
        Ok(starting.await?.map_err(|error| Cause::SpawnFailed(os_error_text(&error)))?)
    }

    /// Waits until the turn has an image or has to be stopped.
    async fn wait(&self, turn: &mut Turn, provenance: &ProvenanceCheck) -> WaitEnd {
        let status = turn.status();
        // `biased`: if the image and another event are ready together, the image wins.
        let wait_end = tokio::select! {
            biased;
            image = self.image_to_deliver(provenance, status.clone()) => WaitEnd::Image(image),
            () = turn.exited() => WaitEnd::Exited,
            () = turn_end(status.clone()) => WaitEnd::TurnEnded,
            interrupt = self.interrupts.interrupted() => WaitEnd::Interrupted(interrupt),
            () = disconnection(status.clone(), self.request.max_reconnects) => WaitEnd::Disconnected,
        };
        let thread = status.borrow().thread.clone();
        match (wait_end, thread) {
            (wait_end @ (WaitEnd::Interrupted(Interrupt::Timeout) | WaitEnd::Disconnected), Some(thread))
                if self.request.completion == Completion::Image =>
            {
                self.last_scan(provenance, thread).await.map_or(wait_end, WaitEnd::Image)
            }
            (wait_end, _) => wait_end,
        }
    }

    /// Resolves with the first image that counts. With `completion: 'exit'` it reports that image's
    /// progress only, and never resolves.
    async fn image_to_deliver(&self, provenance: &ProvenanceCheck, status: watch::Receiver<TurnStatus>) -> FoundImage {
        let image = first_image(provenance, status, self.progress).await;
        match self.request.completion {
            Completion::Image => image,
            // The agent may draw another one, and decides when it is done.
            Completion::Exit => std::future::pending().await,
        }
    }

    /// Scans the store once more for an image that was written since the last scan.
    async fn last_scan(&self, provenance: &ProvenanceCheck, thread: ThreadId) -> Option<FoundImage> {
        let provenance = provenance.clone();
        let scan = move || provenance.scan(&mut provenance.store(&thread), &thread);
        self.check_images(scan).await.ok()?.ok()
    }

    /// Runs `work`, which reads and decodes images, unless the call ends first. The work's thread
    /// then finishes on its own and its result is dropped.
    async fn check_images<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Interrupt> {
        check_images(self.interrupts, blocking::on_disk(DiskWork::ThreadFiles, self.request.home_path(), work)).await
    }

    /// Stops the process tree.
    async fn stop(&self, turn: Turn, wait_end: &WaitEnd) -> FinishedTurn {
        let mode = stop_mode(wait_end, self.request.kill_grace, self.interrupts.shutdown());
        if matches!(mode, StopMode::Graceful { .. }) {
            self.progress.report(Phase::Stopping, "Stopping Codex");
        }
        turn.stop(mode).await
    }

    /// Returns the image that ended the wait, else the one that the finished turn left, else why
    /// there is none.
    async fn result_of(
        &self,
        wait_end: WaitEnd,
        finished: &FinishedTurn,
        provenance: &ProvenanceCheck,
    ) -> Result<FoundImage, Failure> {
        let transcript = &finished.output.transcript;
        let interrupted = |interrupt: Interrupt| failure(interrupt.cause(self.request.timeout).into(), finished);
        let exit = match wait_end {
            WaitEnd::Image(image) => return Ok(image),
            WaitEnd::Interrupted(interrupt) => return Err(interrupted(interrupt)),
            WaitEnd::Disconnected => {
                return Err(failure(diagnose_reconnects(transcript, &local_now(self.request)), finished));
            }
            WaitEnd::Exited => Some(finished.exit),
            WaitEnd::TurnEnded => None,
        };
        self.progress.report(Phase::Checking, "Codex has finished; checking the picture");
        let succeeded = exit.map_or_else(|| transcript.has_succeeded(), Exit::is_success);
        let (provenance, dir, thread) = (provenance.clone(), self.run_dir.workspace(), transcript.thread.clone());
        let search = move || provenance.final_image(dir.as_deref(), thread.as_ref(), succeeded);
        let found = self.check_images(search).await.map_err(interrupted)?;
        found.map_err(|rejection| without_image(rejection, self.request, finished, exit))
    }

    fn warnings(
        &self,
        image: &FoundImage,
        finished: &FinishedTurn,
        provenance: &ProvenanceCheck,
    ) -> impl Iterator<Item = String> {
        let is_opaque = self.request.transparent && image.info.has_alpha == Some(false);
        let opaque = is_opaque.then(|| "The picture has no transparent pixels.".to_owned());
        let survivors = finished.may_have_survivors.then(|| SURVIVORS.to_owned());
        opaque.into_iter().chain(provenance.warnings()).chain(survivors)
    }
}

/// Waits for a check of images until the call is interrupted. After a timeout, waits for
/// [`LAST_CHECK_LIMIT`] more: an image that exists at the time limit is delivered.
async fn check_images<T>(
    interrupts: &Interrupts,
    check: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Interrupt> {
    let mut check = pin!(check);
    let interrupt = tokio::select! {
        biased;
        // Fails only if the check panicked or the runtime is being shut down.
        checked = &mut check => return checked.map_err(|_| Interrupt::Shutdown),
        interrupt = interrupts.interrupted() => interrupt,
    };
    match interrupt {
        Interrupt::Timeout => match tokio::time::timeout(LAST_CHECK_LIMIT, check).await {
            Ok(Ok(checked)) => Ok(checked),
            Ok(Err(_)) | Err(_) => Err(interrupt),
        },
        Interrupt::Aborted | Interrupt::Shutdown => Err(interrupt),
    }
}

/// Returns a redactor that hides the paths of a call. Blocks on the disk.
fn redactor(request: &Request, workspace: &Path) -> Redactor {
    // Hides both homes: the environment of the call may name another home than the one of this
    // process, and the CLI may be installed in either.
    let homes = [request.env.home(), std::env::home_dir()].into_iter().flatten().map(|home| (home, "~"));
    let own = [(workspace.to_path_buf(), "the workspace"), (request.home_path(), "CODEX_HOME")];
    Redactor::new(&own.into_iter().chain(homes).collect::<Vec<_>>())
}

/// Resolves when Codex has reconnected more than `limit` times in a row.
async fn disconnection(mut status: watch::Receiver<TurnStatus>, limit: u64) {
    if status.wait_for(|status| status.reconnects > limit).await.is_err() {
        // The sender is gone: stdout has ended. Codex may still be running, and the `exited()`
        // branch waits for it.
        std::future::pending::<()>().await;
    }
}

/// Resolves [`turn::END_GRACE`] after Codex reported the end of the turn.
async fn turn_end(mut status: watch::Receiver<TurnStatus>) {
    if status.wait_for(|status| status.has_ended).await.is_err() {
        // The sender is gone: stdout has ended. The `exited()` branch waits for Codex.
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(turn::END_GRACE).await;
}

/// Returns how to stop the process tree. `shutdown` skips the rest of a grace period, since an
/// ending environment does not wait for it.
fn stop_mode(wait_end: &WaitEnd, grace: Duration, shutdown: CancellationToken) -> StopMode {
    let graceful = |grace| StopMode::Graceful { grace, skip_grace: shutdown };
    match wait_end {
        WaitEnd::Image(_) => graceful(grace.min(turn::IMAGE_GRACE)),
        WaitEnd::Exited => StopMode::Kill,
        WaitEnd::Interrupted(Interrupt::Shutdown) => {
            StopMode::Graceful { grace: grace.min(SHUTDOWN_GRACE), skip_grace: CancellationToken::new() }
        }
        WaitEnd::TurnEnded | WaitEnd::Disconnected | WaitEnd::Interrupted(Interrupt::Timeout | Interrupt::Aborted) => {
            graceful(grace)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interrupts::Cancel;

    #[tokio::test]
    async fn a_long_check_delays_neither_an_abort_nor_a_timeout() {
        let check = |work: Box<dyn FnOnce() + Send>| blocking::on_disk(DiskWork::ThreadFiles, "home", work);
        for (timeout, abort, expected) in
            [(Duration::from_secs(600), true, Interrupt::Aborted), (Duration::ZERO, false, Interrupt::Timeout)]
        {
            let cancel = Cancel { abort: CancellationToken::new(), shutdown: CancellationToken::new() };
            if abort {
                cancel.abort.cancel();
            }
            let interrupts = Interrupts::new(Instant::now(), timeout, cancel);
            let (release, released) = std::sync::mpsc::channel::<()>();
            let checked = check_images(&interrupts, check(Box::new(move || _ = released.recv()))).await;
            assert_eq!(checked, Err(expected));
            drop(release);
        }
        let cancel = Cancel { abort: CancellationToken::new(), shutdown: CancellationToken::new() };
        let late = Interrupts::new(Instant::now(), Duration::ZERO, cancel);
        let checked = check_images(&late, check(Box::new(|| ()))).await;
        assert_eq!(checked, Ok(()), "an image that exists at the time limit is delivered");
    }
}
