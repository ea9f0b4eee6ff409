//! What is promised of a child and its descendants, on every platform. The children are this very
//! test program: started again to run nothing but [`role`], they do what the variable says.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio_util::sync::CancellationToken;

use super::*;

/// What a child of these tests does.
const ROLE: &str = "CODEX_IMAGE_TEST_ROLE";
/// Where it leaves its traces.
const PLACE: &str = "CODEX_IMAGE_TEST_PLACE";
const MARKER: &str = "CODEX_IMAGE_TEST_RUN";

/// Not a test, but what the children run.
#[test]
fn role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let place = PathBuf::from(std::env::var_os(PLACE).unwrap());
    match role.as_str() {
        "echo" => {
            let mut text = Vec::new();
            std::io::stdin().read_to_end(&mut text).unwrap();
            std::fs::write(place.join("heard"), &text).unwrap();
        }
        "exit 7" => std::process::exit(7),
        "crash" => std::process::abort(),
        "tell" => {
            for (name, value) in std::env::vars() {
                println!("\n{name}={value}");
            }
            println!("\ncwd={}", std::env::current_dir().unwrap().display());
        }
        "hold" => hold(&place),
        // In a session of its own.
        #[cfg(unix)]
        "hold apart" => {
            rustix::process::setsid().unwrap();
            hold(&place);
        }
        #[cfg(unix)]
        "stay apart" => {
            start("hold apart", &place).spawn().unwrap().wait().unwrap();
        }
        // Has a child that holds the output open, and ends before it.
        "leave" => {
            #[expect(clippy::zombie_processes, reason = "it is to outlive this process")]
            start("hold", &place).spawn().unwrap();
            until(|| place.join("holding").exists());
        }
        "stay" => {
            start("hold", &place).spawn().unwrap().wait().unwrap();
        }
        // Starts a process that sheds its parents, its session, its group, its environment and its
        // directory.
        #[cfg(unix)]
        "hide" => {
            rustix::process::setsid().unwrap();
            let script = "echo $$ > \"$0/held\"; mv \"$0/held\" \"$0/holding\"; exec sleep 1000";
            let mut hidden = Command::new("/bin/sh");
            hidden.args(["-c", script]).arg(&place).env_clear().env("PATH", "/usr/bin:/bin").current_dir("/");
            #[expect(clippy::zombie_processes, reason = "it is to outlive this process")]
            hidden.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        }
        // As Codex waits for its prompt.
        #[cfg(unix)]
        "once told, stay with one hidden" => {
            std::io::stdin().read_line(&mut String::new()).unwrap();
            start("hide", &place).status().unwrap();
            wait_for_ever();
        }
        #[cfg(unix)]
        "stay, with one shedding" => {
            start("shed with a parent", &place).status().unwrap();
            wait_for_ever();
        }
        // The parent of a process that has no sign of the tree but this parent, until it is to end.
        #[cfg(unix)]
        "shed with a parent" => {
            lift_limit();
            let mut child = start("shed", &place);
            child.env_clear().env(ROLE, "shed").env(PLACE, &place).current_dir("/");
            #[expect(clippy::zombie_processes, reason = "it is to outlive this process")]
            child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            until(|| place.join("end the parent").exists());
        }
        #[cfg(unix)]
        "shed" => {
            rustix::process::setsid().unwrap();
            let parent = rustix::process::getppid();
            std::fs::write(place.join("held"), std::process::id().to_string()).unwrap();
            std::fs::rename(place.join("held"), place.join("holding")).unwrap();
            until(|| rustix::process::getppid() != parent);
            lift_limit();
            std::fs::write(place.join("shed"), "").unwrap();
            wait_for_ever();
        }
        // Runs a tree and stops it, and sees the thread that scans for it come and go.
        #[cfg(target_os = "linux")]
        "scan and end" => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _guard = runtime.enter();
            let scans = || {
                let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
                let mut names = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("comm")).ok());
                names.any(|name| name.starts_with("codex-image-sca"))
            };
            let (first, _pipes) = spawn(&program("stay", &place), marker(&place)).unwrap();
            let (second, _more_pipes) = spawn(&program("stay", &place), marker(&place)).unwrap();
            until(scans);
            let _ = first.stop(StopMode::Kill);
            let _ = second.stop(StopMode::Kill);
            until(|| !scans());
        }
        // Runs a tree, and dies as its parent likes.
        "daemon" | "daemon, with one hidden" => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _guard = runtime.enter();
            let runs = if role == "daemon" { "stay" } else { "once told, stay with one hidden" };
            let (_child, mut pipes) = spawn(&program(runs, &place), marker(&place)).unwrap();
            runtime.block_on(pipes.stdin.write_all(b"\n")).unwrap();
            wait_for_ever();
        }
        other => panic!("{other}"),
    }
}

/// Sheds the limit that marks the run.
#[cfg(unix)]
fn lift_limit() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        setrlimit(Resource::Rttime, Rlimit { current: None, maximum: None }).unwrap();
    }
}

/// Holds a file until the end, which on Windows keeps its directory from being removed.
fn hold(place: &Path) -> ! {
    let mut file = std::fs::File::create(place.join("held")).unwrap();
    writeln!(file, "{}", std::process::id()).unwrap();
    std::fs::rename(place.join("held"), place.join("holding")).unwrap();
    wait_for_ever();
}

fn wait_for_ever() -> ! {
    loop {
        std::thread::park();
    }
}

/// Waits until `done`; the test runner bounds it.
pub fn until(done: impl Fn() -> bool) {
    while !done() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The command line of a child. Where this program runs only in an emulator, the system cannot
/// start it: a variable names what can.
fn only_the_role() -> (PathBuf, Vec<OsString>) {
    let me = std::env::current_exe().unwrap();
    let args = ["--exact", "process::tests::role", "--nocapture", "--quiet"].map(OsString::from);
    match std::env::var_os("CODEX_IMAGE_TEST_EMULATOR") {
        None => (me, args.into()),
        Some(emulator) => (emulator.into(), [me.into()].into_iter().chain(args).collect()),
    }
}

/// A child outside of all that is tested here.
pub fn start(role: &str, place: &Path) -> Command {
    let (path, args) = only_the_role();
    let mut command = Command::new(path);
    command.args(args).env(ROLE, role).env(PLACE, place).stdin(Stdio::null());
    command
}

pub fn program(role: &str, place: &Path) -> Program {
    let own = std::env::vars_os().filter(|(name, _)| name != ROLE && name != PLACE && name != MARKER);
    let added = [(ROLE.into(), role.into()), (PLACE.into(), place.into())];
    let (path, args) = only_the_role();
    Program { path, args, env: own.chain(added).collect(), cwd: std::env::current_dir().unwrap() }
}

pub fn marker(place: &Path) -> Marker {
    Marker { name: MARKER, value: place.file_name().unwrap().to_string_lossy().into_owned(), dir: None }
}

pub fn place() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Sends what it takes, piece by piece.
struct Pieces(Sender<Vec<u8>>);

impl Sink for Pieces {
    fn take(&mut self, bytes: &[u8]) {
        // The test may have seen enough.
        let _ = self.0.send(bytes.to_vec());
    }

    fn end(&mut self) {}
}

/// Starts a child and listens to it.
fn run(role: &str, place: &Path) -> (Child, platform::Input, [Reader; 2], Receiver<Vec<u8>>) {
    let (child, pipes) = spawn(&program(role, place), marker(place)).unwrap();
    let (say, said) = channel();
    let listen = |pipe| read(pipe, Pieces(say.clone())).unwrap();
    (child, pipes.stdin, [listen(pipes.stdout), listen(pipes.stderr)], said)
}

/// The process that holds a file in `place`.
pub fn holder(place: &Path) -> u32 {
    until(|| place.join("holding").exists());
    std::fs::read_to_string(place.join("holding")).unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn a_child_is_told_its_environment_and_its_place() {
    let place = place();
    let mut program = program("tell", place.path());
    program.env.push(("QUOTES".into(), "\"a\\\" %PATH% \u{1f408}".into()));
    let cwd = dunce::canonicalize(place.path()).unwrap();
    program.cwd.clone_from(&cwd);
    let (mut child, pipes) = spawn(&program, marker(place.path())).unwrap();
    drop(pipes.stdin);
    let (say, said) = channel();
    let reader = read(pipes.stdout, Pieces(say)).unwrap();
    assert_eq!(child.exited().await, Exit::Code(0));
    assert_eq!(child.stop(StopMode::Kill).exit, Exit::Code(0));
    reader.finish().await;
    let told = String::from_utf8(said.iter().flatten().collect()).unwrap();
    let has = |line: String| assert!(told.lines().any(|told| told == line), "{line} in {told:?}");
    has("QUOTES=\"a\\\" %PATH% \u{1f408}".to_owned());
    has(format!("{MARKER}={}", marker(place.path()).value));
    has(format!("cwd={}", cwd.display()));
}

#[tokio::test]
async fn its_own_end_is_learnt_from_it() {
    let place = place();
    let (mut child, _stdin, _readers, _said) = run("exit 7", place.path());
    assert_eq!(child.exited().await, Exit::Code(7));
    assert_eq!(child.stop(StopMode::Kill).exit, Exit::Code(7));
    let (mut child, _stdin, _readers, _said) = run("crash", place.path());
    let exit = child.exited().await;
    assert!(if cfg!(unix) { matches!(exit, Exit::Signal(_)) } else { !exit.is_success() }, "{exit:?}");
}

#[tokio::test]
async fn a_long_text_arrives_whole_and_then_its_end() {
    let place = place();
    let (mut child, mut stdin, _readers, _said) = run("echo", place.path());
    let text: Vec<u8> = (0..4_000_000_u32).flat_map(u32::to_le_bytes).collect();
    stdin.write_all(&text).await.unwrap();
    drop(stdin);
    assert_eq!(child.exited().await, Exit::Code(0));
    assert!(std::fs::read(place.path().join("heard")).unwrap() == text);
}

#[tokio::test]
async fn children_started_at_once_do_not_hold_each_others_pipes() {
    let places: Vec<_> = (0..8).map(|_| place()).collect();
    let children: Vec<_> = std::thread::scope(|scope| {
        let runtime = tokio::runtime::Handle::current();
        let start = |place: &tempfile::TempDir| {
            let (runtime, place) = (runtime.clone(), place.path().to_path_buf());
            scope.spawn(move || {
                let _guard = runtime.enter();
                spawn(&program("echo", &place), marker(&place)).unwrap()
            })
        };
        let started: Vec<_> = places.iter().map(start).collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    // Each ends at the end of its own input, while the inputs of those after it are still open.
    for (mut child, pipes) in children {
        drop(pipes.stdin);
        assert_eq!(child.exited().await, Exit::Code(0));
    }
}

fn patiently() -> StopMode {
    StopMode::Graceful { grace: Duration::from_secs(10), hurry: CancellationToken::new() }
}

#[tokio::test]
async fn a_grandchild_is_stopped_with_its_parent() {
    let place = place();
    let (child, _stdin, readers, _said) = run("stay", place.path());
    let grandchild = holder(place.path());
    assert!(platform::runs(grandchild));
    let _ = child.stop(patiently());
    assert!(!platform::runs(grandchild));
    for reader in readers {
        reader.finish().await;
    }
    // On Windows a file that is open would be in the way.
    std::fs::remove_dir_all(place.path()).unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn a_grandchild_in_a_session_of_its_own_is_stopped_with_its_parent() {
    let place = place();
    let (child, _stdin, _readers, _said) = run("stay apart", place.path());
    let grandchild = holder(place.path());
    let _ = child.stop(patiently());
    assert!(!platform::runs(grandchild));
}

/// macOS has no attribute that is inherited and shown.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_descendant_without_parents_session_environment_and_directory_of_the_tree_is_stopped() {
    let place = place();
    let (child, mut stdin, _readers, _said) = run("once told, stay with one hidden", place.path());
    stdin.write_all(b"\n").await.unwrap();
    let hidden = holder(place.path());
    assert!(platform::runs(hidden));
    assert!(!child.stop(StopMode::Kill).may_have_survivors);
    assert!(!platform::runs(hidden));
}

#[cfg(unix)]
#[tokio::test]
async fn a_descendant_that_sheds_every_sign_after_a_scan_has_found_it_is_stopped() {
    let place = place();
    let (child, _stdin, _readers, _said) = run("stay, with one shedding", place.path());
    let shedding = holder(place.path());
    until(|| child.knows(shedding));
    std::fs::write(place.path().join("end the parent"), "").unwrap();
    until(|| place.path().join("shed").exists());
    assert!(platform::runs(shedding));
    assert!(!child.stop(StopMode::Kill).may_have_survivors);
    assert!(!platform::runs(shedding));
}

#[cfg(target_os = "linux")]
#[test]
fn the_thread_that_scans_ends_with_the_last_tree() {
    let place = place();
    assert!(start("scan and end", place.path()).stdout(Stdio::null()).status().unwrap().success());
}

#[tokio::test]
async fn a_grandchild_that_outlives_its_parent_is_stopped_and_holds_nothing_up() {
    let place = place();
    let (mut child, _stdin, readers, _said) = run("leave", place.path());
    assert_eq!(child.exited().await, Exit::Code(0));
    let grandchild = holder(place.path());
    assert!(platform::runs(grandchild));
    let _ = child.stop(StopMode::Kill);
    assert!(!platform::runs(grandchild));
    for reader in readers {
        reader.finish().await;
    }
}

#[tokio::test]
async fn dropping_a_child_stops_everything_too() {
    let place = place();
    let (child, _stdin, _readers, _said) = run("stay", place.path());
    let grandchild = holder(place.path());
    drop(child);
    assert!(!platform::runs(grandchild));
}

#[test]
fn a_daemon_that_is_killed_takes_its_tree_along_within_two_seconds() {
    a_daemon_that_is_killed_takes_its_tree_along("daemon");
}

#[cfg(target_os = "linux")]
#[test]
fn a_daemon_that_is_killed_takes_hidden_descendants_along_within_two_seconds() {
    a_daemon_that_is_killed_takes_its_tree_along("daemon, with one hidden");
}

fn a_daemon_that_is_killed_takes_its_tree_along(role: &str) {
    let place = place();
    let mut daemon = start(role, place.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let grandchild = holder(place.path());
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    let killed = Instant::now();
    until(|| !platform::runs(grandchild) || killed.elapsed() > Duration::from_secs(10));
    // A second and a half of it is the watchdog's patience; the rest is for a busy machine.
    assert!(!platform::runs(grandchild), "it still runs after {:?}", killed.elapsed());
}
