//! Reads a child's pipe on Windows, in a thread that waits for the pipe and for the end of the
//! tree.
//!
//! Not with tokio: cancelling its read would lose the bytes that it may have read.

use std::io;
use std::sync::Arc;
use std::thread;

use tokio::sync::oneshot;

use super::pipe::Output;
use crate::process::pump::{READ_BYTES, Sink, drain};
use crate::win32::ManualResetEvent;

/// Thread that reads one pipe. Dropping it ends the thread.
#[derive(Debug)]
pub struct Reader {
    /// Set when the tree is dead.
    tree_dead: Arc<ManualResetEvent>,
    done: oneshot::Receiver<()>,
}

/// Larger than for a waiting thread, because the sink runs on it.
const STACK_BYTES: usize = 512 << 10;

/// Starts reading a pipe into `sink`.
///
/// # Errors
/// Any error of the operating system.
pub fn read(pipe: Output, mut sink: impl Sink) -> io::Result<Reader> {
    let tree_dead = Arc::new(ManualResetEvent::new()?);
    let is_dead = Arc::clone(&tree_dead);
    let (done_sender, done) = oneshot::channel();
    thread::Builder::new().name("codex-image-read".into()).stack_size(STACK_BYTES).spawn(move || {
        // An error ends the stream.
        let _ = read_all(&pipe, &is_dead, |bytes| sink.take(bytes));
        sink.end();
        // Fails if the reader has been dropped.
        let _ = done_sender.send(());
    })?;
    Ok(Reader { tree_dead, done })
}

impl Reader {
    /// Reads the rest of the pipe. To be called when the tree is dead.
    pub async fn finish(mut self) {
        self.tree_dead.set();
        // Fails only if the sink has panicked. The bytes that it has received so far stay.
        let _ = (&mut self.done).await;
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.tree_dead.set();
    }
}

/// Reads to the end of the stream or until the tree is dead, then the bytes that are left in the
/// pipe.
fn read_all(pipe: &Output, tree_dead: &ManualResetEvent, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match pipe.read(&mut buffer, tree_dead)? {
            0 => break,
            count => take(&buffer[..count]),
        }
        if tree_dead.is_set() {
            break;
        }
    }
    drain(pipe.held()?, &mut buffer, |buffer| pipe.read(buffer, tree_dead), take)
}

/// Creates a pipe such as a child's, and returns its writing end as well.
#[cfg(test)]
pub fn output_pipe() -> io::Result<(Output, std::fs::File)> {
    super::pipe::output()
}
