//! Learning that a child has ended, without asking SIGCHLD.
//!
//! Node owns SIGCHLD: libuv installs its handler without calling the one before it. Where the
//! kernel has no `pidfd_open`, every waiter that relies on the signal goes deaf as soon as
//! JavaScript starts a process of its own. So each child gets a thread that blocks in `waitid` and
//! nothing else; on Windows, which has neither of these troubles, in a wait for the process.
//!
//! The thread does not reap. On Unix an ended child stays a zombie until the tree around it is
//! stopped: as long as it does, its pid and with it the id of its process group cannot be reused,
//! so the group can be signalled safely.

use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use tokio::sync::watch;

use super::exit::Exit;

/// A thread that is ready to wait. It is made before the child, so that a child without a waiter
/// never exists.
#[derive(Debug)]
pub struct Waiter<C> {
    child: SyncSender<C>,
    exit: watch::Receiver<Option<Exit>>,
}

/// A thread that only waits needs next to no stack.
pub const STACK_BYTES: usize = 64 << 10;

impl<C: Send + 'static> Waiter<C> {
    /// Starts the thread, which learns by `wait_for` how a child ended.
    pub fn prepare(wait_for: fn(&C) -> Exit) -> io::Result<Self> {
        let (child, told) = sync_channel::<C>(1);
        let (tell, exit) = watch::channel(None);
        thread::Builder::new().name("codex-image-wait".into()).stack_size(STACK_BYTES).spawn(move || {
            // No child: the spawn failed, and there is nothing to wait for.
            if let Ok(child) = told.recv() {
                tell.send_replace(Some(wait_for(&child)));
            }
        })?;
        Ok(Self { child, exit })
    }

    /// Waits for `child` from now on; the exit appears in the channel once it has ended.
    pub fn watch(self, child: C) -> watch::Receiver<Option<Exit>> {
        // The thread holds the other end until it has received this.
        let _ = self.child.send(child);
        self.exit
    }
}
