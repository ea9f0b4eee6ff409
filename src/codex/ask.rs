//! Short questions to the CLI, which it answers in a line or two: its version and its login.

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
use crate::files;
use crate::process::{Marker, StopMode, read, spawn};
use crate::request::Request;
use crate::text::tail::Tail;

/// How long the CLI may take to start, and then to answer. It takes 0.03 to 0.3 s.
const TIMEOUT: Duration = Duration::from_secs(10);
/// More than any known answer.
const ANSWER_BYTES: usize = 4 << 10;

/// Returns what the CLI printed on both its streams until it exited, `given_up` resolved or the
/// time was up.
///
/// # Errors
/// The operating system's error when it starts the CLI.
pub async fn ask(
    cli: &Cli,
    request: &Request,
    args: Vec<OsString>,
    marker: Marker,
    given_up: impl Future,
) -> io::Result<String> {
    let program = command::program(cli, request, args, request.env.temp_dir());
    // On a disk that does not answer, the program starts late or never. A child that is returned
    // after the timeout is dropped, which kills it.
    let starting = spawn_blocking(move || spawn(&program, marker));
    let started = tokio::time::timeout(TIMEOUT, starting).await?;
    let (mut child, pipes) = started.map_err(io::Error::from).flatten()?;
    drop(pipes.stdin);
    let said = Arc::new(Mutex::new(Tail::new(ANSWER_BYTES)));
    let note = || {
        let said = Arc::clone(&said);
        LineSink::new(ANSWER_BYTES, move |line| {
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said.push(line);
            said.push(b"\n");
        })
    };
    let readers = [read(pipes.stdout, note())?, read(pipes.stderr, note())?];
    tokio::select! {
        _ = child.exited() => {}
        () = tokio::time::sleep(TIMEOUT) => {}
        _ = given_up => {}
    }
    // Fails only if the runtime is being shut down; the tree was then stopped by being dropped.
    let _ = spawn_blocking(move || child.stop(StopMode::Kill)).await;
    for reader in readers {
        reader.finish().await;
    }
    let answer = said.lock().unwrap_or_else(PoisonError::into_inner).text();
    Ok(answer)
}

/// Returns the CLI's version: its npm package's, or its own answer "codex-cli 0.169.0" (all
/// versions). None if it does not answer, or `given_up` resolves before.
pub async fn version_of(cli: &Cli, request: &Request, marker: Marker, given_up: impl Future) -> Option<String> {
    if cli.version.is_some() {
        return cli.version.clone();
    }
    let mut given_up = pin!(given_up);
    let (place, asked) = (cli.program.clone(), cli.program.clone());
    let stamp = blocking::on_disk_unless_stalled(DiskWork::ProgramSearch, place, move || {
        files::fs_request(|| Stamped::of(asked))
    });
    let program = stamp.await.ok().flatten().flatten()?;
    // Held while the CLI is asked: calls that begin together start it once.
    let mut answers = tokio::select! {
        biased;
        answers = ANSWERS.lock() => answers,
        _ = &mut given_up => return None,
    };
    if let Some((known, when)) = answers.get(&program)
        && when.elapsed() < KEPT
    {
        return known.clone();
    }
    let mut is_given_up = false;
    let given_up = async {
        given_up.await;
        is_given_up = true;
    };
    // If the CLI cannot be started, the turn reports why.
    let answer = ask(cli, request, vec!["--version".into()], marker, given_up).await.unwrap_or_default();
    let version = answer.lines().find_map(|line| line.trim().strip_prefix("codex-cli ")).map(str::to_owned);
    if !is_given_up {
        answers.insert(program, (version.clone(), Instant::now()));
    }
    version
}

/// A program as it was when it answered. An update changes its size or its time.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Stamped {
    path: PathBuf,
    size: u64,
    modified: SystemTime,
}

impl Stamped {
    fn of(path: PathBuf) -> Option<Self> {
        let metadata = std::fs::metadata(&path).ok()?;
        Some(Self { path, size: metadata.len(), modified: metadata.modified().ok()? })
    }
}

type Answers = HashMap<Stamped, (Option<String>, Instant)>;

/// The question takes as long as the CLI takes to start, so answers are kept for a while.
static ANSWERS: LazyLock<tokio::sync::Mutex<Answers>> = LazyLock::new(tokio::sync::Mutex::default);
/// The program of a version manager stays the same when it leads to another version.
const KEPT: Duration = Duration::from_secs(60);
