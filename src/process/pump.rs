//! Reading a child's pipes for as long as it lives.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio_util::task::AbortOnDropHandle;

use super::lines::Lines;

/// How long the reading of what is left may take once the tree is dead. What is left is at most what the pipes hold, so only a
/// starved machine needs more than an instant; with 250 ms one CPU shared with 5 busy loops lost the end of 6 in 480 streams,
/// and with it what the turn's end says. All of it passes only if somebody outside of the tree holds a pipe.
const DRAIN: Duration = Duration::from_secs(2);
/// As much as a pipe holds.
const READ_BYTES: usize = 64 << 10;

/// Reads a pipe to its end, whatever comes out of it.
pub fn read(
    mut pipe: impl AsyncRead + Unpin + Send + 'static,
    cap: usize,
    mut on_bytes: impl FnMut(&[u8]) + Send + 'static,
    mut on_line: impl FnMut(&[u8]) + Send + 'static,
) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        let mut lines = Lines::new(cap);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match pipe.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(count) => {
                    on_bytes(&buffer[..count]);
                    lines.push(&buffer[..count], &mut on_line);
                }
            }
        }
        lines.finish(&mut on_line);
    }))
}

/// Waits for the readers of a tree that is dead.
pub async fn drain(readers: [AbortOnDropHandle<()>; 2]) {
    let [stdout, stderr] = readers;
    let drained = async {
        let _ = stdout.await;
        let _ = stderr.await;
    };
    // Everybody who could hold the pipes is dead, unless somebody outside of the tree was given them.
    let _ = tokio::time::timeout(DRAIN, drained).await;
}
