//! Scans for the descendants of all running trees while their ancestors live. What is found stays
//! known, and marked.
//!
//! One thread serves all trees with one reading of the table, and ends with the last tree. A scan
//! takes about 15 µs of CPU per process of the machine, so the pauses grow: with a tree's age, and
//! with the time that a scan took.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::members::Members;
use super::table::Table;
use crate::process::wait::STACK_BYTES;

/// After a tree's first scan, which is due when it starts. The pause then doubles with its age, up
/// to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A scan is followed by a pause of at least so many times its own length, whatever is due: on a
/// machine with thousands of processes, on which trees start all the time, scans take no more than
/// a tenth of a core.
const REST: u32 = 9;

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
    scanner.trees.push(Running { members, since, next_scan: since });
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
    let mut rested = Instant::now();
    while let Some(next) = scanner.trees.iter().map(|tree| tree.next_scan).min() {
        let pause = next.max(rested).saturating_duration_since(Instant::now());
        if !pause.is_zero() {
            scanner = CHANGED.wait_timeout(scanner, pause).unwrap_or_else(PoisonError::into_inner).0;
            continue;
        }
        drop(scanner);
        let began = Instant::now();
        let table = Table::read();
        scanner = self::scanner();
        for tree in &mut scanner.trees {
            tree.members.follow(&table);
            let age = tree.since.elapsed();
            tree.next_scan = Instant::now() + age.clamp(FIRST_PAUSE, LONGEST_PAUSE);
        }
        rested = Instant::now() + began.elapsed() * REST;
    }
    scanner.has_thread = false;
}
