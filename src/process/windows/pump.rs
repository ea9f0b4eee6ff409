//! Reading on Windows: a thread that waits for the pipe and for the end of the tree. Where tokio
//! would read, a reading cannot be taken back without losing what it may have read.

use std::io;
use std::sync::Arc;
use std::thread;

use tokio::sync::oneshot;

use super::pipe::Output;
use crate::process::pump::{READ_BYTES, Sink, drain};
use crate::win32::Event;

/// Reads one pipe. Dropping it ends the reading.
#[derive(Debug)]
pub struct Reader {
    dead: Arc<Event>,
    done: oneshot::Receiver<()>,
}

/// The buffer is not on it, but what the lines are given to is not ours.
const STACK_BYTES: usize = 512 << 10;

/// Reads a pipe, and hands all of its bytes to `sink`.
///
/// # Errors
/// Whatever the operating system says.
pub fn read(pipe: Output, mut sink: impl Sink) -> io::Result<Reader> {
    let dead = Arc::new(Event::new()?);
    let died = Arc::clone(&dead);
    let (tell, done) = oneshot::channel();
    thread::Builder::new().name("codex-image-read".into()).stack_size(STACK_BYTES).spawn(move || {
        // An error ends the reading, like the end of the stream.
        let _ = read_all(&pipe, &died, |bytes| sink.take(bytes));
        sink.end();
        // The receiver may be gone.
        let _ = tell.send(());
    })?;
    Ok(Reader { dead, done })
}

impl Reader {
    /// Reads what is left, now that everybody is dead who could add to it.
    pub async fn finish(mut self) {
        self.dead.set();
        // Fails only if a callback has panicked: what it has taken in is still there.
        let _ = (&mut self.done).await;
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.dead.set();
    }
}

/// Reads to the end of the stream, or until everybody is dead, and then what the pipe holds at that
/// moment.
fn read_all(pipe: &Output, dead: &Event, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match pipe.read(&mut buffer, dead)? {
            0 => break,
            count => take(&buffer[..count]),
        }
        if dead.is_set() {
            break;
        }
    }
    drain(pipe.held()?, &mut buffer, |buffer| pipe.read(buffer, dead), take)
}

/// A pipe as a child's would be, with its writing end.
#[cfg(test)]
pub fn output_pipe() -> io::Result<(Output, std::fs::File)> {
    super::pipe::output()
}
