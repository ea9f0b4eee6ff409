//! Reads a child's pipe on Windows, in a thread that waits for the pipe and for the end of the
//! tree.
//!
//! Not with tokio: cancelling its read would lose the bytes that it may have read.

use std::io;
use std::sync::Arc;
use std::thread;

use tokio::sync::oneshot;

use super::pipe::Output;
use crate::process::blocking_pump::read_all;
use crate::process::pump::Sink;
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
        let read = |buffer: &mut [u8], wait_for| pipe.read(buffer, wait_for, &is_dead);
        // An error ends the stream.
        let _ = read_all(read, || pipe.held(), |bytes| sink.take(bytes));
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

/// Creates a pipe such as a child's, and returns its writing end as well.
#[cfg(test)]
pub fn output_pipe() -> io::Result<(Output, std::fs::File)> {
    super::pipe::output()
}
