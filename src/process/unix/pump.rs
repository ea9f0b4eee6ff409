//! Reads a child's pipe on Unix, in a task that waits for the pipe to become readable.

use std::io;

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::process::pump::{READ_BYTES, Sink, drain};

/// Reading end of a pipe into which a child writes.
pub type Output = pipe::Receiver;

/// Task that reads one pipe. Dropping it ends the task.
#[derive(Debug)]
pub struct Reader {
    task: AbortOnDropHandle<()>,
    /// Cancelled when the tree is dead.
    tree_dead: CancellationToken,
}

/// Starts reading a pipe into `sink`. Needs a tokio runtime.
///
/// # Errors
/// None on Unix; any error of the operating system on Windows.
#[allow(clippy::unnecessary_wraps, reason = "on Windows it can fail")]
pub fn read(mut pipe: Output, mut sink: impl Sink) -> io::Result<Reader> {
    let tree_dead = CancellationToken::new();
    let is_dead = tree_dead.clone();
    let task = AbortOnDropHandle::new(tokio::spawn(async move {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            tokio::select! {
                read = pipe.read(&mut buffer) => match read {
                    Ok(0) | Err(_) => break,
                    Ok(count) => sink.take(&buffer[..count]),
                },
                () = is_dead.cancelled() => {
                    // An error ends the stream.
                    let _ = read_held(&pipe, &mut buffer, |bytes| sink.take(bytes));
                    break;
                }
            }
        }
        sink.end();
    }));
    Ok(Reader { task, tree_dead })
}

impl Reader {
    /// Reads the rest of the pipe. To be called when the tree is dead.
    pub async fn finish(self) {
        self.tree_dead.cancel();
        // Fails only if the runtime is shutting down or the sink has panicked. The bytes that the
        // sink has received so far stay.
        let _ = self.task.await;
    }
}

fn read_held(pipe: &Output, buffer: &mut [u8], take: impl FnMut(&[u8])) -> io::Result<()> {
    let held = usize::try_from(rustix::io::ioctl_fionread(pipe)?).unwrap_or(usize::MAX);
    drain(held, buffer, |buffer| Ok(rustix::io::retry_on_intr(|| rustix::io::read(pipe, &mut *buffer))?), take)
}

/// Creates a pipe such as a child's, and returns its writing end as well.
#[cfg(test)]
pub fn output_pipe() -> io::Result<(Output, io::PipeWriter)> {
    let (ours, theirs) = io::pipe()?;
    Ok((Output::from_owned_fd(ours.into())?, theirs))
}
