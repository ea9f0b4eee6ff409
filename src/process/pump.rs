//! Reading a child's pipes for as long as its tree lives.
//!
//! The end of a stream is not the end of a child: a descendant may keep the pipe open, and so may a
//! process outside of the tree. Waiting for the end of the stream could take for ever, and waiting
//! for a fixed time loses the last words on a busy machine (6 of 480 streams with 250 ms, on one
//! CPU shared with 5 busy loops). But a dead tree writes nothing: what the pipe holds then is all
//! that there is, and it can be counted and read without waiting.

use std::io;

/// As much as a pipe holds.
pub const READ_BYTES: usize = 64 << 10;

/// Takes what comes out of a pipe.
pub trait Sink: Send + 'static {
    /// Takes the next bytes.
    fn take(&mut self, bytes: &[u8]);

    /// Ends the stream: there are no more bytes.
    fn end(&mut self);
}

/// Reads the `held` bytes that a pipe holds at this moment. Later writes are not waited for.
pub fn drain(
    held: usize,
    buffer: &mut [u8],
    mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
    mut take: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut left = held;
    while left > 0 {
        let most = left.min(buffer.len());
        let count = read(&mut buffer[..most])?;
        if count == 0 {
            break;
        }
        take(&buffer[..count]);
        left -= count;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::mpsc;

    use super::*;
    use crate::process::platform::{output_pipe, read};

    /// Sends all bytes once the stream has ended.
    struct Collect(Vec<u8>, mpsc::Sender<Vec<u8>>);

    impl Sink for Collect {
        fn take(&mut self, bytes: &[u8]) {
            self.0.extend_from_slice(bytes);
        }

        fn end(&mut self) {
            self.1.send(std::mem::take(&mut self.0)).unwrap();
        }
    }

    /// The reader has seen nothing yet, as on a starved machine, and the pipe is still held open.
    #[tokio::test]
    async fn all_that_a_dead_tree_has_written_is_read_at_once() {
        for lines in [0, 1, 1000, 8000] {
            let (pipe, mut held) = output_pipe().unwrap();
            let written = b"a line\n".repeat(lines);
            held.write_all(&written).unwrap();
            let (seen, all) = mpsc::channel();
            let reader = read(pipe, Collect(Vec::new(), seen)).unwrap();
            reader.finish().await;
            assert_eq!(all.iter().collect::<Vec<_>>(), [written]);
            drop(held);
        }
    }

    #[tokio::test]
    async fn a_stream_that_has_ended_is_read_to_its_end() {
        let (pipe, mut held) = output_pipe().unwrap();
        held.write_all(b"one\ntwo").unwrap();
        drop(held);
        let (seen, all) = mpsc::channel();
        let reader = read(pipe, Collect(Vec::new(), seen)).unwrap();
        reader.finish().await;
        assert_eq!(all.iter().collect::<Vec<_>>(), [b"one\ntwo"]);
    }
}
