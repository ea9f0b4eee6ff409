//! Process table on macOS: libproc, and the sysctl that `ps -E` uses.
//!
//! The only good documentation is the source of XNU, so each step names its place there. Processes
//! of other users are hidden (`proc_pidinfo` in `bsd/kern/proc_info.c` requires the same user);
//! they could not be signalled either.
#![allow(unsafe_code, reason = "calls macOS functions that no safe library offers")]

use std::ffi::c_void;
use std::mem;
use std::os::unix::ffi::OsStrExt as _;
use std::ptr;

use rustix::process::{Pid, Signal, kill_process};

use crate::process::run_tag::RunTag;

type Process = super::process::Process<StartTime>;

/// Start time by the wall clock, in seconds and microseconds. Together with the pid it identifies a
/// process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StartTime(u64, u64);

impl StartTime {
    /// Whether this time is certainly before `other`: never, since the wall clock can be set back.
    #[allow(clippy::unused_self, reason = "Linux counts from boot and uses it")]
    pub const fn is_before(self, _other: Self) -> bool {
        false
    }
}

/// Lists this user's processes.
pub fn processes() -> Vec<Process> {
    pids().into_iter().filter_map(Pid::from_raw).filter_map(process).collect()
}

/// Does nothing: macOS has no attribute that children inherit and other processes can read.
pub const fn set_tag_rlimit(_pid: Pid, _tag: &RunTag) {}

/// Whether the process has the tag in its environment or works in the marked directory. False if
/// this user may not inspect the process.
///
/// System Integrity Protection hides the environment of Apple's own programs, shells among them
/// (`omit_env_vars` in `sysctl_procargsx`, `bsd/kern/kern_sysctl.c`). If they have lost their
/// parents as well, only their directory identifies them.
pub fn belongs_to_run(pid: Pid, tag: &RunTag) -> bool {
    let has_variable = || {
        let wanted = [tag.name.as_bytes(), b"=", tag.value.as_bytes()].concat();
        arguments(pid).is_some_and(|arguments| environment(&arguments).any(|entry| entry == wanted))
    };
    let works_inside =
        || tag.dir.as_ref().zip(working_dir(pid)).is_some_and(|(dir, cwd)| is_inside(&cwd, dir.as_os_str().as_bytes()));
    has_variable() || works_inside()
}

/// Returns the start time of `pid`, if it exists.
pub fn start_time(pid: Pid) -> Option<StartTime> {
    process(pid).map(|process| process.started)
}

/// Sends `signal` to the process with this pid and start time. Checks directly before the signal,
/// which leaves a tiny race: macOS has no pidfds.
pub fn signal(pid: Pid, started: StartTime, signal: Signal) {
    if start_time(pid) == Some(started) {
        // The process may have exited meanwhile.
        let _ = kill_process(pid, signal);
    }
}

fn pids() -> Vec<i32> {
    // Retries with a larger buffer if the list is full, since it may be incomplete.
    let mut pids: Vec<i32> = vec![0; 1024];
    loop {
        let bytes = i32::try_from(mem::size_of_val(&*pids)).unwrap_or(i32::MAX);
        // SAFETY: the buffer has the stated length, and any bytes are valid integers. The result is
        // a number of pids, not of bytes (Libc, `darwin/libproc.c`), zombies included
        // (`proc_listpids` in `bsd/kern/proc_info.c`).
        let count = unsafe { libc::proc_listallpids(pids.as_mut_ptr().cast(), bytes) };
        let count = usize::try_from(count).unwrap_or(0);
        if count < pids.len() {
            pids.truncate(count);
            return pids;
        }
        pids.resize(pids.len() * 2, 0);
    }
}

/// Returns the table's entry of `pid`, if it exists.
pub fn process(pid: Pid) -> Option<Process> {
    // SAFETY: the structure consists of integers. The argument 1 includes zombies (`findzomb` in
    // `proc_pidinfo`), but without their group (`proc_pidbsdinfo`).
    let info: libc::proc_bsdinfo = unsafe { pid_info(pid, libc::PROC_PIDTBSDINFO, 1) }?;
    let pid_of = |raw: u32| i32::try_from(raw).ok().and_then(Pid::from_raw);
    Some(Process {
        pid,
        parent: pid_of(info.pbi_ppid),
        group: pid_of(info.pbi_pgid),
        started: StartTime(info.pbi_start_tvsec, info.pbi_start_tvusec),
        zombie: info.pbi_status == libc::SZOMB,
    })
}

/// Returns the working directory, as a path without links.
fn working_dir(pid: Pid) -> Option<Vec<u8>> {
    // SAFETY: the structure consists of integers.
    let info: libc::proc_vnodepathinfo = unsafe { pid_info(pid, libc::PROC_PIDVNODEPATHINFO, 0) }?;
    let path = info.pvi_cdir.vip_path.as_flattened().iter().map(|&byte| byte.cast_unsigned());
    Some(path.take_while(|&byte| byte != 0).collect())
}

/// Calls `proc_pidinfo`.
///
/// # Safety
/// Any bytes must be a valid `T`, and `T` must be the structure that belongs to `flavor`.
unsafe fn pid_info<T>(pid: Pid, flavor: i32, argument: u64) -> Option<T> {
    let size = i32::try_from(size_of::<T>()).ok()?;
    let mut info = mem::MaybeUninit::<T>::zeroed();
    // SAFETY: the buffer has the stated length.
    let written =
        unsafe { libc::proc_pidinfo(pid.as_raw_nonzero().get(), flavor, argument, info.as_mut_ptr().cast(), size) };
    // SAFETY: the memory is initialised, and any bytes are a valid `T`, as the caller promises.
    (written == size).then(|| unsafe { info.assume_init() })
}

/// Reads the start of the process from the kernel: the number of arguments, the program's path, the
/// arguments and the environment.
fn arguments(pid: Pid) -> Option<Vec<u8>> {
    let mut name = [libc::CTL_KERN, libc::KERN_PROCARGS2, pid.as_raw_nonzero().get()];
    let mut call = |buffer: *mut c_void, size: &mut usize| {
        // SAFETY: the name has three parts, and the buffer has the stated length, or is null to ask
        // for the length.
        let result = unsafe { libc::sysctl(name.as_mut_ptr(), 3, buffer, size, ptr::null_mut(), 0) };
        (result == 0).then_some(())
    };
    let mut size = 0;
    call(ptr::null_mut(), &mut size)?;
    let mut bytes = vec![0; size];
    call(bytes.as_mut_ptr().cast(), &mut size)?;
    bytes.truncate(size);
    Some(bytes)
}

/// Iterates over the environment in the result of [`arguments`]: the number of arguments, the
/// program's path, padding, the arguments, then the environment up to an empty entry
/// (`sysctl_procargsx` in `bsd/kern/kern_sysctl.c`; parsed as Apple's own `ps` does).
fn environment(arguments: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (count, rest) = arguments.split_first_chunk().unwrap_or((&[0; 4], &[]));
    let count = usize::try_from(i32::from_ne_bytes(*count)).unwrap_or(0);
    let path = rest.iter().position(|&byte| byte == 0).unwrap_or(rest.len());
    let padding = rest[path..].iter().take_while(|&&byte| byte == 0).count();
    rest[path + padding..].split(|&byte| byte == 0).skip(count).take_while(|entry| !entry.is_empty())
}

fn is_inside(cwd: &[u8], dir: &[u8]) -> bool {
    cwd.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_starts_after_the_counted_arguments() {
        let variables = |count: i32, text: &[u8]| {
            let arguments = [&count.to_ne_bytes()[..], text].concat();
            environment(&arguments).map(|entry| String::from_utf8_lossy(entry).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(variables(2, b"/bin/x\0\0\0\0x\0A=1\0B=2\0C=3\0\0apple=4\0"), ["B=2", "C=3"]);
        assert_eq!(variables(1, b"/bin/x\0x\0"), [""; 0]);
        assert_eq!(variables(1, b"/bin/x"), [""; 0]);
        assert!(environment(b"").next().is_none());
    }

    #[test]
    fn lists_this_process_with_its_parent_group_and_directory() {
        let me = rustix::process::getpid();
        let found = processes().into_iter().find(|process| process.pid == me).unwrap();
        assert_eq!(found.parent, rustix::process::getppid());
        assert_eq!(found.group, Some(rustix::process::getpgrp()));
        assert_eq!(Some(found.started), start_time(me));
        assert!(super::super::is_alive(me, found.started));
        let cwd = std::env::current_dir().unwrap().canonicalize().unwrap();
        assert_eq!(working_dir(me).unwrap(), cwd.as_os_str().as_bytes());
        let (name, value) = std::env::vars().next().unwrap();
        let tag = RunTag { name: String::leak(name), value, dir: None };
        assert!(belongs_to_run(me, &tag));
    }
}
