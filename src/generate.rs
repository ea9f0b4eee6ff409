//! The story: queue → locate → preflight → workspace → turn → harvest → clean up.
//!
//! Codex prints nothing about images, so the file system decides; [`crate::harvest`] has the rules. Whatever happens, the
//! answer is given only when the process tree is dead and the workspace removed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;
use tokio::task::{block_in_place, spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::codex::ask::ask;
use crate::codex::config::{Config, Places, Provider, Setting};
use crate::codex::confinement::{Confinement, is_privileged};
use crate::codex::events::Usage;
use crate::codex::failure::{Diagnosis, detail, diagnose, diagnose_trouble};
use crate::codex::locate::{Cli, locate, searched};
use crate::codex::login::{self, Login};
use crate::codex::prompt::{Brief, prompt};
use crate::codex::turn::{DRAWN_GRACE, Ended, Heard, News, Turn, Veil};
use crate::codex::version::{Version, version_of};
use crate::codex::{ThreadId, command, rollout, store};
use crate::error::{Cause, Evidence, Failure, Missing, Unmounted, os_words};
use crate::files::{Refusal, request};
use crate::gate::{self, Kind};
use crate::harvest::{self, Judge, Picked, Rejection, Source};
use crate::png::Picture;
use crate::process::{Manner, Marker};
use crate::progress::{Phase, Progress};
use crate::queue::{Place, Ticket};
use crate::reference::{self, Staged};
use crate::request::{Completion, Request, Validation};
use crate::run::{Cancel, Interrupt, Limits, blocking, marker, random_hex};
use crate::sweep;
use crate::workspace::Workspace;

/// A proven picture and how it came about.
#[derive(Debug)]
pub struct Generated {
    /// The picture.
    pub picked: Picked,
    /// The thread that drew it.
    pub thread: Option<ThreadId>,
    /// The CLI's version: its npm package's, or what it says itself.
    pub codex_version: Option<String>,
    /// What the turn cost, if it was not stopped before it could tell.
    pub usage: Option<Usage>,
    /// Where the time went.
    pub timings: Timings,
    /// What went wrong without spoiling the picture.
    pub warnings: Vec<String>,
}

/// Where the time of a call went.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timings {
    /// Waiting for a free place.
    pub queue: Duration,
    /// Finding the CLI, checking its login, making the workspace.
    pub preflight: Duration,
    /// Until the process ran.
    pub start: Duration,
    /// From then until the picture was complete on disk and proven; unknown if it was found only after the end.
    pub image: Option<Duration>,
    /// Stopping the tree and removing the workspace.
    pub stop: Duration,
    /// The whole call.
    pub total: Duration,
}

/// Draws one picture, when its turn has come.
///
/// # Errors
/// The [`Failure`], with its evidence. Nothing is left behind in either case.
pub async fn generate(
    request: Request,
    ticket: Ticket,
    progress: Progress,
    cancel: Cancel,
) -> Result<Generated, Failure> {
    let request = Arc::new(request);
    let limits = Limits::new(progress.began(), request.timeout, cancel);

    let _place = limits.unless_interrupted(wait(ticket, &progress)).await?;
    let queued = progress.began().elapsed();

    progress.say(Phase::Preflight, "Looking for Codex and its login", None);
    let run = marker()?;
    let found = preflight(&request, &run, &limits).await?;
    let workspace = make_workspace(&request, &run).await?;
    let marker = Marker { dir: Some(workspace.path().to_path_buf()), ..run };
    let preflight = progress.began().elapsed().saturating_sub(queued);

    let drawn = draw(&request, &found, &workspace, marker, &progress, &limits).await;
    let closing = Instant::now();
    let left_behind = blocking(move || workspace.close()).await?.err();

    let warning = left_behind.map(|error| format!("The workspace could not be removed: {}.", os_words(&error)));
    match drawn {
        Ok(mut generated) => {
            generated.codex_version = found.cli.version;
            generated.timings.queue = queued;
            generated.timings.preflight = preflight;
            generated.timings.stop += closing.elapsed();
            generated.timings.total = progress.began().elapsed();
            generated.warnings.extend(warning);
            Ok(generated)
        }
        Err(mut failure) => {
            failure.evidence.detail.extend(warning);
            Err(failure)
        }
    }
}

/// Finds the picture of a thread that was drawn earlier. Starts nothing.
///
/// # Errors
/// [`Cause::NoImage`], or what was wrong with the only one there is. [`Cause::HomeUnanswered`] if the
/// disk does not answer.
pub async fn recover(codex_home: PathBuf, thread: ThreadId, limit: u64) -> Result<Generated, Failure> {
    let began = Instant::now();
    let picked = read_thread(codex_home, thread.clone(), limit).await.map_err(|mut failure| {
        failure.evidence.thread_id = Some(thread.to_string());
        failure
    })?;
    Ok(Generated {
        picked,
        thread: Some(thread),
        codex_version: None,
        usage: None,
        timings: Timings { total: began.elapsed(), ..Timings::default() },
        warnings: Vec::new(),
    })
}

async fn read_thread(codex_home: PathBuf, thread: ThreadId, limit: u64) -> Result<Picked, Failure> {
    let (place, probed) = (codex_home.clone(), codex_home.clone());
    // A dead disk takes the few threads of this, instead of the many that read long records.
    let probe = move || request(|| std::fs::read_dir(&probed).is_ok_and(|mut entries| entries.next().is_some()));
    gate::read(Kind::Home, &place, probe).await?.ok_or(Cause::HomeUnanswered)?;
    let read = move || harvest::recover(&codex_home, &thread, limit);
    let found = gate::read(Kind::Thread, &place, read).await?.ok_or(Cause::HomeUnanswered)?;
    Ok(found.map_err(|rejection| cause_of(rejection, limit))?)
}

async fn wait(ticket: Ticket, progress: &Progress) -> Place {
    let say = |position| {
        progress.say(Phase::Queued, &format!("Waiting for a free place, number {position} in the queue"), None);
    };
    ticket.turn(say).await
}

/// The grace that is left when the daemon itself is ending.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(300);

/// What was found before anything is spent.
struct Found {
    /// Its version is known, if it says it.
    cli: Cli,
    config: Config,
}

/// Finds the CLI and makes sure, without spending anything, that it can draw. Only certainty refuses; doubt passes.
async fn preflight(request: &Arc<Request>, run: &Marker, limits: &Limits) -> Result<Found, Failure> {
    let (sought, asked) = (Arc::clone(request), Arc::clone(request));
    let search = gate::read_patiently(Kind::Programs, searched(request), move || locate(&sought));
    let mut cli = limits.unless_interrupted(search).await???;
    let home = request.codex_home();
    let files = gate::read_patiently(Kind::Home, home.clone(), move || {
        (login::from_file(&home), Config::read(&Places::here(&home, &asked.env)))
    });
    let (mut login, config) = limits.unless_interrupted(files).await??;
    if login == Login::Unknown {
        let told = ask(&cli, request, &login::STATUS, run.clone(), limits.interrupted()).await;
        login = login::from_status(&told.map_err(|error| Cause::SpawnFailed(os_words(&error)))?);
        limits.check()?;
    }
    match (login, config.provider(&request.config)) {
        (Login::None, _) => Err(Cause::NotSignedIn.into()),
        (Login::Programmatic, _) => Err(Cause::ApiKeyLogin.into()),
        (_, Provider::Without(name)) => Err(Cause::ImageGenUnavailable(Unmounted::Provider(name)).into()),
        (Login::ChatGpt | Login::Unknown, Provider::OpenAi | Provider::Relay(_)) => {
            cli.version = version_of(&cli, request, run.clone(), limits.interrupted()).await;
            limits.check()?;
            Ok(Found { cli, config })
        }
    }
}

async fn make_workspace(request: &Request, run: &Marker) -> Result<Workspace, Failure> {
    let (parent, run) = (request.env.temp_dir(), run.value.clone());
    let make = move || {
        sweep::once(&parent);
        Workspace::create(&parent, &run)
    };
    let workspace = blocking(make).await?;
    Ok(workspace.map_err(|error| Cause::WorkspaceFailed(os_words(&error)))?)
}

/// Why the turn is no longer waited for.
enum Ending {
    /// The picture is there.
    Drawn(Picked),
    /// Codex has ended by itself.
    Exited,
    /// Codex does nothing but connect anew.
    Disconnected,
    /// Somebody or something said stop.
    Interrupted(Interrupt),
}

/// Runs the turn and takes in what it brings. The tree is dead when this returns.
async fn draw(
    request: &Arc<Request>,
    Found { cli, config }: &Found,
    workspace: &Workspace,
    marker: Marker,
    progress: &Progress,
    limits: &Limits,
) -> Result<Generated, Failure> {
    let staged = stage(request, workspace, limits).await?;
    limits.check()?;
    let version = cli.version.as_deref().and_then(Version::parse);
    let settings = command::settings(request, config, version, workspace.path(), (marker.name, &marker.value));
    let confinement = block_in_place(|| Confinement::expected(request, config, &settings, version, is_privileged()));
    let fingerprints = staged.iter().map(|staged| staged.fingerprint).collect();
    let judge = Judge::new(Arc::clone(request), fingerprints, confinement, workspace.path().to_path_buf());
    progress.say(Phase::Starting, "Starting Codex", None);
    let starting = Instant::now();
    let mut turn = start(request, cli, settings, workspace, &staged, marker, progress).await?;
    let started = Instant::now();

    let news = turn.news();
    let image = async {
        let picked = first_image(&judge, news.clone(), progress).await;
        match request.completion {
            Completion::Image => picked,
            // Its arrival is worth saying, but the agent may have another, and decides when it is done.
            Completion::Exit => {
                drop(picked);
                std::future::pending().await
            }
        }
    };
    // In this order: a picture that is there when something else happens is a success.
    let mut ending = tokio::select! {
        biased;
        picked = image => Ending::Drawn(picked),
        () = turn.exited() => Ending::Exited,
        why = limits.interrupted() => Ending::Interrupted(why),
        () = disconnected(news.clone(), request.max_reconnects) => Ending::Disconnected,
    };
    if matches!(ending, Ending::Interrupted(Interrupt::Timeout) | Ending::Disconnected)
        && request.completion == Completion::Image
        && let Some(thread) = news.borrow().thread.clone()
        && let Ok(picked) = block_in_place(|| judge.look(&mut judge.store(&thread), &thread))
    {
        ending = Ending::Drawn(picked);
    }
    let image = matches!(ending, Ending::Drawn(_)).then(|| started.elapsed());

    let stopping = Instant::now();
    let manner = manner_of(&ending, request.kill_grace, limits.shutdown());
    let ended = stop(turn, manner, progress).await;
    let picked = match ending {
        Ending::Drawn(picked) => picked,
        Ending::Interrupted(why) => return Err(failure(why.cause(request.timeout).into(), &ended)),
        Ending::Disconnected => {
            return Err(failure(diagnose_trouble(&ended.heard.transcript, SystemTime::now()), &ended));
        }
        Ending::Exited => {
            let thread = ended.heard.transcript.thread.as_ref().map(ThreadId::as_arc);
            progress.say(Phase::Checking, "Codex has finished; checking the picture", thread);
            let transcript = &ended.heard.transcript;
            let harvest = || judge.harvest(workspace, transcript, ended.exit.is_success());
            block_in_place(harvest).map_err(|rejection| without_picture(rejection, request, &ended))?
        }
    };
    let timings = Timings { start: started - starting, image, stop: stopping.elapsed(), ..Timings::default() };
    // Whose signature was enough has not been decoded.
    let decoded = request.validation == Validation::Full || picked.source != Source::Workspace;
    let opaque = request.transparent && decoded && !picked.picture.has_alpha;
    let mut warnings: Vec<String> =
        opaque.then(|| "The picture has no transparent pixels.".to_owned()).into_iter().collect();
    warnings.extend(judge.warnings());
    warnings.extend(ended.may_have_survivors.then(|| SURVIVORS.to_owned()));
    Ok(Generated {
        picked,
        thread: ended.heard.transcript.thread,
        codex_version: None,
        usage: ended.heard.transcript.usage,
        timings,
        warnings,
    })
}

/// What is said where the end of every process could not be made sure of.
const SURVIVORS: &str = "Some processes that Codex started may still be running: this system does not show all of them, or \
    they could not be ended. Look for them in its list of processes.";

/// Lays the reference images ready in the workspace.
async fn stage(request: &Arc<Request>, workspace: &Workspace, limits: &Limits) -> Result<Vec<Staged>, Failure> {
    if request.references.is_empty() {
        return Ok(Vec::new());
    }
    let (request, directory) = (Arc::clone(request), workspace.path().to_path_buf());
    limits.check()?;
    Ok(blocking(move || reference::stage(&request.references, &directory)).await??)
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
    let home = request.env.home().unwrap_or_default();
    let place = workspace.path().to_path_buf();
    let veil =
        Veil { directories: vec![(place.clone(), "the workspace"), (request.codex_home(), "CODEX_HOME"), (home, "~")] };
    let (request, cli, progress) = (Arc::clone(request), cli.clone(), progress.clone());
    // Not to be interrupted: a process that has started must be known before anything else happens.
    let turn = blocking(move || {
        let args = command::exec_args(&request, &settings, &place, &references);
        Turn::start(&command::program(&cli, &request, args, place), marker, words, progress, veil)
    });
    Ok(turn.await?.map_err(|error| Cause::SpawnFailed(os_words(&error)))?)
}

/// Resolves when the store of the turn's thread holds a picture that counts.
async fn first_image(judge: &Judge, mut news: watch::Receiver<News>, progress: &Progress) -> Picked {
    let known = news.wait_for(|news| news.thread.is_some()).await.ok().and_then(|news| news.thread.clone());
    // Codex has ended without naming a thread: there is no store to look into.
    let Some(thread) = known else { return std::future::pending().await };
    let say = |phase, message: &str| progress.say(phase, message, Some(thread.as_arc()));
    let mut store = judge.store(&thread);
    let mut announced = false;
    let mut doubted = None;
    for looks in 1_u64.. {
        let (own, of) = (judge.clone(), thread.clone());
        let looked = spawn_blocking(move || {
            // Finding the record takes a look at every day of the user's; soon after the thread has
            // started it is there.
            if looks.is_power_of_two() {
                own.read_statement(&of);
            }
            let found = own.look(&mut store, &of);
            (store, found)
        });
        // Fails only if the runtime is being shut down, and this future with it.
        let Ok((same, found)) = looked.await else { return std::future::pending().await };
        store = same;
        let nothing = matches!(found, Err(Rejection::Missing(_)));
        if !nothing && !std::mem::replace(&mut announced, true) {
            say(Phase::Image, "The picture is arriving");
        }
        // Codex saves a picture just before it records it, and where the agent is not confined only the record verifies it.
        let doubtful = judge.may_verify()
            && match &found {
                Ok(picked) => !picked.verified && doubted.get_or_insert_with(Instant::now).elapsed() < rollout::GRACE,
                Err(rejection) => matches!(rejection, Rejection::Missing(Missing::Unverified)),
            };
        if doubtful {
            store.forget();
            tokio::time::sleep(rollout::LOOK_EVERY).await;
            continue;
        }
        if let Ok(picked) = found {
            let Picture { width, height, .. } = picked.picture;
            say(Phase::Checking, &format!("The picture is proven: {width} × {height} pixels"));
            return picked;
        }
        tokio::time::sleep(store::LOOK_EVERY).await;
    }
    std::future::pending().await
}

/// Resolves when Codex has connected anew more often than `limit`, with nothing in between.
async fn disconnected(mut news: watch::Receiver<News>, limit: u32) {
    if news.wait_for(|news| news.reconnects > limit).await.is_err() {
        // Codex has ended, which somebody else will notice.
        std::future::pending::<()>().await;
    }
}

/// How the tree is to be stopped. A grace that is running when the daemon ends is over: the daemon will not wait for it.
fn manner_of(ending: &Ending, grace: Duration, shutdown: CancellationToken) -> Manner {
    let firm = |grace| Manner::Firm { grace, hurry: shutdown };
    match ending {
        Ending::Drawn(_) => firm(grace.min(DRAWN_GRACE)),
        Ending::Exited => Manner::Now,
        Ending::Interrupted(Interrupt::Shutdown) => {
            Manner::Firm { grace: grace.min(SHUTDOWN_GRACE), hurry: CancellationToken::new() }
        }
        Ending::Disconnected | Ending::Interrupted(Interrupt::Timeout | Interrupt::Aborted) => firm(grace),
    }
}

async fn stop(turn: Turn, manner: Manner, progress: &Progress) -> Ended {
    if matches!(manner, Manner::Firm { .. }) {
        let thread = turn.news().borrow().thread.clone();
        progress.say(Phase::Stopping, "Stopping Codex", thread.as_ref().map(ThreadId::as_arc));
    }
    turn.stop(manner).await
}

/// Why a turn that ended by itself has brought no picture: what Codex reported, else what was found, else how it ended.
fn without_picture(rejection: Rejection, request: &Request, ended: &Ended) -> Failure {
    let otherwise = || match cause_of(rejection, request.max_image_bytes) {
        cause @ Cause::ImageTooLarge { .. } => cause,
        _ if !ended.exit.is_success() => Cause::CodexFailed(ended.exit),
        cause => cause,
    };
    let told = diagnose(&ended.heard.transcript, &ended.heard.complaints, SystemTime::now());
    let mut failure = failure(told.unwrap_or_else(|| otherwise().into()), ended);
    failure.evidence.exit = Some(ended.exit);
    failure
}

const fn cause_of(rejection: Rejection, limit: u64) -> Cause {
    match rejection {
        Rejection::Refused(Refusal::TooLarge) => Cause::ImageTooLarge { limit },
        Rejection::Refused(Refusal::Flawed(flaw)) => Cause::InvalidImage(flaw),
        Rejection::Refused(Refusal::Absent) => Cause::NoImage(Missing::NotDrawn),
        Rejection::Missing(missing) => Cause::NoImage(missing),
    }
}

/// The cause with what the turn said about it.
fn failure(Diagnosis { cause, resets_at }: Diagnosis, ended: &Ended) -> Failure {
    let Heard { transcript, complaints } = &ended.heard;
    let thread_id = transcript.thread.as_ref().map(ToString::to_string);
    let mut detail = detail(transcript, complaints);
    if ended.may_have_survivors {
        let separator = if detail.is_empty() { "" } else { "\n" };
        detail.extend([separator, SURVIVORS]);
    }
    Failure { cause, evidence: Box::new(Evidence { exit: None, thread_id, resets_at, detail }) }
}
