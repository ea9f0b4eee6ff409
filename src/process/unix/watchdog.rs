//! Stops a tree when the host process itself is killed or aborts.
//!
//! A shell waits for the end of a pipe whose other end only the host process holds. Then it signals
//! the group and all marked processes (on macOS, where a shell cannot see the tag, the leader's
//! descendants): SIGTERM, and SIGKILL a second later. `PR_SET_PDEATHSIG` would fire when the
//! *thread* that started the child ends. Without the shell a call works the same.

use std::io::{self, PipeWriter, Write as _};

use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::launch::{launch, null};
use super::table::tag_rlimit;
use crate::process::program::Program;
use crate::process::run_tag::RunTag;

/// Shell that waits for the death of this process. Dropping it kills the shell.
#[derive(Debug)]
pub struct Watchdog {
    shell: Pid,
    stdin: PipeWriter,
}

const SCRIPT: &str = include_str!("watchdog.sh");

impl Watchdog {
    /// Starts the shell. It guards nothing until [`Self::guard`].
    pub fn start(tag: &RunTag) -> io::Result<Self> {
        let tag_variable = format!("{}={}", tag.name, tag.value);
        let args = ["-c", SCRIPT, "codex-image-watchdog"].map(Into::into);
        let program = Program {
            path: "/bin/sh".into(),
            args: args.into_iter().chain([tag_variable.into(), tag_rlimit(tag).to_string().into()]).collect(),
            // The shell needs nothing of the environment, and must not carry the tag itself.
            env: vec![("PATH".into(), "/usr/bin:/bin".into())],
            cwd: "/".into(),
        };
        let (shell_stdin, stdin) = io::pipe()?;
        // In a group of its own, which signals to that of the host process do not reach.
        let shell = launch(&program, None, [shell_stdin.into(), null()?, null()?])?;
        Ok(Self { shell, stdin })
    }

    /// Passes the group's leader to the shell.
    pub fn guard(&mut self, leader: Pid) {
        // Fails only if the shell is dead. Then the call goes on without a watchdog.
        let _ = writeln!(self.stdin, "{}", leader.as_raw_nonzero());
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // Kills the shell before the pipe is closed, since its end would make the shell kill the
        // tree.
        let _ = kill_process(self.shell, Signal::KILL);
        let _ = retry_on_intr(|| waitpid(Some(self.shell), WaitOptions::empty()));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::process::tests::{command, pid_in, temp_dir};
    use crate::process::unix::runs;

    /// Simulates macOS by hiding `/proc` from the shell.
    #[test]
    fn without_proc_stops_descendants_of_the_leader_in_another_session() {
        let temp = temp_dir();
        let mut leader = command("start a child in a session and wait", temp.path())
            .process_group(0)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let descendant = pid_in(temp.path());
        let mut shell = Command::new("/bin/sh")
            .args([
                "-c",
                &SCRIPT.replace("/proc/", "/nowhere/"),
                "codex-image-watchdog",
                "NAME=no process has it",
                "no limit either",
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
