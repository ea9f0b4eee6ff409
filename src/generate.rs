//! The story: locate → preflight → workspace → turn → harvest → clean up.
//!
//! Codex prints nothing about images, so the file system decides. The picture is the file that Codex itself wrote for this
//! very thread, or, if Codex ended well, the file at the path that was handed to the agent. Whatever happens, the answer is
//! given only when the process tree is dead and the workspace removed.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::task::{block_in_place, spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::codex::events::Usage;
use crate::codex::failure::{Diagnosis, detail, diagnose};
use crate::codex::locate::{Cli, locate};
use crate::codex::login::{self, Login};
use crate::codex::store::{Proven, Sight, Store, prove};
use crate::codex::turn::{Ended, Heard, Turn, Veil};
use crate::codex::{ThreadId, command, prompt, provider};
use crate::error::{Cause, Evidence, Failure, Unmounted, os_words};
use crate::files::Refusal;
use crate::png::{self, Picture};
use crate::process::{Manner, Marker};
use crate::progress::{Phase, Progress};
use crate::request::{Completion, Request, Validation};
use crate::workspace::Workspace;

/// A proven picture and how it came about.
#[derive(Debug)]
pub struct Generated {
    /// The PNG file's bytes, unchanged.
    pub png: Vec<u8>,
    /// What they show.
    pub picture: Picture,
    /// Where they were found.
    pub source: Source,
    /// The thread that drew it.
    pub thread: Option<ThreadId>,
    /// The CLI's version, where it is known without asking.
    pub codex_version: Option<String>,
    /// What the turn cost, if it was not stopped before it could tell.
    pub usage: Option<Usage>,
    /// Where the time went.
    pub timings: Timings,
    /// What went wrong without spoiling the picture.
    pub warnings: Vec<String>,
}

/// Where a picture was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// In Codex's own store.
    Store,
    /// At the path handed to the agent.
    Workspace,
}

impl Source {
    /// The name that JavaScript sees.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Workspace => "workspace",
        }
    }
}

/// Where the time of a call went.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timings {
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

/// What can end a call from outside.
#[derive(Debug, Clone)]
pub struct Cancel {
    /// The caller gave up.
    pub abort: CancellationToken,
    /// The JavaScript environment is going away, and nobody will hear the answer.
    pub shutdown: CancellationToken,
}

/// Draws one picture.
///
/// # Errors
/// The [`Failure`], with its evidence. Nothing is left behind in either case.
pub async fn generate(request: Request, progress: Progress, cancel: Cancel) -> Result<Generated, Failure> {
    let request = Arc::new(request);
    let limits = Limits { deadline: progress.began() + request.timeout, timeout: request.timeout, cancel };

    progress.say(Phase::Preflight, "Looking for Codex and its login", None);
    let run = Marker { name: MARKER, value: random_hex()?, dir: None };
    let cli = preflight(&request, &run, &limits).await?;
    let workspace = make_workspace(&request).await?;
    let preflight = progress.began().elapsed();

    let marker = Marker { dir: Some(workspace.path().to_path_buf()), ..run };
    let drawn = draw(&request, &cli, &workspace, marker, &progress, &limits).await;
    let closing = Instant::now();
    let left_behind = blocking(move || workspace.close()).await?.err();

    let warning = left_behind.map(|error| format!("The workspace could not be removed: {}.", os_words(&error)));
    match drawn {
        Ok(mut generated) => {
            generated.codex_version = cli.version;
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

/// The variable that marks every process of a run.
const MARKER: &str = "OD_CODEX_IMAGE_RUN";
/// How often the store is looked at: one `open` of a directory that mostly does not exist yet.
const LOOK_EVERY: Duration = Duration::from_millis(40);
/// The grace that is left when the daemon itself is ending.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(300);

/// Finds the CLI and makes sure, without spending anything, that it can draw. Only certainty refuses; doubt passes.
async fn preflight(request: &Arc<Request>, run: &Marker, limits: &Limits) -> Result<Cli, Failure> {
    let asked = Arc::clone(request);
    let look = move || {
        let home = asked.codex_home();
        let cli = locate(&asked)?;
        let provider = provider::certainly_without_image_gen(&home, &asked.config);
        Ok::<_, Cause>((cli, login::from_file(&home), provider))
    };
    let (cli, mut login, provider) = limits.unless_interrupted(blocking(look)).await???;
    if login == Login::Unknown {
        let told = login::ask(&cli, request, run.clone(), limits.interrupted()).await;
        login = told.map_err(|error| Cause::SpawnFailed(os_words(&error)))?;
        limits.check()?;
    }
    match (login, provider) {
        (Login::None, _) => Err(Cause::NotSignedIn.into()),
        (Login::Programmatic, _) => Err(Cause::ApiKeyLogin.into()),
        (_, Some(name)) => Err(Cause::ImageGenUnavailable(Unmounted::Provider(name)).into()),
        (Login::ChatGpt | Login::Unknown, None) => Ok(cli),
    }
}

async fn make_workspace(request: &Request) -> Result<Workspace, Failure> {
    let parent = request.env.temp_dir();
    let made = blocking(move || Workspace::create(&parent)).await?;
    Ok(made.map_err(|error| Cause::WorkspaceFailed(os_words(&error)))?)
}

/// Why the turn is no longer waited for.
enum Ending {
    /// The picture is there.
    Drawn(Proven),
    /// Codex has ended by itself.
    Exited,
    /// Somebody or something said stop.
    Interrupted(Interrupt),
}

/// Runs the turn and takes in what it brings. The tree is dead when this returns.
async fn draw(
    request: &Arc<Request>,
    cli: &Cli,
    workspace: &Workspace,
    marker: Marker,
    progress: &Progress,
    limits: &Limits,
) -> Result<Generated, Failure> {
    limits.check()?;
    progress.say(Phase::Starting, "Starting Codex", None);
    let starting = Instant::now();
    let mut turn = start(request, cli, workspace, marker, progress).await?;
    let started = Instant::now();

    let thread = turn.thread();
    let image = async {
        let proven = first_image(request, thread.clone(), progress).await;
        match request.completion {
            Completion::Image => proven,
            // Its arrival is worth saying, but the agent may have another, and decides when it is done.
            Completion::Exit => std::future::pending().await,
        }
    };
    // In this order: a picture that is there when the time is up is a success.
    let mut ending = tokio::select! {
        biased;
        proven = image => Ending::Drawn(proven),
        () = turn.exited() => Ending::Exited,
        why = limits.interrupted() => Ending::Interrupted(why),
    };
    if let (Ending::Interrupted(Interrupt::Timeout), Completion::Image) = (&ending, request.completion)
        && let Sight::Image(proven) = block_in_place(|| look_once(request, thread.borrow().as_ref()))
    {
        ending = Ending::Drawn(proven);
    }
    let image = matches!(ending, Ending::Drawn(_)).then(|| started.elapsed());

    let stopping = Instant::now();
    let ended = stop(turn, &ending, request, progress).await;
    let heard_of = ended.heard.transcript.thread.clone();
    let mut timings = Timings { start: started - starting, image, ..Timings::default() };
    let (proven, source) = match ending {
        Ending::Drawn(proven) => (proven, Source::Store),
        Ending::Interrupted(why) => return Err(failure(why.cause(limits.timeout), None, &ended)),
        Ending::Exited => {
            progress.say(
                Phase::Checking,
                "Codex has finished; checking the picture",
                heard_of.as_ref().map(ThreadId::as_arc),
            );
            block_in_place(|| harvest(request, workspace, &ended))?
        }
    };
    timings.stop = stopping.elapsed();
    Ok(Generated {
        png: proven.bytes,
        picture: proven.picture,
        source,
        thread: heard_of,
        codex_version: None,
        usage: ended.heard.transcript.usage,
        timings,
        warnings: Vec::new(),
    })
}

async fn start(
    request: &Arc<Request>,
    cli: &Cli,
    workspace: &Workspace,
    marker: Marker,
    progress: &Progress,
) -> Result<Turn, Failure> {
    let copy_to = request.sandbox.has_shell().then(|| workspace.image_path());
    let words = prompt::prompt(&request.prompt, &request.aspect, copy_to.as_deref(), &random_hex()?);
    let args = command::exec_args(request, workspace.path(), (marker.name, &marker.value));
    let program = command::program(cli, request, args, workspace.path().to_path_buf());
    let home = request.env.home().unwrap_or_default();
    let directories =
        vec![(workspace.path().to_path_buf(), "the workspace"), (request.codex_home(), "CODEX_HOME"), (home, "~")];
    let progress = progress.clone();
    // Not to be interrupted: a process that has started must be known before anything else happens.
    let turn = blocking(move || Turn::start(&program, marker, words, progress, Veil { directories })).await?;
    Ok(turn.map_err(|error| Cause::SpawnFailed(os_words(&error)))?)
}

/// Resolves when the store of the turn's thread holds a proven picture.
async fn first_image(
    request: &Arc<Request>,
    mut thread: tokio::sync::watch::Receiver<Option<ThreadId>>,
    progress: &Progress,
) -> Proven {
    let known = thread.wait_for(Option::is_some).await.ok().and_then(|thread| thread.clone());
    // Codex has ended without naming a thread: there is no store to look into.
    let Some(thread) = known else { return std::future::pending().await };
    let say = |phase, message: &str| progress.say(phase, message, Some(thread.as_arc()));
    let mut store = Store::new(&request.codex_home(), &thread, request.max_image_bytes);
    let mut announced = false;
    loop {
        let looked = spawn_blocking(move || {
            let sight = store.look();
            (store, sight)
        });
        // Fails only if the runtime is being shut down, and this future with it.
        let Ok((same, sight)) = looked.await else { return std::future::pending().await };
        store = same;
        if !matches!(sight, Sight::Nothing) && !std::mem::replace(&mut announced, true) {
            say(Phase::Image, "The picture is arriving");
        }
        if let Sight::Image(proven) = sight {
            let Picture { width, height, .. } = proven.picture;
            say(Phase::Checking, &format!("The picture is proven: {width} × {height} pixels"));
            return proven;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// One look with fresh eyes at everything in the thread's store. Blocks on the disk.
fn look_once(request: &Request, thread: Option<&ThreadId>) -> Sight {
    thread.map_or(Sight::Nothing, |thread| Store::new(&request.codex_home(), thread, request.max_image_bytes).look())
}

async fn stop(turn: Turn, ending: &Ending, request: &Request, progress: &Progress) -> Ended {
    let thread = turn.thread().borrow().clone();
    let grace = request.kill_grace;
    let manner = match ending {
        Ending::Drawn(_) => Manner::Gentle { grace },
        Ending::Exited => Manner::Now,
        Ending::Interrupted(Interrupt::Shutdown) => Manner::Firm { grace: grace.min(SHUTDOWN_GRACE) },
        Ending::Interrupted(Interrupt::Timeout | Interrupt::Aborted) => Manner::Firm { grace },
    };
    if manner != Manner::Now {
        progress.say(Phase::Stopping, "Stopping Codex", thread.as_ref().map(ThreadId::as_arc));
    }
    turn.stop(manner).await
}

/// Takes in what a turn that ended by itself has brought. Blocks on the disk.
fn harvest(request: &Request, workspace: &Workspace, ended: &Ended) -> Result<(Proven, Source), Failure> {
    let went_well = ended.exit.is_success();
    let in_store = || match look_once(request, ended.heard.transcript.thread.as_ref()) {
        Sight::Image(proven) => Ok(proven),
        Sight::Refused(refusal) => Err(refusal),
        Sight::Nothing => Err(Refusal::Absent),
    };
    let at_handed_path = || {
        let check = match request.validation {
            Validation::Full => png::prove,
            Validation::Signature => png::sign_of_png,
        };
        prove(workspace.read_image(request.max_image_bytes), check)
    };
    // What the agent left counts only if Codex says that all went well; what Codex itself wrote needs no such word, unless
    // the caller asked to wait for it.
    let order: &[Source] = match (request.completion, went_well) {
        (Completion::Image, true) if request.sandbox.has_shell() => &[Source::Store, Source::Workspace],
        (Completion::Exit, true) if request.sandbox.has_shell() => &[Source::Workspace, Source::Store],
        (Completion::Image, _) | (Completion::Exit, true) => &[Source::Store],
        (Completion::Exit, false) => &[],
    };
    let mut refused = None;
    for &source in order {
        let found = match source {
            Source::Store => in_store(),
            Source::Workspace => at_handed_path(),
        };
        match found {
            Ok(proven) => return Ok((proven, source)),
            Err(Refusal::Absent) => {}
            Err(refusal) => refused = refused.or(Some(refusal)),
        }
    }
    let otherwise = || match refused {
        Some(Refusal::TooLarge) => Cause::ImageTooLarge { limit: request.max_image_bytes },
        _ if !went_well => Cause::CodexFailed(ended.exit),
        Some(Refusal::Flawed(flaw)) => Cause::InvalidImage(flaw),
        Some(Refusal::Absent) | None => Cause::NoImage,
    };
    let told = diagnose(&ended.heard.transcript, &ended.heard.complaints, SystemTime::now());
    let Diagnosis { cause, resets_at } = told.unwrap_or_else(|| otherwise().into());
    let mut failure = failure(cause, resets_at, ended);
    failure.evidence.exit = Some(ended.exit);
    Err(failure)
}

/// The cause with what the turn said about it.
fn failure(cause: Cause, resets_at: Option<SystemTime>, ended: &Ended) -> Failure {
    let Heard { transcript, complaints } = &ended.heard;
    let thread_id = transcript.thread.as_ref().map(ToString::to_string);
    Failure {
        cause,
        evidence: Box::new(Evidence { exit: None, thread_id, resets_at, detail: detail(transcript, complaints) }),
    }
}

/// What stopped a call from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interrupt {
    Timeout,
    Aborted,
    Shutdown,
}

impl Interrupt {
    const fn cause(self, timeout: Duration) -> Cause {
        match self {
            Self::Timeout => Cause::Timeout(timeout),
            Self::Aborted | Self::Shutdown => Cause::Aborted,
        }
    }
}

/// What bounds a call.
struct Limits {
    deadline: Instant,
    timeout: Duration,
    cancel: Cancel,
}

impl Limits {
    /// Resolves when the call is to end.
    async fn interrupted(&self) -> Interrupt {
        tokio::select! {
            biased;
            () = self.cancel.shutdown.cancelled() => Interrupt::Shutdown,
            () = self.cancel.abort.cancelled() => Interrupt::Aborted,
            () = tokio::time::sleep_until(self.deadline.into()) => Interrupt::Timeout,
        }
    }

    /// The future's value, unless the call is to end before. Only for futures that leave nothing behind when dropped.
    async fn unless_interrupted<T>(&self, future: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            why = self.interrupted() => Err(why.cause(self.timeout).into()),
            value = future => Ok(value),
        }
    }

    /// Whether the call may go on.
    fn check(&self) -> Result<(), Failure> {
        let why = if self.cancel.shutdown.is_cancelled() {
            Interrupt::Shutdown
        } else if self.cancel.abort.is_cancelled() {
            Interrupt::Aborted
        } else if Instant::now() >= self.deadline {
            Interrupt::Timeout
        } else {
            return Ok(());
        };
        Err(why.cause(self.timeout).into())
    }
}

/// Runs `work` where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    // Fails only if the work panicked or the runtime is being shut down.
    spawn_blocking(work).await.map_err(|_| Cause::Internal.into())
}

/// Eight bytes that nobody can guess, as text.
fn random_hex() -> Result<String, Failure> {
    let number = getrandom::u64().map_err(|_| Cause::Internal)?;
    Ok(format!("{number:016x}"))
}
