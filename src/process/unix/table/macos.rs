//! The table of processes on macOS: libproc, and the sysctl that `ps -E` uses.
//!
//! Nothing of this is documented better than in its source, so each step names where it stands in
//! XNU. Processes of other users are not shown (`proc_pidinfo` in `bsd/kern/proc_info.c` asks for
//! the same user): they could not be signalled either.
#![allow(unsafe_code, reason = "the system calls of macOS that no safe library offers")]

use std::ffi::c_void;
use std::mem;
use std::os::unix::ffi::OsStrExt as _;
use std::ptr;

use rustix::process::{Pid, Signal, kill_process};

use crate::process::marker::Marker;

type Process = super::process::Process<StartTime>;

/// By the clock on the wall, in seconds and microseconds: together with the pid it names one
/// process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StartTime(u64, u64);

impl StartTime {
    /// Whether what was started then is certainly older than what was started at `other`. That is
    /// never certain here: the clock on the wall can be set back.
    #[allow(clippy::unused_self, reason = "where start times are counted from the machine's start, it is certain")]
    pub const fn is_before(self, _other: Self) -> bool {
        false
    }
}

/// Every process of this user's.
pub fn processes() -> Vec<Process> {
    pids().into_iter().filter_map(Pid::from_raw).filter_map(process).collect()
}

/// Does nothing: there is no attribute that children inherit and others can read.
pub const fn mark(_pid: Pid, _marker: &Marker) {}

/// Whether the process carries the marker or works in the marked directory. One that may not be
/// looked into does not.
///
/// With System Integrity Protection Apple's own programs, shells among them, do not show their
/// environment (`omit_env_vars` in `sysctl_procargsx`, `bsd/kern/kern_sysctl.c`). Where they have
/// lost their parents, too, only their directory tells.
pub fn is_marked(pid: Pid, marker: &Marker) -> bool {
    let carries = || {
        let wanted = [marker.name.as_bytes(), b"=", marker.value.as_bytes()].concat();
        arguments(pid).is_some_and(|arguments| environment(&arguments).any(|entry| entry == wanted))
    };
    let works_there = || {
        marker.dir.as_ref().zip(directory(pid)).is_some_and(|(dir, cwd)| is_inside(&cwd, dir.as_os_str().as_bytes()))
    };
    carries() || works_there()
}

/// When `pid` was started, if it exists.
pub fn start_time(pid: Pid) -> Option<StartTime> {
    process(pid).map(|process| process.started)
}

/// Sends `signal` to the process that has this pid and was started then. There are no pidfds: the
/// check comes as close before the signal as can be.
pub fn signal(pid: Pid, started: StartTime, signal: Signal) {
    if start_time(pid) == Some(started) {
        // It may have ended meanwhile.
        let _ = kill_process(pid, signal);
    }
}

fn pids() -> Vec<i32> {
    // More may be started before they are listed: a list that is full is not believed.
    let mut pids: Vec<i32> = vec![0; 1024];
    loop {
        let bytes = i32::try_from(mem::size_of_val(&*pids)).unwrap_or(i32::MAX);
        // SAFETY: the buffer is as long as stated, and any bytes are numbers. The result is a
        // number of pids, not of bytes (Libc, `darwin/libproc.c`), zombies included
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

/// Its entry in the table, if it exists.
pub fn process(pid: Pid) -> Option<Process> {
    // SAFETY: the structure consists of numbers. With 1 as the argument zombies are found, too
    // (`findzomb` in `proc_pidinfo`); of those the group is not told (`proc_pidbsdinfo`).
    let info: libc::proc_bsdinfo = unsafe { pid_info(pid, libc::PROC_PIDTBSDINFO, 1) }?;
    let some = |raw: u32| i32::try_from(raw).ok().and_then(Pid::from_raw);
    Some(Process {
        pid,
        parent: some(info.pbi_ppid),
        group: some(info.pbi_pgid),
        started: StartTime(info.pbi_start_tvsec, info.pbi_start_tvusec),
        zombie: info.pbi_status == libc::SZOMB,
    })
}

/// Where the process works. The kernel knows directories by their paths without links.
fn directory(pid: Pid) -> Option<Vec<u8>> {
    // SAFETY: the structure consists of numbers.
    let info: libc::proc_vnodepathinfo = unsafe { pid_info(pid, libc::PROC_PIDVNODEPATHINFO, 0) }?;
    let path = info.pvi_cdir.vip_path.as_flattened().iter().map(|&byte| byte.cast_unsigned());
    Some(path.take_while(|&byte| byte != 0).collect())
}

/// # Safety
/// Any bytes must be a `T`, and `T` what the kernel writes for `flavor`.
unsafe fn pid_info<T>(pid: Pid, flavor: i32, argument: u64) -> Option<T> {
    let size = i32::try_from(size_of::<T>()).ok()?;
    let mut info = mem::MaybeUninit::<T>::zeroed();
    // SAFETY: the buffer is as long as stated.
    let written =
        unsafe { libc::proc_pidinfo(pid.as_raw_nonzero().get(), flavor, argument, info.as_mut_ptr().cast(), size) };
    // SAFETY: zeroed and perhaps written over, and any bytes are a `T`, as the caller promises.
    (written == size).then(|| unsafe { info.assume_init() })
}

/// What the kernel keeps of the process's start: a count, its program, its arguments, its
/// environment.
fn arguments(pid: Pid) -> Option<Vec<u8>> {
    let mut name = [libc::CTL_KERN, libc::KERN_PROCARGS2, pid.as_raw_nonzero().get()];
    let mut ask = |buffer: *mut c_void, size: &mut usize| {
        // SAFETY: the name has three parts, and the buffer is as long as stated, or null to ask for
        // the length.
        let result = unsafe { libc::sysctl(name.as_mut_ptr(), 3, buffer, size, ptr::null_mut(), 0) };
        (result == 0).then_some(())
    };
    let mut size = 0;
    ask(ptr::null_mut(), &mut size)?;
    let mut bytes = vec![0; size];
    ask(bytes.as_mut_ptr().cast(), &mut size)?;
    bytes.truncate(size);
    Some(bytes)
}

/// The environment out of what [`arguments`] returns: the number of arguments, the program's path,
/// padding, the arguments, then the environment up to an empty entry (`sysctl_procargsx` in
/// `bsd/kern/kern_sysctl.c`; read as Apple's own `ps` does).
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
    fn the_environment_comes_after_as_many_arguments_as_are_counted() {
        let of = |count: i32, text: &[u8]| {
            let arguments = [&count.to_ne_bytes()[..], text].concat();
            environment(&arguments).map(|entry| String::from_utf8_lossy(entry).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(of(2, b"/bin/x\0\0\0\0x\0A=1\0B=2\0C=3\0\0apple=4\0"), ["B=2", "C=3"]);
        assert_eq!(of(1, b"/bin/x\0x\0"), [""; 0]);
        assert_eq!(of(1, b"/bin/x"), [""; 0]);
        assert!(environment(b"").next().is_none());
    }

    #[test]
    fn this_process_is_in_the_table_with_its_own_parent_and_place() {
        let me = rustix::process::getpid();
        let found = processes().into_iter().find(|process| process.pid == me).unwrap();
        assert_eq!(found.parent, rustix::process::getppid());
        assert_eq!(found.group, Some(rustix::process::getpgrp()));
        assert_eq!(Some(found.started), start_time(me));
        assert!(super::super::is_alive(me, found.started));
        let here = std::env::current_dir().unwrap().canonicalize().unwrap();
        assert_eq!(directory(me).unwrap(), here.as_os_str().as_bytes());
        let (name, value) = std::env::vars().next().unwrap();
        let marker = Marker { name: String::leak(name), value, dir: None };
        assert!(is_marked(me, &marker));
    }
}
