//! Reads a pipe on Unix: a task waits for it to become readable.

use std::io;

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::process::pump::{READ_BYTES, Sink, drain};

/// Our end of a pipe into which a child writes.
pub type Output = pipe::Receiver;

/// Reads one pipe. Dropping it ends the reading.
#[derive(Debug)]
pub struct Reader {
    task: AbortOnDropHandle<()>,
    dead: CancellationToken,
}

/// Reads a pipe, and passes all of its bytes to `sink`. Needs a tokio runtime.
///
/// # Errors
/// None here; on Windows the operating system's error.
#[allow(clippy::unnecessary_wraps, reason = "on Windows it can fail")]
pub fn read(mut pipe: Output, mut sink: impl Sink) -> io::Result<Reader> {
    let dead = CancellationToken::new();
    let died = dead.clone();
    let task = AbortOnDropHandle::new(tokio::spawn(async move {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            tokio::select! {
                read = pipe.read(&mut buffer) => match read {
                    Ok(0) | Err(_) => break,
                    Ok(count) => sink.take(&buffer[..count]),
                },
                () = died.cancelled() => {
                    // An error ends the reading here as it does above.
                    let _ = read_held(&pipe, &mut buffer, |bytes| sink.take(bytes));
                    break;
                }
            }
        }
        sink.end();
    }));
    Ok(Reader { task, dead })
}

impl Reader {
    /// Reads what is left, now that all processes that could write are dead.
    pub async fn finish(self) {
        self.dead.cancel();
        // Fails only if the runtime is being shut down or the sink has panicked. The sink then
        // keeps what it has taken.
        let _ = self.task.await;
    }
}

fn read_held(pipe: &Output, buffer: &mut [u8], take: impl FnMut(&[u8])) -> io::Result<()> {
    // More than fits into a number would be more than fits into a pipe.
    let held = usize::try_from(rustix::io::ioctl_fionread(pipe)?).unwrap_or(usize::MAX);
    drain(held, buffer, |buffer| Ok(rustix::io::retry_on_intr(|| rustix::io::read(pipe, &mut *buffer))?), take)
}

/// A pipe as a child's would be, with its writing end.
#[cfg(test)]
pub fn output_pipe() -> io::Result<(Output, io::PipeWriter)> {
    let (ours, theirs) = io::pipe()?;
    Ok((Output::from_owned_fd(ours.into())?, theirs))
}
