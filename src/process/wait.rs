//! Waits for the exit of a child without SIGCHLD, in a thread of its own.
//!
//! Node owns SIGCHLD: libuv installs its handler without calling the previous one, so waiting by
//! the signal fails once JavaScript starts a child (on kernels without `pidfd_open`). The thread
//! does not reap: the zombie reserves its pid and group id, so the group can be signalled safely
//! until the tree is stopped.

use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use tokio::sync::watch;

use super::exit::Exit;

/// Thread that is ready to wait for a child. Started before the child, so that no child runs
/// without one.
#[derive(Debug)]
pub struct ExitWaiter<C> {
    child: SyncSender<C>,
    exit: watch::Receiver<Option<Exit>>,
}

/// Stack of a thread that only waits.
pub const STACK_BYTES: usize = 64 << 10;

impl<C: Send + 'static> ExitWaiter<C> {
    /// Starts the thread. It calls `wait_for_exit` for the child that [`Self::watch`] passes to it.
    pub fn start(wait_for_exit: fn(&C) -> Exit) -> io::Result<Self> {
        let (child, child_receiver) = sync_channel::<C>(1);
        let (exit_sender, exit) = watch::channel(None);
        thread::Builder::new().name("codex-image-wait".into()).stack_size(STACK_BYTES).spawn(move || {
            // Fails if the child could not be started.
            if let Ok(child) = child_receiver.recv() {
                exit_sender.send_replace(Some(wait_for_exit(&child)));
            }
        })?;
        Ok(Self { child, exit })
    }

    /// Starts waiting for `child`. The channel receives its exit status.
    pub fn watch(self, child: C) -> watch::Receiver<Option<Exit>> {
        // Cannot fail: the thread keeps the receiver until a child arrives.
        let _ = self.child.send(child);
        self.exit
    }
}
