//! Scans the process table for descendants of running trees before they lose their ancestors.
//!
//! One thread serves all trees and ends with the last one. A scan takes about 15 µs of CPU for each
//! process of the machine, so the pauses grow with the age of a tree and with the time of a scan.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::members::Members;
use super::table::Table;
use crate::process::wait::STACK_BYTES;

/// Pause after the first scan, which runs when the tree starts. It then doubles up to
/// [`MAX_PAUSE`].
const MIN_PAUSE: Duration = Duration::from_millis(20);
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// Least pause after a scan, as a multiple of its duration. So scans take no more than a tenth of a
/// core, even on a machine with thousands of processes where trees start all the time.
const PAUSE_PER_SCAN: u32 = 9;

struct RunningTree {
    members: Members,
    since: Instant,
    next_scan: Instant,
}

struct Scanner {
    trees: Vec<RunningTree>,
    has_thread: bool,
}

static SCANNER: Mutex<Scanner> = Mutex::new(Scanner { trees: Vec::new(), has_thread: false });
static CHANGED: Condvar = Condvar::new();

fn scanner() -> MutexGuard<'static, Scanner> {
    SCANNER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the scans for this tree, until [`unregister`]. If no thread can be started, members are
/// found only when the tree is stopped.
pub fn register(members: Members) {
    let mut scanner = scanner();
    let since = Instant::now();
    scanner.trees.push(RunningTree { members, since, next_scan: since });
    if scanner.has_thread {
        CHANGED.notify_one();
    } else {
        let thread = thread::Builder::new().name("codex-image-scan".into()).stack_size(STACK_BYTES).spawn(run);
        scanner.has_thread = thread.is_ok();
    }
}

/// Ends the scans for the tree of this leader and returns its members. None if it is not
/// registered. To be called before the leader is reaped, since scans rely on its pid.
pub fn unregister(leader: Pid) -> Option<Members> {
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

/// Runs the scanning thread.
fn run() {
    let mut scanner = scanner();
    let mut not_before = Instant::now();
    while let Some(next) = scanner.trees.iter().map(|tree| tree.next_scan).min() {
        let pause = next.max(not_before).saturating_duration_since(Instant::now());
        if !pause.is_zero() {
            scanner = CHANGED.wait_timeout(scanner, pause).unwrap_or_else(PoisonError::into_inner).0;
            continue;
        }
        drop(scanner);
        let scan_start = Instant::now();
        let table = Table::read();
        scanner = self::scanner();
        for tree in &mut scanner.trees {
            tree.members.update_and_mark(&table);
            let age = tree.since.elapsed();
            tree.next_scan = Instant::now() + age.clamp(MIN_PAUSE, MAX_PAUSE);
        }
        not_before = Instant::now() + scan_start.elapsed() * PAUSE_PER_SCAN;
    }
    scanner.has_thread = false;
}
