//! Runs one turn until there is an outcome.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::explain::{SURVIVORS, clock, failure, without_picture};
use super::outcome::{Generated, Timings};
use super::preflight::Found;
use crate::blocking::{self, Kind, blocking};
use crate::codex::config::Setting;
use crate::codex::confinement::{Confinement, is_privileged};
use crate::codex::failure::diagnose_trouble;
use crate::codex::locate::Cli;
use crate::codex::prompt::{Brief, prompt};
use crate::codex::store::{self, Baseline, Store};
use crate::codex::turn::{DRAWN_GRACE, FinishedTurn, OVER_GRACE, Turn, TurnStatus};
use crate::codex::version::Version;
use crate::codex::{ThreadId, command, rollout};
use crate::error::{Cause, Failure, os_words};
use crate::limits::{Interrupt, Limits};
use crate::png::Picture;
use crate::process::{Exit, Marker, StopMode};
use crate::progress::{Phase, Progress};
use crate::provenance::{FoundImage, ProvenanceCheck, Rejection};
use crate::reference::{self, Staged};
use crate::request::{Completion, Request};
use crate::run_id::random_hex;
use crate::text::redact::Redactor;
use crate::workspace::Workspace;

/// The grace that is left when the daemon itself is ending.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(300);

/// Why the turn is no longer waited for.
enum Outcome {
    /// The picture is there.
    Drawn(FoundImage),
    /// Codex has ended by itself.
    Exited,
    /// Codex has said how the turn ended, and lives on.
    Over,
    /// Codex does nothing but connect anew.
    Disconnected,
    /// The call was aborted, ran out of time, or the daemon is ending.
    Interrupted(Interrupt),
}

/// Runs the turn and takes in what it brings. The tree is dead when this returns.
pub async fn draw(
    request: &Arc<Request>,
    Found { cli, codex_version, config }: &Found,
    workspace: &Workspace,
    marker: Marker,
    progress: &Progress,
    limits: &Limits,
) -> Result<Generated, Failure> {
    let staged = stage(request, workspace, limits).await?;
    limits.check()?;
    let version = codex_version.as_deref().and_then(Version::parse);
    let settings = command::settings(request, config, version, &workspace.path(), (marker.name, &marker.value));
    let before = {
        let (request, config, settings) = (Arc::clone(request), config.clone(), settings.clone());
        let workspace = workspace.path();
        blocking::read_patiently(Kind::Home, request.codex_home(), move || {
            let confinement = Confinement::expected(&request, &config, &settings, version, is_privileged());
            (confinement, Baseline::take(&request.codex_home()), redactor(&request, workspace))
        })
    };
    let (confinement, baseline, redactor) = limits.unless_interrupted(before).await??;
    let fingerprints = staged.iter().map(|staged| staged.fingerprint).collect();
    let provenance = ProvenanceCheck::new(Arc::clone(request), fingerprints, confinement, workspace.path(), baseline);
    let _reading = provenance.give_up_on_drop();
    progress.say(Phase::Starting, "Starting Codex", None);
    let starting = Instant::now();
    let mut turn = start(request, cli, settings, workspace, &staged, marker, &progress.redacted(redactor)).await?;
    let started = Instant::now();

    let status = turn.status();
    let image = async {
        let picked = first_image(&provenance, status.clone(), progress).await;
        match request.completion {
            Completion::Image => picked,
            // Its arrival is worth saying, but the agent may have another, and decides when it is
            // done.
            Completion::Exit => {
                drop(picked);
                std::future::pending().await
            }
        }
    };
    // `biased`: if the picture and another event are ready together, the picture wins.
    let mut outcome = tokio::select! {
        biased;
        picked = image => Outcome::Drawn(picked),
        () = turn.exited() => Outcome::Exited,
        () = over(status.clone()) => Outcome::Over,
        why = limits.interrupted() => Outcome::Interrupted(why),
        () = disconnected(status.clone(), request.max_reconnects) => Outcome::Disconnected,
    };
    let known = status.borrow().thread.clone();
    if matches!(outcome, Outcome::Interrupted(Interrupt::Timeout) | Outcome::Disconnected)
        && request.completion == Completion::Image
        && let Some(thread) = known
    {
        let provenance = provenance.clone();
        if let Ok(Ok(picked)) =
            judged(limits, request.codex_home(), move || provenance.look(&mut provenance.store(&thread), &thread)).await
        {
            outcome = Outcome::Drawn(picked);
        }
    }
    let image = matches!(outcome, Outcome::Drawn(_)).then(|| started.elapsed());

    let stopping = Instant::now();
    let mode = stop_mode(&outcome, request.kill_grace, limits.shutdown());
    let finished = stop(turn, mode, progress).await;
    let picked = match outcome {
        Outcome::Drawn(picked) => picked,
        Outcome::Interrupted(why) => return Err(failure(why.cause(request.timeout).into(), &finished)),
        Outcome::Disconnected => {
            return Err(failure(diagnose_trouble(&finished.output.transcript, &clock(request)), &finished));
        }
        Outcome::Exited | Outcome::Over => {
            let thread = finished.output.transcript.thread.as_ref().map(ThreadId::as_arc);
            progress.say(Phase::Checking, "Codex has finished; checking the picture", thread);
            let transcript = &finished.output.transcript;
            let exit = matches!(outcome, Outcome::Exited).then_some(finished.exit);
            let went_well = exit.map_or_else(|| transcript.outcome() == Some(true), Exit::is_success);
            let (provenance, dir, thread) = (provenance.clone(), workspace.dir(), transcript.thread.clone());
            let search = move || provenance.final_picture(dir.as_deref(), thread.as_ref(), went_well);
            match judged(limits, request.codex_home(), search).await {
                Ok(found) => found.map_err(|rejection| without_picture(rejection, request, &finished, exit))?,
                Err(why) => return Err(failure(why.cause(request.timeout).into(), &finished)),
            }
        }
    };
    let timings = Timings { start: started - starting, image, stop: stopping.elapsed(), ..Timings::default() };
    let opaque = request.transparent && picked.picture.has_alpha == Some(false);
    let mut warnings: Vec<String> =
        opaque.then(|| "The picture has no transparent pixels.".to_owned()).into_iter().collect();
    warnings.extend(provenance.warnings());
    warnings.extend(finished.may_have_survivors.then(|| SURVIVORS.to_owned()));
    Ok(Generated {
        picked,
        thread: finished.output.transcript.thread,
        codex_version: codex_version.clone(),
        usage: finished.output.transcript.usage,
        timings,
        warnings,
    })
}

/// How much longer than the call's time limit the judging of a picture that is there may take.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// What `work` finds, unless the call is to end before. A thread that still reads or decodes then
/// holds nothing but memory, and its result is dropped.
async fn judged<T: Send + 'static>(
    limits: &Limits,
    codex_home: PathBuf,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Interrupt> {
    let mut found = pin!(blocking::read_patiently(Kind::Thread, codex_home, work));
    let why = tokio::select! {
        biased;
        // Fails only if the work panicked or the runtime is being shut down.
        found = &mut found => return found.map_err(|_| Interrupt::Shutdown),
        why = limits.interrupted() => why,
    };
    match why {
        Interrupt::Timeout => match tokio::time::timeout(LAST_LOOK, found).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(_)) | Err(_) => Err(why),
        },
        Interrupt::Aborted | Interrupt::Shutdown => Err(why),
    }
}

/// Lays the reference images ready in the workspace.
async fn stage(request: &Arc<Request>, workspace: &Workspace, limits: &Limits) -> Result<Vec<Staged>, Failure> {
    if request.references.is_empty() {
        return Ok(Vec::new());
    }
    let (request, path) = (Arc::clone(request), workspace.path());
    let dir = workspace.dir().ok_or(Cause::Internal)?;
    limits.check()?;
    // A disk that hangs keeps its thread, but not the call. The thread writes in the directory that
    // it holds, and there it can make nothing more once the directory is removed.
    limits.unless_interrupted(blocking(move || Ok(reference::stage(&request.references, &dir, &path)?))).await??
}

/// What takes out of all that is shown of a run what must not be shown. Blocks on the disk.
fn redactor(request: &Request, workspace: PathBuf) -> Redactor {
    // The environment of the call may name another home than that of this process, where the CLI
    // lies.
    let homes = [request.env.home(), std::env::home_dir()].into_iter().flatten().map(|home| (home, "~"));
    let own = [(workspace, "the workspace"), (request.codex_home(), "CODEX_HOME")];
    Redactor::new(&own.into_iter().chain(homes).collect::<Vec<_>>())
}

async fn start(
    request: &Arc<Request>,
    cli: &Cli,
    settings: Vec<Setting>,
    workspace: &Workspace,
    staged: &[Staged],
    marker: Marker,
    progress: &Progress,
) -> Result<Turn, Failure> {
    let copy_to = request.sandbox.has_shell().then(|| workspace.image_path());
    let references: Vec<_> = staged.iter().map(|staged| staged.path.clone()).collect();
    let brief = Brief {
        words: &request.prompt,
        aspect: &request.aspect,
        transparent: request.transparent,
        references: &references,
        alone: request.lean,
        copy_to: copy_to.as_deref(),
    };
    let words = prompt(&brief, &random_hex()?);
    let working_dir = workspace.working_dir();
    let (request, cli, progress) = (Arc::clone(request), cli.clone(), progress.clone());
    // Not to be interrupted: a process that has started must be known before anything else happens.
    let turn = blocking(move || {
        let args = command::exec_args(&request, &settings, &references);
        Turn::start(&command::program(&cli, &request, args, working_dir), marker, words, progress)
    });
    Ok(turn.await?.map_err(|error| Cause::SpawnFailed(os_words(&error)))?)
}

/// Resolves when the store of the turn's thread holds a picture that counts.
async fn first_image(
    provenance: &ProvenanceCheck,
    mut status: watch::Receiver<TurnStatus>,
    progress: &Progress,
) -> FoundImage {
    let known = status.wait_for(|status| status.thread.is_some()).await.ok().and_then(|status| status.thread.clone());
    // Codex has ended without naming a thread: there is no store to look into.
    let Some(thread) = known else { return std::future::pending().await };
    let say = |phase, message: &str| progress.say(phase, message, Some(thread.as_arc()));
    let mut look = Look {
        provenance: provenance.clone(),
        store: provenance.store(&thread),
        record: provenance.record_growth(&thread),
    };
    let mut announced = false;
    // A picture that nothing verifies yet, and until when the record may still do so.
    let mut doubted: Option<(FoundImage, Instant)> = None;
    for count in 1_u64.. {
        let (of, doubts) = (thread.clone(), doubted.is_some() || look.provenance.requires_verified());
        let looked = blocking::read_patiently(Kind::Thread, provenance.codex_home(), move || {
            let found = look.again(&of, count, doubts);
            (look, found)
        });
        // Fails only if the runtime is being shut down, and this future with it.
        let Ok((same, found)) = looked.await else { return std::future::pending().await };
        look = same;
        let nothing = matches!(found, Err(Rejection::NoImage(_)));
        if !nothing && !std::mem::replace(&mut announced, true) {
            say(Phase::Image, "The picture is arriving");
        }
        if let Ok(picked) = found {
            // Codex saves a picture just before it records it.
            let may_wait = provenance.awaits_record() && !picked.verified;
            let until = Instant::now() + if may_wait { rollout::GRACE } else { Duration::ZERO };
            let until = doubted.take().map_or(until, |(_, until)| until);
            doubted = Some((picked, until));
        }
        if let Some((picked, _)) = doubted.take_if(|(picked, until)| picked.verified || Instant::now() >= *until) {
            let Picture { width, height, .. } = picked.picture;
            say(Phase::Checking, &format!("The picture is proven: {width} × {height} pixels"));
            return picked;
        }
        tokio::time::sleep(store::LOOK_EVERY).await;
    }
    std::future::pending().await
}

/// What is looked at again and again while a turn runs. Nothing is read twice that has not changed.
struct Look {
    provenance: ProvenanceCheck,
    store: Store,
    record: rollout::Growth,
}

impl Look {
    /// The `count`th look, from 1 on. Blocks on the disk. `doubts` tells whether a file that
    /// nothing verified may have been seen.
    fn again(&mut self, thread: &ThreadId, count: u64, doubts: bool) -> Result<FoundImage, Rejection> {
        // Finding the record takes a look at every day of the user's; soon after the thread has
        // started it is there.
        if count.is_power_of_two() {
            self.provenance.read_statement(thread);
        }
        let is_due = doubts && self.provenance.awaits_record() && count.is_multiple_of(RECORD_LOOKS);
        if is_due && self.record.has_changed() {
            self.store.forget();
        }
        self.provenance.look(&mut self.store, thread)
    }
}

/// Every how many looks into the store the record is looked at. It holds the pictures themselves.
const RECORD_LOOKS: u64 = 5;

/// Resolves when Codex has connected anew more often than `limit`, with nothing in between.
async fn disconnected(mut status: watch::Receiver<TurnStatus>, limit: u32) {
    if status.wait_for(|status| status.reconnects > limit).await.is_err() {
        // The stream of events has ended, and Codex may live on: its exit is waited for elsewhere.
        std::future::pending::<()>().await;
    }
}

/// Resolves when Codex has lived on for [`OVER_GRACE`] after it said how the turn ended.
async fn over(mut status: watch::Receiver<TurnStatus>) {
    if status.wait_for(|status| status.is_over).await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(OVER_GRACE).await;
}

/// How the tree is to be stopped. A grace that is running when the daemon ends is over: the daemon
/// will not wait for it.
fn stop_mode(outcome: &Outcome, grace: Duration, shutdown: CancellationToken) -> StopMode {
    let graceful = |grace| StopMode::Graceful { grace, hurry: shutdown };
    match outcome {
        Outcome::Drawn(_) => graceful(grace.min(DRAWN_GRACE)),
        Outcome::Exited => StopMode::Kill,
        Outcome::Interrupted(Interrupt::Shutdown) => {
            StopMode::Graceful { grace: grace.min(SHUTDOWN_GRACE), hurry: CancellationToken::new() }
        }
        Outcome::Over | Outcome::Disconnected | Outcome::Interrupted(Interrupt::Timeout | Interrupt::Aborted) => {
            graceful(grace)
        }
    }
}

async fn stop(turn: Turn, mode: StopMode, progress: &Progress) -> FinishedTurn {
    if matches!(mode, StopMode::Graceful { .. }) {
        let thread = turn.status().borrow().thread.clone();
        progress.say(Phase::Stopping, "Stopping Codex", thread.as_ref().map(ThreadId::as_arc));
    }
    turn.stop(mode).await
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::Path;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;

    use super::*;
    use crate::error::NoImageReason;
    use crate::limits::Cancel;
    use crate::sandbox::Sandbox;

    const THREAD: &str = "01a202f5-609c-72c1-8213-7ba33eb17046";

    fn picture() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = ::png::Encoder::new(&mut bytes, 2, 2).write_header().unwrap();
        writer.write_image_data(&[7; 4]).unwrap();
        writer.finish().unwrap();
        bytes
    }

    fn append(record: &Path, line: &str) {
        let mut file = std::fs::File::options().create(true).append(true).open(record).unwrap();
        writeln!(file, "{line}").unwrap();
    }

    #[tokio::test]
    async fn judging_that_takes_long_holds_up_neither_an_abort_nor_a_timeout() {
        let home = tempfile::tempdir().unwrap();
        for (timeout, abort, expected) in
            [(Duration::from_secs(600), true, Interrupt::Aborted), (Duration::ZERO, false, Interrupt::Timeout)]
        {
            let cancel = Cancel { abort: CancellationToken::new(), shutdown: CancellationToken::new() };
            if abort {
                cancel.abort.cancel();
            }
            let limits = Limits::new(Instant::now(), timeout, cancel);
            let (release, released) = std::sync::mpsc::channel::<()>();
            let found = judged(&limits, home.path().to_path_buf(), move || released.recv()).await;
            assert_eq!(found.unwrap_err(), expected);
            drop(release);
        }
        let cancel = Cancel { abort: CancellationToken::new(), shutdown: CancellationToken::new() };
        let late = Limits::new(Instant::now(), Duration::ZERO, cancel);
        let found = judged(&late, home.path().to_path_buf(), || 7).await;
        assert_eq!(found, Ok(7), "what is there at the limit is delivered");
    }

    #[test]
    fn what_nothing_verifies_is_read_again_only_when_the_record_has_grown() {
        let home = tempfile::tempdir().unwrap();
        let thread = ThreadId::parse(THREAD).unwrap();
        let sandbox = Sandbox::DangerFullAccess;
        let request = Request { sandbox, require_verified: true, ..Request::example(home.path()) };
        let baseline = Baseline::take(home.path());
        let provenance = ProvenanceCheck::new(
            Arc::new(request),
            [].into(),
            Confinement::Waived,
            home.path().to_path_buf(),
            baseline,
        );
        let (store, record) = (provenance.store(&thread), provenance.record_growth(&thread));
        let mut look = Look { provenance, store, record };
        let mut count = 0;
        let mut round = || {
            (0..RECORD_LOOKS)
                .map(|_| {
                    count += 1;
                    look.again(&thread, count, true)
                })
                .collect::<Vec<_>>()
        };
        let judged = |looks: &[Result<FoundImage, Rejection>]| {
            looks.iter().filter(|found| !matches!(found, Err(Rejection::NoImage(NoImageReason::NotDrawn)))).count()
        };

        let day = home.path().join("sessions/2026/11/22");
        std::fs::create_dir_all(&day).unwrap();
        let rollout = day.join(format!("rollout-x-{THREAD}.jsonl"));
        append(&rollout, "{}");
        assert_eq!(judged(&round()), 0, "there is no picture");
        let store = home.path().join("generated_images").join(THREAD);
        std::fs::create_dir_all(&store).unwrap();
        std::fs::write(store.join("a.png"), picture()).unwrap();
        let looks = round();
        assert_eq!(judged(&looks), 1);
        assert!(matches!(looks[0], Err(Rejection::NoImage(NoImageReason::Unverified))));
        assert_eq!(judged(&round()) + judged(&round()), 0, "nothing has changed");
        append(&rollout, r#"{"payload":{"type":"agent_message"}}"#);
        assert_eq!(judged(&round()), 1);
        assert_eq!(judged(&round()), 0);
        let result = BASE64.encode(picture());
        append(&rollout, &format!(r#"{{"payload":{{"type":"image_generation_end","result":"{result}"}}}}"#));
        assert!(round().into_iter().flatten().next().unwrap().verified);
    }
}
