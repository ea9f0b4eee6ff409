//! Stops a tree when the daemon itself is killed or aborts.
//!
//! No code of a process runs when it is killed, and `PR_SET_PDEATHSIG` is no help: it fires at the
//! end of the *thread* that started the child, and costs the fast way of spawning. So a shell waits
//! at the end of a pipe that only the daemon holds. When the pipe ends, it sends SIGTERM to
//! whatever carries the run's marker (the variable or the limit), in whatever session, and to the
//! group; a second later SIGKILL. On macOS, where a shell cannot see the marker, whatever descends
//! from the leader stands for it. What hides from all of them is found when the next daemon starts,
//! by its marker or its working directory: see [`crate::workspace::Abandoned`].
//!
//! A run does not depend on it: where there is no shell, or it is killed, nothing else changes.

use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};

use rustix::process::Pid;

use super::launch::launch;
use super::table::limit_of;
use crate::process::marker::Marker;

/// A shell that waits for this process to die. Dropping it dismisses it.
#[derive(Debug)]
pub struct Watchdog {
    shell: Child,
    line: Option<ChildStdin>,
}

const SCRIPT: &str = include_str!("watchdog.sh");

impl Watchdog {
    /// Starts the shell, before there is anything to guard.
    pub fn start(marker: &Marker) -> io::Result<Self> {
        let mut shell = launch(
            Command::new("/bin/sh")
                .args(["-c", SCRIPT, "codex-image-watchdog"])
                .arg(format!("{}={}", marker.name, marker.value))
                .arg(limit_of(marker).to_string())
                // Of the daemon's environment it needs nothing; the marker must not be in its own.
                .env_clear()
                .env("PATH", "/usr/bin:/bin")
                .current_dir("/")
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                // What is sent to the daemon's group must not reach it.
                .process_group(0),
        )?;
        let line = shell.stdin.take();
        Ok(Self { shell, line })
    }

    /// Tells it the leader of the group.
    pub fn guard(&mut self, leader: Pid) {
        // A shell that is no more guards nothing, and is not needed for anything else.
        let _ = self.line.as_mut().map(|line| writeln!(line, "{}", leader.as_raw_nonzero()));
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // Before the pipe is closed: its end would be the signal to strike.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::tests::{holder, place, start};
    use crate::process::unix::runs;

    /// As on macOS, wherever this runs.
    #[test]
    fn without_proc_the_descendants_of_the_leader_are_stopped_in_whatever_session() {
        let place = place();
        let mut leader = start("stay apart", place.path()).process_group(0).stdout(Stdio::null()).spawn().unwrap();
        let descendant = holder(place.path());
        let mut shell = Command::new("/bin/sh")
            .args([
                "-c",
                &SCRIPT.replace("/proc/", "/nowhere/"),
                "codex-image-watchdog",
                "NAME=nobody has it",
                "nor this",
            ])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        writeln!(shell.stdin.take().unwrap(), "{}", leader.id()).unwrap();
        assert!(!leader.wait().unwrap().success());
        shell.wait().unwrap();
        assert!(!runs(descendant));
    }
}
