//! Runs short commands of the CLI, such as `--version` and `login status`, and returns their
//! output.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::task::spawn_blocking;

use super::command;
use super::line_sink::LineSink;
use super::locate::Cli;
use crate::blocking::{self, DiskWork};
use crate::error::{Cause, os_error_text};
use crate::files;
use crate::process::{Child, Pipes, RunTag, StopMode, read, spawn};
use crate::request::Request;
use crate::text::tail::Tail;

/// Time limit for the start of the CLI, and then for its answer. The CLI takes 0.03 to 0.3 s.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest tail of the output that is returned, in bytes. Longer than any known answer.
const ANSWER_BYTES: usize = 4 << 10;

/// Starts the CLI in the directory for temporary files.
///
/// # Errors
/// Those of [`ask`].
pub(super) async fn start(
    cli: &Cli,
    request: &Request,
    args: Vec<OsString>,
    tag: RunTag,
) -> Result<(Child, Pipes), Cause> {
    let program = command::program(cli, request, args, request.env.temp_dir());
    // If the disk stalls, the program starts late or never. A child that starts after the timeout
    // is dropped, which kills it.
    let starting = spawn_blocking(move || {
        spawn(&program, tag).map_err(|error| {
            if program.cwd.is_dir() { failed(&error) } else { Cause::WorkspaceFailed(os_error_text(&error)) }
        })
    });
    let started = tokio::time::timeout(TIMEOUT, starting).await.map_err(|elapsed| failed(&elapsed.into()))?;
    started.map_err(|error| failed(&error.into())).flatten()
}

/// Returns the cause of an error of the operating system at the start of the CLI.
pub(super) fn failed(error: &io::Error) -> Cause {
    Cause::SpawnFailed(os_error_text(error))
}

/// Runs the CLI until it exits, `given_up` resolves or the time limit expires. Returns the output
/// on both its streams.
///
/// # Errors
/// [`Cause::SpawnFailed`], or [`Cause::WorkspaceFailed`] if the CLI cannot be started because the
/// directory for temporary files, in which it is to run, does not exist.
pub async fn ask(
    cli: &Cli,
    request: &Request,
    args: Vec<OsString>,
    tag: RunTag,
    given_up: impl Future,
) -> Result<String, Cause> {
    let (mut child, pipes) = start(cli, request, args, tag).await?;
    drop(pipes.stdin);
    let printed = Arc::new(Mutex::new(Tail::new(ANSWER_BYTES)));
    let sink = || {
        let printed = Arc::clone(&printed);
        LineSink::new(ANSWER_BYTES, move |line| {
            let mut printed = printed.lock().unwrap_or_else(PoisonError::into_inner);
            printed.push(line);
            printed.push(b"\n");
        })
    };
    let readers = [
        read(pipes.stdout, sink()).map_err(|error| failed(&error))?,
        read(pipes.stderr, sink()).map_err(|error| failed(&error))?,
    ];
    tokio::select! {
        _ = child.exited() => {}
        () = tokio::time::sleep(TIMEOUT) => {}
        _ = given_up => {}
    }
    // Fails only if the runtime is shutting down. The tree was then stopped by its drop.
    let _ = spawn_blocking(move || child.stop(StopMode::Kill)).await;
    for reader in readers {
        reader.finish().await;
    }
    let answer = printed.lock().unwrap_or_else(PoisonError::into_inner).text();
    Ok(answer)
}

/// Returns the CLI's version: that of its npm package, or the output of `--version`, "codex-cli
/// 0.169.0" (all versions). `None` if the CLI does not answer, or if `given_up` resolves first.
pub async fn version_of(cli: &Cli, request: &Request, tag: RunTag, given_up: impl Future) -> Option<String> {
    if cli.version.is_some() {
        return cli.version.clone();
    }
    let mut given_up = pin!(given_up);
    let (key, program) = (cli.program.clone(), cli.program.clone());
    let stamp = blocking::on_disk_unless_stalled(DiskWork::ProgramSearch, key, move || {
        files::fs_request(|| ProgramStamp::of(program))
    });
    let program = stamp.await.ok().flatten().flatten()?;
    // Held while the CLI runs, so that concurrent calls start it once.
    let mut answers = tokio::select! {
        biased;
        answers = ANSWERS.lock() => answers,
        _ = &mut given_up => return None,
    };
    if let Some((known, when)) = answers.get(&program)
        && when.elapsed() < CACHE_TIME
    {
        return known.clone();
    }
    let mut is_given_up = false;
    let given_up = async {
        given_up.await;
        is_given_up = true;
    };
    // If the CLI cannot be started, the turn reports the error.
    let answer = match ask(cli, request, vec!["--version".into()], tag, given_up).await {
        // Not cached: the next call may have another directory.
        Err(Cause::WorkspaceFailed(_)) => return None,
        answer => answer.unwrap_or_default(),
    };
    let version = answer.lines().find_map(|line| line.trim().strip_prefix("codex-cli ")).map(str::to_owned);
    if !is_given_up {
        answers.insert(program, (version.clone(), Instant::now()));
    }
    version
}

/// Program with its size and modification time, of which an update changes at least one.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ProgramStamp {
    path: PathBuf,
    size: u64,
    modified: SystemTime,
}

impl ProgramStamp {
    fn of(path: PathBuf) -> Option<Self> {
        let metadata = std::fs::metadata(&path).ok()?;
        Some(Self { path, size: metadata.len(), modified: metadata.modified().ok()? })
    }
}

type Answers = HashMap<ProgramStamp, (Option<String>, Instant)>;

/// Cache of versions, since each query starts the CLI.
static ANSWERS: LazyLock<tokio::sync::Mutex<Answers>> = LazyLock::new(tokio::sync::Mutex::default);
/// Lifetime of a cached version. The shim of a version manager does not change with the version
/// that it starts, so its answer must expire.
const CACHE_TIME: Duration = Duration::from_secs(60);
