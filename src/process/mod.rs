//! A child process and everything it starts: spawning, waiting, stopping. Knows nothing of Codex.
//!
//! What is promised: when [`Child::stop`] has returned, or a [`Child`] was dropped, no process of its tree is alive, not
//! even one that left the group, the session or its parents behind, and no signal has reached a process outside of it.

pub mod lines;
#[cfg(unix)]
mod orphans;
pub mod pump;
mod spawn;
mod stop;
pub mod tail;
mod wait;

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod table;
#[cfg(unix)]
mod tree;
#[cfg(unix)]
mod watchdog;

#[cfg(unix)]
pub use orphans::kill_orphans;
pub use spawn::{Child, Pipes, Program, spawn};
pub use stop::Manner;
pub use wait::Exit;

/// What a run's processes can be recognised by when their ancestry no longer tells.
#[derive(Debug, Clone)]
pub struct Marker {
    /// A variable in their environment.
    pub name: &'static str,
    /// Its value, unique to the run.
    pub value: String,
    /// A directory private to the run, in which they may work. Whoever works there is killed at the end.
    pub dir: Option<std::path::PathBuf>,
}

/// The name of a signal, as people know it.
#[must_use]
pub fn signal_name(signal: i32) -> String {
    #[cfg(unix)]
    {
        const NAMES: [(rustix::process::Signal, &str); 15] = {
            use rustix::process::Signal;
            [
                (Signal::HUP, "SIGHUP"),
                (Signal::INT, "SIGINT"),
                (Signal::QUIT, "SIGQUIT"),
                (Signal::ILL, "SIGILL"),
                (Signal::TRAP, "SIGTRAP"),
                (Signal::ABORT, "SIGABRT"),
                (Signal::BUS, "SIGBUS"),
                (Signal::FPE, "SIGFPE"),
                (Signal::KILL, "SIGKILL"),
                (Signal::USR1, "SIGUSR1"),
                (Signal::SEGV, "SIGSEGV"),
                (Signal::USR2, "SIGUSR2"),
                (Signal::PIPE, "SIGPIPE"),
                (Signal::ALARM, "SIGALRM"),
                (Signal::TERM, "SIGTERM"),
            ]
        };
        if let Some((_, name)) = NAMES.iter().find(|(known, _)| known.as_raw() == signal) {
            return (*name).to_owned();
        }
    }
    format!("number {signal}")
}
