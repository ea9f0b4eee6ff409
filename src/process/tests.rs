//! Tests the guarantees of [`Child`] on every platform. The children are this test program: it is
//! started again with only the test [`role`], which does what a variable names.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio_util::sync::CancellationToken;

use super::*;

/// Name of the variable with the task of a child.
const ROLE: &str = "CODEX_IMAGE_TEST_ROLE";
/// Name of the variable with the directory in which a child creates files.
const DIR: &str = "CODEX_IMAGE_TEST_DIR";
const MARKER: &str = "CODEX_IMAGE_TEST_RUN";

/// Not a test: the children run it.
#[test]
fn role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let dir = PathBuf::from(std::env::var_os(DIR).unwrap());
    match role.as_str() {
        "save input" => {
            let mut text = Vec::new();
            std::io::stdin().read_to_end(&mut text).unwrap();
            std::fs::write(dir.join("input"), &text).unwrap();
        }
        "exit 7" => std::process::exit(7),
        "crash" => std::process::abort(),
        "print environment" => {
            for (name, value) in std::env::vars() {
                println!("\n{name}={value}");
            }
            println!("\ncwd={}", std::env::current_dir().unwrap().display());
        }
        "keep a file open" => keep_pid_file_open(&dir),
        // The child has its own session.
        #[cfg(unix)]
        "keep a file open in a session" => {
            rustix::process::setsid().unwrap();
            keep_pid_file_open(&dir);
        }
        #[cfg(unix)]
        "start a child in a session and wait" => {
            command("keep a file open in a session", &dir).spawn().unwrap().wait().unwrap();
        }
        // The child keeps the output open after this process has exited.
        "start a child and exit" => {
            #[expect(clippy::zombie_processes, reason = "it must outlive this process")]
            command("keep a file open", &dir).spawn().unwrap();
            until(|| dir.join("pid").exists());
        }
        "start a child and wait" => {
            command("keep a file open", &dir).spawn().unwrap().wait().unwrap();
        }
        // The hidden process has no parents, session, group, environment and directory of the tree.
        #[cfg(unix)]
        "start a hidden process" => {
            rustix::process::setsid().unwrap();
            let script = "echo $$ > \"$0/pid.new\"; mv \"$0/pid.new\" \"$0/pid\"; exec sleep 1000";
            let mut hidden = Command::new("/bin/sh");
            hidden.args(["-c", script]).arg(&dir).env_clear().env("PATH", "/usr/bin:/bin").current_dir("/");
            #[expect(clippy::zombie_processes, reason = "it must outlive this process")]
            hidden.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        }
        // Waits for a line, as Codex waits for its prompt.
        #[cfg(unix)]
        "start a hidden process after a line and wait" => {
            std::io::stdin().read_line(&mut String::new()).unwrap();
            command("start a hidden process", &dir).status().unwrap();
            wait_for_ever();
        }
        #[cfg(unix)]
        "start a process that hides later and wait" => {
            command("start a process that hides later", &dir).status().unwrap();
            wait_for_ever();
        }
        // Parent of a process that belongs to the tree by this parent only. Exits on demand.
        #[cfg(unix)]
        "start a process that hides later" => {
            lift_limit();
            let mut child = command("hide later", &dir);
            child.env_clear().env(ROLE, "hide later").env(DIR, &dir).current_dir("/");
            #[expect(clippy::zombie_processes, reason = "it must outlive this process")]
            child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            until(|| dir.join("parent may exit").exists());
        }
        #[cfg(unix)]
        "hide later" => {
            rustix::process::setsid().unwrap();
            let parent = rustix::process::getppid();
            std::fs::write(dir.join("pid.new"), std::process::id().to_string()).unwrap();
            std::fs::rename(dir.join("pid.new"), dir.join("pid")).unwrap();
            until(|| rustix::process::getppid() != parent);
            lift_limit();
            std::fs::write(dir.join("hidden"), "").unwrap();
            wait_for_ever();
        }
        // Watches the scanning thread start with the first tree and end with the last.
        #[cfg(target_os = "linux")]
        "start and stop two trees" => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _guard = runtime.enter();
            let has_scanner = || {
                let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
                let mut names = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("comm")).ok());
                names.any(|name| name.starts_with("codex-image-sca"))
            };
            let (first, _pipes) = spawn(&program("start a child and wait", &dir), tag(&dir)).unwrap();
            let (second, _more_pipes) = spawn(&program("start a child and wait", &dir), tag(&dir)).unwrap();
            until(has_scanner);
            let _ = first.stop(StopMode::Kill);
            let _ = second.stop(StopMode::Kill);
            until(|| !has_scanner());
        }
        "host process" => be_a_host_process("start a child and wait", &dir),
        "host process of a tree with a hidden process" => {
            be_a_host_process("start a hidden process after a line and wait", &dir);
        }
        other => panic!("{other}"),
    }
}

/// Lifts the resource limit that marks the run.
#[cfg(unix)]
fn lift_limit() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        setrlimit(Resource::Rttime, Rlimit { current: None, maximum: None }).unwrap();
    }
}

/// Writes the pid to a file and keeps it open. On Windows an open file keeps its directory from
/// being removed.
fn keep_pid_file_open(dir: &Path) -> ! {
    let mut file = std::fs::File::create(dir.join("pid.new")).unwrap();
    writeln!(file, "{}", std::process::id()).unwrap();
    std::fs::rename(dir.join("pid.new"), dir.join("pid")).unwrap();
    wait_for_ever();
}

/// Runs a tree until the test kills this process.
fn be_a_host_process(role: &str, dir: &Path) -> ! {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _guard = runtime.enter();
    let (_child, mut pipes) = spawn(&program(role, dir), tag(dir)).unwrap();
    runtime.block_on(pipes.stdin.write_all(b"\n")).unwrap();
    wait_for_ever();
}

fn wait_for_ever() -> ! {
    loop {
        std::thread::park();
    }
}

/// Polls until `done` returns true. The test runner has a time limit.
pub fn until(done: impl Fn() -> bool) {
    while !done() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Returns the command line of a child. If this program runs in an emulator, a variable names the
/// emulator.
fn role_command_line() -> (PathBuf, Vec<OsString>) {
    let me = std::env::current_exe().unwrap();
    let args = ["--exact", "process::tests::role", "--nocapture", "--quiet"].map(OsString::from);
    match std::env::var_os("CODEX_IMAGE_TEST_EMULATOR") {
        None => (me, args.into()),
        Some(emulator) => (emulator.into(), [me.into()].into_iter().chain(args).collect()),
    }
}

/// Returns the command that starts a child without the code under test.
pub fn command(role: &str, dir: &Path) -> Command {
    let (path, args) = role_command_line();
    let mut command = Command::new(path);
    command.args(args).env(ROLE, role).env(DIR, dir).stdin(Stdio::null());
    command
}

pub fn program(role: &str, dir: &Path) -> Program {
    let own = std::env::vars_os().filter(|(name, _)| name != ROLE && name != DIR && name != MARKER);
    let added = [(ROLE.into(), role.into()), (DIR.into(), dir.into())];
    let (path, args) = role_command_line();
    Program { path, args, env: own.chain(added).collect(), cwd: std::env::current_dir().unwrap() }
}

pub fn tag(dir: &Path) -> RunTag {
    RunTag { name: MARKER, value: dir.file_name().unwrap().to_string_lossy().into_owned(), dir: None }
}

pub fn temp_dir() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Sends the bytes to a channel.
struct ChannelSink(Sender<Vec<u8>>);

impl Sink for ChannelSink {
    fn take(&mut self, bytes: &[u8]) {
        // Fails if the test has dropped the receiver.
        let _ = self.0.send(bytes.to_vec());
    }

    fn end(&mut self) {}
}

/// Starts a child and reads its output.
fn run(role: &str, dir: &Path) -> (Child, platform::Input, [Reader; 2], Receiver<Vec<u8>>) {
    let (child, pipes) = spawn(&program(role, dir), tag(dir)).unwrap();
    let (sender, output) = channel();
    let start_reader = |pipe| read(pipe, ChannelSink(sender.clone())).unwrap();
    (child, pipes.stdin, [start_reader(pipes.stdout), start_reader(pipes.stderr)], output)
}

/// Waits for the pid file in `dir` and returns its pid.
pub fn pid_in(dir: &Path) -> u32 {
    until(|| dir.join("pid").exists());
    std::fs::read_to_string(dir.join("pid")).unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn passes_environment_and_directory_to_the_child() {
    let temp = temp_dir();
    let mut program = program("print environment", temp.path());
    program.env.push(("QUOTES".into(), "\"a\\\" %PATH% \u{1f408}".into()));
    let cwd = dunce::canonicalize(temp.path()).unwrap();
    program.cwd.clone_from(&cwd);
    let (mut child, pipes) = spawn(&program, tag(temp.path())).unwrap();
    drop(pipes.stdin);
    let (sender, output) = channel();
    let reader = read(pipes.stdout, ChannelSink(sender)).unwrap();
    assert_eq!(child.exited().await, Exit::Code(0));
    assert_eq!(child.stop(StopMode::Kill).exit, Exit::Code(0));
    reader.finish().await;
    let printed = String::from_utf8(output.iter().flatten().collect()).unwrap();
    let has = |line: String| assert!(printed.lines().any(|printed| printed == line), "{line} in {printed:?}");
    has("QUOTES=\"a\\\" %PATH% \u{1f408}".to_owned());
    has(format!("{MARKER}={}", tag(temp.path()).value));
    has(format!("cwd={}", cwd.display()));
}

#[tokio::test]
async fn reports_the_exit_status_of_the_child() {
    let temp = temp_dir();
    let (mut child, _stdin, _readers, _output) = run("exit 7", temp.path());
    assert_eq!(child.exited().await, Exit::Code(7));
    assert_eq!(child.stop(StopMode::Kill).exit, Exit::Code(7));
    let (mut child, _stdin, _readers, _output) = run("crash", temp.path());
    let exit = child.exited().await;
    assert!(if cfg!(unix) { matches!(exit, Exit::Signal(_)) } else { !exit.is_success() }, "{exit:?}");
}

#[tokio::test]
async fn writes_a_long_input_and_closes_it() {
    let temp = temp_dir();
    let (mut child, mut stdin, _readers, _output) = run("save input", temp.path());
    let text: Vec<u8> = (0..4_000_000_u32).flat_map(u32::to_le_bytes).collect();
    stdin.write_all(&text).await.unwrap();
    drop(stdin);
    assert_eq!(child.exited().await, Exit::Code(0));
    assert!(std::fs::read(temp.path().join("input")).unwrap() == text);
}

#[tokio::test]
async fn children_started_at_once_do_not_inherit_each_others_pipes() {
    let dirs: Vec<_> = (0..8).map(|_| temp_dir()).collect();
    let children: Vec<_> = std::thread::scope(|scope| {
        let runtime = tokio::runtime::Handle::current();
        let start = |dir: &tempfile::TempDir| {
            let (runtime, dir) = (runtime.clone(), dir.path().to_path_buf());
            scope.spawn(move || {
                let _guard = runtime.enter();
                spawn(&program("save input", &dir), tag(&dir)).unwrap()
            })
        };
        let started: Vec<_> = dirs.iter().map(start).collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    // Each child exits at the end of its input while the inputs of the later ones are still open.
    for (mut child, pipes) in children {
        drop(pipes.stdin);
        assert_eq!(child.exited().await, Exit::Code(0));
    }
}

fn graceful() -> StopMode {
    StopMode::Graceful { grace: Duration::from_secs(10), skip_grace: CancellationToken::new() }
}

#[tokio::test]
async fn stops_a_grandchild() {
    let temp = temp_dir();
    let (child, _stdin, readers, _output) = run("start a child and wait", temp.path());
    let grandchild = pid_in(temp.path());
    assert!(platform::runs(grandchild));
    let _ = child.stop(graceful());
    assert!(!platform::runs(grandchild));
    for reader in readers {
        reader.finish().await;
    }
    // Fails on Windows if a file is still open.
    std::fs::remove_dir_all(temp.path()).unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn stops_a_grandchild_in_its_own_session() {
    let temp = temp_dir();
    let (child, _stdin, _readers, _output) = run("start a child in a session and wait", temp.path());
    let grandchild = pid_in(temp.path());
    let _ = child.stop(graceful());
    assert!(!platform::runs(grandchild));
}

/// Linux only: macOS has no attribute that children inherit and other processes can read.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn stops_a_descendant_without_parents_session_environment_and_directory_of_the_tree() {
    let temp = temp_dir();
    let (child, mut stdin, _readers, _output) = run("start a hidden process after a line and wait", temp.path());
    stdin.write_all(b"\n").await.unwrap();
    let hidden = pid_in(temp.path());
    assert!(platform::runs(hidden));
    assert!(!child.stop(StopMode::Kill).may_have_survivors);
    assert!(!platform::runs(hidden));
}

#[cfg(unix)]
#[tokio::test]
async fn stops_a_descendant_that_loses_every_sign_after_a_scan_found_it() {
    let temp = temp_dir();
    let (child, _stdin, _readers, _output) = run("start a process that hides later and wait", temp.path());
    let hiding = pid_in(temp.path());
    until(|| child.knows(hiding));
    std::fs::write(temp.path().join("parent may exit"), "").unwrap();
    until(|| temp.path().join("hidden").exists());
    assert!(platform::runs(hiding));
    assert!(!child.stop(StopMode::Kill).may_have_survivors);
    assert!(!platform::runs(hiding));
}

#[cfg(target_os = "linux")]
#[test]
fn the_scanning_thread_ends_with_the_last_tree() {
    let temp = temp_dir();
    assert!(command("start and stop two trees", temp.path()).stdout(Stdio::null()).status().unwrap().success());
}

#[tokio::test]
async fn stops_a_grandchild_that_outlives_its_parent_without_delay() {
    let temp = temp_dir();
    let (mut child, _stdin, readers, _output) = run("start a child and exit", temp.path());
    assert_eq!(child.exited().await, Exit::Code(0));
    let grandchild = pid_in(temp.path());
    assert!(platform::runs(grandchild));
    let _ = child.stop(StopMode::Kill);
    assert!(!platform::runs(grandchild));
    for reader in readers {
        reader.finish().await;
    }
}

#[tokio::test]
async fn dropping_a_child_stops_its_tree() {
    let temp = temp_dir();
    let (child, _stdin, _readers, _output) = run("start a child and wait", temp.path());
    let grandchild = pid_in(temp.path());
    drop(child);
    assert!(!platform::runs(grandchild));
}

#[test]
fn killing_the_host_process_stops_its_tree() {
    assert_killing_the_host_process_stops_its_tree("host process");
}

#[cfg(target_os = "linux")]
#[test]
fn killing_the_host_process_stops_hidden_descendants() {
    assert_killing_the_host_process_stops_its_tree("host process of a tree with a hidden process");
}

fn assert_killing_the_host_process_stops_its_tree(role: &str) {
    let temp = temp_dir();
    let mut host = command(role, temp.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let grandchild = pid_in(temp.path());
    host.kill().unwrap();
    host.wait().unwrap();
    let killed = Instant::now();
    until(|| !platform::runs(grandchild) || killed.elapsed() > Duration::from_secs(10));
    // The watchdog takes a second between SIGTERM and SIGKILL; the rest allows for a busy machine.
    assert!(!platform::runs(grandchild), "it still runs after {:?}", killed.elapsed());
}
