//! Scans for the descendants of all running trees while their ancestors live. What is found stays
//! known, and marked.
//!
//! One thread serves all trees with one reading of the table, and ends with the last tree. A scan
//! takes 13 µs of CPU per process of the machine, which is why settled trees get one a second.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::members::Members;
use super::table;
use crate::process::wait::STACK_BYTES;

/// After a tree's start. The pause then doubles with the tree's age, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Of the time, at most this part (one in so many) is spent scanning.
const SHARE: u32 = 20;

struct Running {
    members: Members,
    since: Instant,
    next_scan: Instant,
}

struct Scanner {
    trees: Vec<Running>,
    has_thread: bool,
}

static SCANNER: Mutex<Scanner> = Mutex::new(Scanner { trees: Vec::new(), has_thread: false });
static CHANGED: Condvar = Condvar::new();

fn scanner() -> MutexGuard<'static, Scanner> {
    SCANNER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Scans for the members of this tree until [`release`]. Where there can be no further thread, its
/// processes are found only when it is stopped.
pub fn follow(members: Members) {
    let mut scanner = scanner();
    let since = Instant::now();
    scanner.trees.push(Running { members, since, next_scan: since + FIRST_PAUSE });
    if scanner.has_thread {
        CHANGED.notify_one();
    } else {
        let thread = thread::Builder::new().name("codex-image-scan".into()).stack_size(STACK_BYTES).spawn(scan);
        scanner.has_thread = thread.is_ok();
    }
}

/// Ends the scans for the tree of this leader and returns its members, unless that has been done
/// before. To be called before the leader is reaped: a scan trusts its pid.
pub fn release(leader: Pid) -> Option<Members> {
    let mut scanner = scanner();
    let index = scanner.trees.iter().position(|tree| tree.members.leader == leader)?;
    let tree = scanner.trees.swap_remove(index);
    if scanner.trees.is_empty() {
        CHANGED.notify_one();
    }
    Some(tree.members)
}

/// Whether a scan has found that process in the tree of this leader.
#[cfg(test)]
pub fn knows(leader: Pid, pid: Pid) -> bool {
    scanner().trees.iter().any(|tree| tree.members.leader == leader && tree.members.known.contains_key(&pid))
}

/// The thread.
fn scan() {
    let mut scanner = scanner();
    let mut earliest = Instant::now();
    while let Some(next) = scanner.trees.iter().map(|tree| tree.next_scan).min() {
        let pause = next.max(earliest).saturating_duration_since(Instant::now());
        if !pause.is_zero() {
            scanner = CHANGED.wait_timeout(scanner, pause).unwrap_or_else(PoisonError::into_inner).0;
            continue;
        }
        drop(scanner);
        let began = Instant::now();
        let table = table::processes();
        scanner = self::scanner();
        for tree in &mut scanner.trees {
            tree.members.follow(&table);
        }
        // Hundreds of trees that start one after the other must not keep the thread busy.
        earliest = Instant::now() + began.elapsed() * (SHARE - 1);
        for tree in &mut scanner.trees {
            let age = tree.since.elapsed();
            tree.next_scan = Instant::now() + age.clamp(FIRST_PAUSE, LONGEST_PAUSE);
        }
    }
    scanner.has_thread = false;
}
