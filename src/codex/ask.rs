//! Short questions to the CLI, answered in a line or two: its version, and how it is signed in.

use std::ffi::OsString;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::command;
use super::line_sink::LineSink;
use super::locate::Cli;
use crate::process::{Marker, StopMode, read, spawn};
use crate::request::Request;
use crate::text::tail::Tail;

/// How long the CLI may take to start, and then to answer. It takes 0.03 to 0.3 s.
const TIMEOUT: Duration = Duration::from_secs(10);
/// More than any known answer.
const ANSWER_BYTES: usize = 4 << 10;

/// What the CLI printed on both its streams, until it ended or `given_up` resolved. Who does not
/// answer in time has said nothing.
///
/// # Errors
/// Whatever the operating system says when the CLI is started.
pub async fn ask(
    cli: &Cli,
    request: &Request,
    args: Vec<OsString>,
    marker: Marker,
    given_up: impl Future,
) -> io::Result<String> {
    let program = command::program(cli, request, args, request.env.temp_dir());
    // A program on a disk that does not answer starts late or never. Dropped then, it is killed.
    let starting = spawn_blocking(move || spawn(&program, marker));
    let (mut child, pipes) = tokio::time::timeout(TIMEOUT, starting).await???;
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
