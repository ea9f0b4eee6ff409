//! Exit status of a child, and names of signals.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};

use crate::process::exit::Exit;

/// Blocks until the child has exited. Does not reap it.
pub fn wait_for_exit(child: &Pid) -> Exit {
    loop {
        match waitid(WaitId::Pid(*child), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Ok(Some(status)) => {
                let signal = || status.terminating_signal().map(Exit::Signal);
                return status.exit_status().map(Exit::Code).or_else(signal).unwrap_or(Exit::Code(-1));
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            // Other code of this process has reaped the child: its exit status is lost.
            Err(_) => return Exit::Code(-1),
        }
    }
}

/// Returns the name of a signal.
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
