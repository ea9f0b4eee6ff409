//! Exit status of a child, and names of signals.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};

use crate::process::exit::Exit;

/// Blocks until the child has exited. Does not reap it.
pub fn wait_for_exit(child: &Pid) -> Exit {
    loop {
        match waitid(WaitId::Pid(*child), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Ok(Some(status)) => return exit(status.exit_status(), status.terminating_signal()),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            // Other code of this process has reaped the child: its exit status is lost.
            Err(_) => return Exit::Code(-1),
        }
    }
}

/// Returns the exit status with this code or signal, as `waitid` reports it.
///
/// Uses the bits that `waitpid` would return. `waitid` returns all bits of the code on macOS, so
/// that `exit(256)` would not be a success, as it is everywhere else. It returns the upper 8 of
/// them only once, so that a second call would report another code; and it adds them to the signal
/// that kills a process while it exits (XNU 11417, `waitidcontinue` and `exit` in
/// `bsd/kern/kern_exit.c`).
fn exit(code: Option<i32>, signal: Option<i32>) -> Exit {
    let code = code.map(|code| Exit::Code(code & 0xff));
    code.or_else(|| signal.map(|signal| Exit::Signal(signal & 0x7f))).unwrap_or(Exit::Code(-1))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_signals_have_the_bits_that_waitpid_returns() {
        // What macOS reports for `exit(7)`, `exit(256)` and `exit(-1)`, and for a second call.
        for (reported, code) in [(7, 7), (256, 0), (-1, 255), (0x00ff_ffff, 255)] {
            assert_eq!(exit(Some(reported), None), Exit::Code(code));
        }
        // Killed, and killed while it exited with -1.
        for reported in [9, 9 | 0xff00_0000_u32.cast_signed()] {
            assert_eq!(exit(None, Some(reported)), Exit::Signal(9));
        }
        assert_eq!(exit(None, None), Exit::Code(-1));
    }
}
