//! Reading a child's pipes for as long as its tree lives.
//!
//! The end of a stream is not the end of a child: a descendant may keep the pipe open, and so may a
//! process outside of the tree. Waiting for the end of the stream could take for ever, and waiting
//! for a fixed time loses the last words on a busy machine (6 of 480 streams with 250 ms, on one
//! CPU shared with 5 busy loops). But a dead tree writes nothing: what the pipe holds then is all
//! that there is, and it can be counted and read without waiting.

use std::io;

use crate::text::lines::Lines;

pub use super::platform::{Output, Reader, read};

/// As much as a pipe holds.
pub(super) const READ_BYTES: usize = 64 << 10;

/// What becomes of the bytes of a pipe.
pub(super) struct Sink<B, L> {
    lines: Lines,
    on_bytes: B,
    on_line: L,
}

impl<B: FnMut(&[u8]), L: FnMut(&[u8])> Sink<B, L> {
    /// Hands over all bytes, and the lines of at most `cap` bytes.
    pub const fn new(cap: usize, on_bytes: B, on_line: L) -> Self {
        Self { lines: Lines::new(cap), on_bytes, on_line }
    }

    pub fn take(&mut self, bytes: &[u8]) {
        (self.on_bytes)(bytes);
        self.lines.push(bytes, &mut self.on_line);
    }

    /// There is no more to come.
    pub fn finish(mut self) {
        self.lines.finish(&mut self.on_line);
    }
}

/// Reads the `held` bytes that a pipe holds at this moment. Later writes are not waited for.
pub(super) fn drain(
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

    use super::super::platform::output_pipe;
    use super::*;

    /// The reader has seen nothing yet, as on a starved machine, and the pipe is still held open.
    #[tokio::test]
    async fn all_that_a_dead_tree_has_written_is_read_at_once() {
        for lines in [0, 1, 1000, 8000] {
            let (pipe, mut held) = output_pipe().unwrap();
            let written: Vec<_> = (0..lines).map(|line| format!("{line:07}")).collect();
            held.write_all(written.iter().flat_map(|line| [line, "\n"]).collect::<String>().as_bytes()).unwrap();
            let (seen, all) = mpsc::channel();
            let reader = read(pipe, 100, |_| {}, move |line| seen.send(line.to_vec()).unwrap()).unwrap();
            reader.finish().await;
            let all: Vec<_> = all.iter().map(|line| String::from_utf8(line).unwrap()).collect();
            assert_eq!(all, written);
            drop(held);
        }
    }

    #[tokio::test]
    async fn a_stream_that_has_ended_is_read_to_its_end() {
        let (pipe, mut held) = output_pipe().unwrap();
        held.write_all(b"one\ntwo").unwrap();
        drop(held);
        let (seen, all) = mpsc::channel();
        let reader = read(pipe, 100, |_| {}, move |line| seen.send(line.to_vec()).unwrap()).unwrap();
        reader.finish().await;
        assert_eq!(all.iter().collect::<Vec<_>>(), [b"one", b"two"]);
    }
}
