//! Processes as Unix has them: groups, signals, zombies, and a table of all of them.

mod launch;
mod members;
mod orphans;
mod poll_budget;
mod pump;
mod scanner;
mod table;
mod tree;
mod watchdog;

use rustix::process::{Signal, WaitId, WaitIdOptions, waitid};

use super::wait::Exit;

pub use orphans::kill_orphans;
#[cfg(test)]
pub use pump::output_pipe;
pub use pump::{Output, Reader, read};
pub use tokio::process::ChildStdin as Input;
pub use tree::Tree;

/// What a thread needs to know to wait for a child.
pub type Waitable = rustix::process::Pid;

/// Waits until the child has ended, and leaves it a zombie.
pub fn wait_for(child: &Waitable) -> Exit {
    loop {
        match waitid(WaitId::Pid(*child), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Ok(Some(status)) => {
                let signal = || status.terminating_signal().map(Exit::Signal);
                return status.exit_status().map(Exit::Code).or_else(signal).unwrap_or(Exit::Code(-1));
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            // Reaped elsewhere in this process: how the child ended is lost.
            Err(_) => return Exit::Code(-1),
        }
    }
}

/// The name of a signal, as people know it.
pub fn signal_name(signal: i32) -> Option<&'static str> {
    const NAMES: [(Signal, &str); 15] = [
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
    ];
    NAMES.iter().find(|(known, _)| known.as_raw() == signal).map(|(_, name)| *name)
}

/// Whether that process runs.
#[cfg(test)]
pub fn runs(id: u32) -> bool {
    let pid = i32::try_from(id).ok().and_then(Waitable::from_raw);
    pid.is_some_and(|pid| table::start_time(pid).is_some_and(|started| table::is_alive(pid, started)))
}
