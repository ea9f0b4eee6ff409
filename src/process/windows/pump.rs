//! Reads a pipe on Windows: a thread waits for the pipe and for the end of the tree. A read of
//! tokio's cannot be cancelled there without losing what it may have read.

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

/// The buffer is not on the stack, but the sink is not ours.
const STACK_BYTES: usize = 512 << 10;

/// Reads a pipe, and passes all of its bytes to `sink`.
///
/// # Errors
/// The operating system's error.
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
    /// Reads what is left, now that all processes that could write are dead.
    pub async fn finish(mut self) {
        self.dead.set();
        // Fails only if the sink has panicked. It then keeps what it has taken.
        let _ = (&mut self.done).await;
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.dead.set();
    }
}

/// Reads to the end of the stream, or until the tree is dead, and then what the pipe holds at that
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
