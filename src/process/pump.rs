//! Reading a child's pipes for as long as its tree lives.
//!
//! The end of a stream is not the end of a child: a descendant may keep the pipe open, and so may somebody outside of the tree who
//! was given it. Waiting for the end of the stream could therefore take for ever, and waiting for a while loses the last words on a
//! machine with too little processor time (6 of 480 streams with 250 ms, on one CPU shared with 5 busy loops). But whoever is dead
//! writes nothing: what the pipe holds once the tree is dead is all that there is, and it can be counted and read without waiting.

use std::io;
use std::os::fd::AsFd;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::lines::Lines;

/// As much as a pipe holds.
const READ_BYTES: usize = 64 << 10;

/// Reads one pipe. Dropping it ends the reading.
#[derive(Debug)]
pub struct Reader {
    task: AbortOnDropHandle<()>,
    dead: CancellationToken,
}

/// Reads a pipe that is not blocking, whatever comes out of it.
pub fn read(
    mut pipe: impl AsyncRead + AsFd + Unpin + Send + 'static,
    cap: usize,
    mut on_bytes: impl FnMut(&[u8]) + Send + 'static,
    mut on_line: impl FnMut(&[u8]) + Send + 'static,
) -> Reader {
    let dead = CancellationToken::new();
    let died = dead.clone();
    let task = AbortOnDropHandle::new(tokio::spawn(async move {
        let mut lines = Lines::new(cap);
        let mut buffer = vec![0; READ_BYTES];
        let mut take = |bytes: &[u8]| {
            on_bytes(bytes);
            lines.push(bytes, &mut on_line);
        };
        loop {
            tokio::select! {
                read = pipe.read(&mut buffer) => match read {
                    Ok(0) | Err(_) => break,
                    Ok(count) => take(&buffer[..count]),
                },
                () = died.cancelled() => {
                    // An error ends the reading here as it does above.
                    let _ = read_held(&pipe, &mut buffer, &mut take);
                    break;
                }
            }
        }
        lines.finish(&mut on_line);
    }));
    Reader { task, dead }
}

impl Reader {
    /// Reads what is left, now that everybody is dead who could add to it.
    pub async fn finish(self) {
        self.dead.cancel();
        // Fails only if the runtime is being shut down, or if a callback has panicked: what it has taken in is still there.
        let _ = self.task.await;
    }
}

/// Reads what the pipe holds at this moment. Somebody who goes on writing into it is not waited for.
fn read_held(pipe: &impl AsFd, buffer: &mut [u8], take: &mut impl FnMut(&[u8])) -> io::Result<()> {
    let mut left = usize::try_from(rustix::io::ioctl_fionread(pipe)?).unwrap_or(usize::MAX);
    while left > 0 {
        let most = left.min(buffer.len());
        let count = rustix::io::retry_on_intr(|| rustix::io::read(pipe, &mut buffer[..most]))?;
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

    use tokio::net::unix::pipe;

    use super::*;

    /// The reader has seen nothing yet, as on a starved machine, and somebody still holds the pipe open.
    #[tokio::test]
    async fn all_that_a_dead_tree_has_written_is_read_at_once() {
        for lines in [0, 1, 1000, 8000] {
            let (end, mut held) = std::io::pipe().unwrap();
            for line in 0..lines {
                writeln!(held, "{line:07}").unwrap();
            }
            let (seen, all) = mpsc::channel();
            let pipe = pipe::Receiver::from_owned_fd(end.into()).unwrap();
            let reader = read(pipe, 100, |_| {}, move |line| seen.send(line.to_vec()).unwrap());
            reader.finish().await;
            let all: Vec<_> = all.iter().map(|line| String::from_utf8(line).unwrap()).collect();
            assert_eq!(all, (0..lines).map(|line| format!("{line:07}")).collect::<Vec<_>>());
            drop(held);
        }
    }

    #[tokio::test]
    async fn a_stream_that_has_ended_is_read_to_its_end() {
        let (end, mut held) = std::io::pipe().unwrap();
        held.write_all(b"one\ntwo").unwrap();
        drop(held);
        let (seen, all) = mpsc::channel();
        let pipe = pipe::Receiver::from_owned_fd(end.into()).unwrap();
        read(pipe, 100, |_| {}, move |line| seen.send(line.to_vec()).unwrap()).finish().await;
        assert_eq!(all.iter().collect::<Vec<_>>(), [b"one", b"two"]);
    }
}
