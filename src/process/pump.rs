//! Reads a child's pipes until its tree is dead, then the bytes that are left in the pipe.
//!
//! Does not wait for the end of the stream, since a process outside of the tree may keep the pipe
//! open. Does not wait for a fixed time either, which loses output on a busy machine: 6 of 480
//! streams with 250 ms, on one CPU shared with 5 busy loops.

use std::io;

/// Largest read: the usual capacity of a pipe.
pub const READ_BYTES: usize = 64 << 10;

/// Receives the bytes of a pipe.
pub trait Sink: Send + 'static {
    /// Receives the next bytes.
    fn take(&mut self, bytes: &[u8]);

    /// Called once, after the last bytes.
    fn end(&mut self);
}

/// Reads the `held` bytes that are in a pipe at this moment. Does not wait for later writes.
pub fn drain(
    held: usize,
    buffer: &mut [u8],
    mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
    mut take: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut left = held;
    while left > 0 {
        let length = left.min(buffer.len());
        let count = read(&mut buffer[..length])?;
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

    /// The reader has read nothing yet, as on an overloaded machine, and the pipe is still open.
    #[tokio::test]
    async fn reads_everything_a_dead_tree_has_written_without_waiting() {
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
    async fn reads_an_ended_stream_to_its_end() {
        let (pipe, mut held) = output_pipe().unwrap();
        held.write_all(b"one\ntwo").unwrap();
        drop(held);
        let (seen, all) = mpsc::channel();
        let reader = read(pipe, Collect(Vec::new(), seen)).unwrap();
        reader.finish().await;
        assert_eq!(all.iter().collect::<Vec<_>>(), [b"one\ntwo"]);
    }
}
