//! Runs a program without pidfds, as on old kernels and under strict seccomp profiles. For the
//! tests of [`codex_image::process`]. Usage: `without-pidfd PROGRAM ARGS…`

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    use rustix::io::Errno;
    use rustix::process::{PidfdFlags, getpid, pidfd_open};
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

    /// Number of the system call, the same on every architecture.
    const PIDFD_OPEN: i64 = 434;

    let rules = [(PIDFD_OPEN, vec![])].into_iter().collect();
    let absent = SeccompAction::Errno(Errno::NOSYS.raw_os_error().unsigned_abs());
    let filter: BpfProgram =
        SeccompFilter::new(rules, SeccompAction::Allow, absent, std::env::consts::ARCH.try_into()?)?.try_into()?;
    apply_filter(&filter)?;
    match pidfd_open(getpid(), PidfdFlags::empty()) {
        Err(Errno::NOSYS) => {}
        other => return Err(format!("the filter lets pidfd_open through: {other:?}").into()),
    }
    let mut args = std::env::args_os().skip(1);
    let program = args.next().ok_or("usage: without-pidfd PROGRAM ARGS…")?;
    Err(Command::new(program).args(args).exec().into())
}

#[cfg(not(target_os = "linux"))]
fn main() {}
