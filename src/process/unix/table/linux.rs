//! The table of processes on Linux: `/proc`.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, getpid, kill_process, pidfd_open, pidfd_send_signal, prlimit,
};

use super::limit::{is_limit_of_a_run, limit_of};
use crate::process::marker::Marker;

type Process = super::process::Process<StartTime>;

/// In clock ticks since the machine started: together with the pid it names one process for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StartTime(u64);

impl StartTime {
    /// Whether what was started then is certainly older than what was started at `other`.
    pub const fn is_before(self, other: Self) -> bool {
        self.0 < other.0
    }
}

/// Every process that is shown. None at all without a `/proc` of this PID namespace: the numbers of
/// another one mean other processes here.
pub fn processes() -> Vec<Process> {
    let me = getpid().as_raw_nonzero().to_string();
    let is_ours = fs::read_link("/proc/self").is_ok_and(|to| to.as_os_str() == me.as_str());
    let Some(entries) = is_ours.then(|| fs::read_dir("/proc").ok()).flatten() else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw));
    pids.filter_map(process).collect()
}

/// Its entry in the table, if it exists.
pub fn process(pid: Pid) -> Option<Process> {
    parse_stat(pid, &fs::read(path(pid, "stat")).ok()?)
}

/// Reads a line of `/proc/<pid>/stat`. The program's name stands in parentheses and may hold
/// anything, so the fields are counted from the last closing one (proc(5)).
fn parse_stat(pid: Pid, stat: &[u8]) -> Option<Process> {
    let after_name = stat.len() - stat.iter().rev().position(|&byte| byte == b')')?;
    let mut fields = std::str::from_utf8(&stat[after_name..]).ok()?.split_ascii_whitespace();
    let state = fields.next()?;
    // Of a process that is being reaped the kernel says that its group is -1 (`do_task_stat` in
    // fs/proc/array.c).
    let pid_of = |field: &str| field.parse().ok().filter(|&raw: &i32| raw > 0).and_then(Pid::from_raw);
    let parent = pid_of(fields.next()?);
    let group = pid_of(fields.next()?);
    // Field 22; state is field 3, parent 4, group 5.
    let started = StartTime(fields.nth(16)?.parse().ok()?);
    Some(Process { pid, parent, group, started, zombie: matches!(state, "Z" | "X") })
}

/// Marks the process, and with it all that it starts from now on, by a limit: children inherit
/// limits, and neither a new session nor an empty environment changes them. The limit is on
/// real-time CPU use; at 146,000 years it limits nothing. Only [`is_marked`] reads it. Where the
/// system refuses, the other signs have to do.
pub fn mark(pid: Pid, marker: &Marker) {
    let limit = Rlimit { current: Some(limit_of(marker)), maximum: None };
    // An unprivileged process cannot raise its hard limit, so this fails where there is one
    // already.
    let _ = prlimit(Some(pid), Resource::Rttime, limit);
}

/// The soft limit on real-time CPU use in the text of `/proc/<pid>/limits`; none if it is
/// unlimited.
fn real_time_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max realtime timeout"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Whether the process has the marker's limit, carries the marker in its environment, or works in
/// the marked directory. Everybody may read limits; a process with the limit of another run is that
/// run's. The other two are hidden where the process may not be looked into.
pub fn is_marked(pid: Pid, marker: &Marker) -> bool {
    let limit = real_time_limit(&fs::read_to_string(path(pid, "limits")).unwrap_or_default());
    if let Some(limit) = limit.filter(|&limit| is_limit_of_a_run(limit)) {
        return limit == limit_of(marker);
    }
    let carries = || {
        let wanted = [marker.name.as_bytes(), b"=", marker.value.as_bytes()].concat();
        fs::read(path(pid, "environ"))
            .is_ok_and(|environ| environ.split(|&byte| byte == 0).any(|entry| entry == wanted))
    };
    let works_there = || fs::read_link(path(pid, "cwd")).is_ok_and(|cwd| is_inside(cwd.as_os_str().as_bytes(), marker));
    carries() || works_there()
}

/// The kernel shows a removed directory as its old path and " (deleted)".
fn is_inside(cwd: &[u8], marker: &Marker) -> bool {
    let rest = marker.dir.as_ref().and_then(|dir| cwd.strip_prefix(dir.as_os_str().as_bytes()));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/") || rest == b" (deleted)")
}

/// When `pid` was started, if it exists.
pub fn start_time(pid: Pid) -> Option<StartTime> {
    process(pid).map(|process| process.started)
}

/// Sends `signal` to the process that has this pid and was started then, and to no other.
pub fn signal(pid: Pid, started: StartTime, signal: Signal) {
    let is_same = || start_time(pid) == Some(started);
    match pidfd_open(pid, PidfdFlags::empty()) {
        // What the descriptor stands for is settled before the check, so the signal cannot go
        // astray after it.
        Ok(process) => {
            if is_same() {
                let _ = pidfd_send_signal(process, signal);
            }
        }
        Err(rustix::io::Errno::SRCH) => {}
        // Old kernels and strict containers have no pidfd: then the check comes as close before the
        // signal as can be.
        Err(_) => {
            if is_same() {
                let _ = kill_process(pid, signal);
            }
        }
    }
}

fn path(pid: Pid, file: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{}/{file}", pid.as_raw_nonzero()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_a_program_name_nor_a_process_being_reaped_confuses_the_fields() {
        let pid = Pid::from_raw(7).unwrap();
        let stat = b"7 (a) Z 1 (b)) S 4 5 6 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 12345 0 0";
        let process = parse_stat(pid, stat).unwrap();
        assert_eq!(process.parent, Pid::from_raw(4));
        assert_eq!(process.group, Pid::from_raw(5));
        assert_eq!(process.started, StartTime(12345));
        assert!(!process.zombie);
        let reaped = b"7 (x) X 0 -1 -1 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 0 0 12345 0 0";
        let process = parse_stat(pid, reaped).unwrap();
        assert_eq!((process.parent, process.group), (None, None));
        assert!(process.zombie);
        assert!(parse_stat(pid, b"7 (x").is_none());
        assert!(parse_stat(pid, b"7 (x) S 1").is_none());
    }

    #[test]
    fn the_real_time_limit_is_read_from_the_text_of_the_kernel() {
        let text =
            |soft| format!("Limit  Soft Limit  Hard Limit  Units\nMax realtime timeout      {soft}  unlimited  us\n");
        assert_eq!(real_time_limit(&text("4611686018427387905")), Some((1 << 62) + 1));
        assert_eq!(real_time_limit(&text("unlimited")), None);
        assert_eq!(real_time_limit(""), None);
        assert_eq!(real_time_limit(&fs::read_to_string("/proc/self/limits").unwrap()), None);
    }

    #[test]
    fn only_the_directory_itself_and_what_is_below_it_is_inside() {
        let marker = Marker { name: "X", value: "1".into(), dir: Some("/tmp/run-a".into()) };
        assert!(is_inside(b"/tmp/run-a", &marker));
        assert!(is_inside(b"/tmp/run-a/sub", &marker));
        assert!(is_inside(b"/tmp/run-a (deleted)", &marker));
        assert!(!is_inside(b"/tmp/run-ab", &marker));
        assert!(!is_inside(b"/tmp", &marker));
    }

    #[test]
    fn this_process_is_in_the_table_with_its_own_parent() {
        let me = rustix::process::getpid();
        let found = processes().into_iter().find(|process| process.pid == me).unwrap();
        assert_eq!(found.parent, rustix::process::getppid());
        assert_eq!(Some(found.started), start_time(me));
    }
}
