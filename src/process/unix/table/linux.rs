//! Process table on Linux, read from `/proc`.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, getpid, kill_process, pidfd_open, pidfd_send_signal, prlimit,
};

use super::tag_rlimit::{is_tag_rlimit, tag_rlimit};
use crate::process::run_tag::RunTag;

type Process = super::process::Process<StartTime>;

/// Start time in clock ticks since boot. Together with the pid it identifies a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StartTime(u64);

impl StartTime {
    /// Whether this time is certainly before `other`.
    pub const fn is_before(self, other: Self) -> bool {
        self.0 < other.0
    }
}

/// Lists the visible processes. Empty without a `/proc` of this PID namespace, since the pids of
/// another namespace mean other processes here.
pub fn processes() -> Vec<Process> {
    let me = getpid().as_raw_nonzero().to_string();
    let is_ours = fs::read_link("/proc/self").is_ok_and(|to| to.as_os_str() == me.as_str());
    let Some(entries) = is_ours.then(|| fs::read_dir("/proc").ok()).flatten() else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw));
    pids.filter_map(process).collect()
}

/// Returns the table's entry of `pid`, if it exists.
pub fn process(pid: Pid) -> Option<Process> {
    parse_stat(pid, &fs::read(path(pid, "stat")).ok()?)
}

/// Parses `/proc/<pid>/stat`. Counts the fields from the last closing parenthesis, since the
/// program's name before it may contain anything (proc(5)).
fn parse_stat(pid: Pid, stat: &[u8]) -> Option<Process> {
    let after_name = stat.len() - stat.iter().rev().position(|&byte| byte == b')')?;
    let mut fields = std::str::from_utf8(&stat[after_name..]).ok()?.split_ascii_whitespace();
    let state = fields.next()?;
    // The group of a process that is being reaped is -1 (`do_task_stat` in fs/proc/array.c).
    let pid_of = |field: &str| field.parse().ok().filter(|&raw: &i32| raw > 0).and_then(Pid::from_raw);
    let parent = pid_of(fields.next()?);
    let group = pid_of(fields.next()?);
    // Field 22. The state is field 3, the parent 4, the group 5.
    let started = StartTime(fields.nth(16)?.parse().ok()?);
    Some(Process { pid, parent, group, started, zombie: matches!(state, "Z" | "X") })
}

/// Marks the process by a resource limit, which its future children inherit. Neither a new session
/// nor an empty environment changes it.
///
/// The limit is on real-time CPU use and has no effect: it is at least 146,000 years. If the system
/// refuses it, the tree is found without it.
pub fn set_tag_rlimit(pid: Pid, tag: &RunTag) {
    let limit = Rlimit { current: Some(tag_rlimit(tag)), maximum: None };
    // Fails if there is a hard limit already: an unprivileged process cannot raise it.
    let _ = prlimit(Some(pid), Resource::Rttime, limit);
}

/// Parses the soft limit on real-time CPU use in `/proc/<pid>/limits`. None if it is unlimited.
fn real_time_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max realtime timeout"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Whether the process has the tag's limit, has the tag in its environment, or works in the
/// marked directory. A process with the limit of another run belongs to that run.
///
/// Limits are readable for all users. Environment and directory are hidden if this user may not
/// inspect the process.
pub fn belongs_to_run(pid: Pid, tag: &RunTag) -> bool {
    let limit = real_time_limit(&fs::read_to_string(path(pid, "limits")).unwrap_or_default());
    if let Some(limit) = limit.filter(|&limit| is_tag_rlimit(limit)) {
        return limit == tag_rlimit(tag);
    }
    let has_variable = || {
        let wanted = [tag.name.as_bytes(), b"=", tag.value.as_bytes()].concat();
        fs::read(path(pid, "environ"))
            .is_ok_and(|environ| environ.split(|&byte| byte == 0).any(|entry| entry == wanted))
    };
    let works_inside = || fs::read_link(path(pid, "cwd")).is_ok_and(|cwd| is_inside(cwd.as_os_str().as_bytes(), tag));
    has_variable() || works_inside()
}

/// Whether `cwd` is the marked directory or below it. The kernel appends " (deleted)" to the path
/// of a removed directory.
fn is_inside(cwd: &[u8], tag: &RunTag) -> bool {
    let rest = tag.dir.as_ref().and_then(|dir| cwd.strip_prefix(dir.as_os_str().as_bytes()));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/") || rest == b" (deleted)")
}

/// Returns the start time of `pid`, if it exists.
pub fn start_time(pid: Pid) -> Option<StartTime> {
    process(pid).map(|process| process.started)
}

/// Sends `signal` to the process with this pid and start time, and to no other.
pub fn signal(pid: Pid, started: StartTime, signal: Signal) {
    let is_same = || start_time(pid) == Some(started);
    match pidfd_open(pid, PidfdFlags::empty()) {
        // The descriptor was opened before the check, so the signal reaches the checked process.
        Ok(process) => {
            if is_same() {
                let _ = pidfd_send_signal(process, signal);
            }
        }
        Err(rustix::io::Errno::SRCH) => {}
        // Old kernels and strict containers have no pidfd. Checks directly before the signal, which
        // leaves a tiny race.
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
    fn parses_any_program_name_and_a_process_being_reaped() {
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
    fn parses_the_real_time_limit() {
        let text =
            |soft| format!("Limit  Soft Limit  Hard Limit  Units\nMax realtime timeout      {soft}  unlimited  us\n");
        assert_eq!(real_time_limit(&text("4611686018427387905")), Some((1 << 62) + 1));
        assert_eq!(real_time_limit(&text("unlimited")), None);
        assert_eq!(real_time_limit(""), None);
        assert_eq!(real_time_limit(&fs::read_to_string("/proc/self/limits").unwrap()), None);
    }

    #[test]
    fn only_the_directory_and_its_descendants_are_inside() {
        let tag = RunTag { name: "X", value: "1".into(), dir: Some("/tmp/run-a".into()) };
        assert!(is_inside(b"/tmp/run-a", &tag));
        assert!(is_inside(b"/tmp/run-a/sub", &tag));
        assert!(is_inside(b"/tmp/run-a (deleted)", &tag));
        assert!(!is_inside(b"/tmp/run-ab", &tag));
        assert!(!is_inside(b"/tmp", &tag));
    }

    #[test]
    fn lists_this_process_with_its_parent() {
        let me = rustix::process::getpid();
        let found = processes().into_iter().find(|process| process.pid == me).unwrap();
        assert_eq!(found.parent, rustix::process::getppid());
        assert_eq!(Some(found.started), start_time(me));
    }
}
