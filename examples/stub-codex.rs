//! A stand-in for the Codex CLI that is a program of the platform's own, for `npm run test:emulated`. `STUB_ORDERS` names what
//! one `codex exec` does, in the words of `__test__/support/stub-codex.sh`; it exits with 0 after the last.

use std::error::Error;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;
use std::{env, fs, process, thread};

/// Nobody waits for a stub this long: if a test dies, its processes do not stay.
const LIFETIME: Duration = Duration::from_secs(90);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    match env::args().nth(1).as_deref() {
        Some("exec") => exec(),
        Some("tool") => {
            say(&process::id().to_string())?;
            thread::sleep(LIFETIME);
            Ok(ExitCode::FAILURE)
        }
        _ => {
            eprintln!("Not logged in");
            Ok(ExitCode::FAILURE)
        }
    }
}

fn exec() -> Result<ExitCode, Box<dyn Error>> {
    let desk = PathBuf::from(env::var("STUB_DESK")?);
    fs::write(desk.join("args"), env::args().collect::<Vec<_>>().join("\0"))?;
    fs::write(desk.join("cwd"), env::current_dir()?.to_string_lossy().as_bytes())?;
    fs::write(desk.join("variables"), env::vars().map(|(name, _)| name).collect::<Vec<_>>().join("\0"))?;
    let mut prompt = Vec::new();
    io::stdin().read_to_end(&mut prompt)?;
    fs::write(desk.join("stdin"), prompt)?;
    let thread_id = env::var("STUB_THREAD")?;
    for order in env::var("STUB_ORDERS")?.split_whitespace() {
        match order {
            "thread" => {
                record(&thread_id)?;
                say(&format!(r#"{{"type":"thread.started","thread_id":"{thread_id}"}}"#))?;
            }
            "message" => say(concat!(
                r#"{"type":"item.completed","item":{"id":"item_0","type":"agent_message","#,
                r#""text":"I am thinking."}}"#
            ))?,
            "save" => save(&thread_id)?,
            "copy" => fs::write("od-codex-image.png", fs::read(env::var("STUB_PICTURE")?)?)?,
            "tool" => start_tool(&desk)?,
            "hang" => thread::sleep(LIFETIME),
            "fail" => return Ok(ExitCode::FAILURE),
            other => return Err(format!("unknown order: {other}").into()),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The head of the thread's record, which states the sandbox that the command line asks for.
fn record(thread_id: &str) -> Result<(), Box<dyn Error>> {
    let day = Path::new(&env::var("CODEX_HOME")?).join("sessions").join("2026").join("01").join("01");
    fs::create_dir_all(&day)?;
    let sandbox = env::args().skip_while(|arg| arg != "--sandbox").nth(1).unwrap_or_default();
    let line = format!(r#"{{"type":"turn_context","payload":{{"sandbox_policy":{{"type":"{sandbox}"}}}}}}"#);
    fs::write(day.join(format!("rollout-x-{thread_id}.jsonl")), line + "\n")?;
    Ok(())
}

/// A picture, where Codex itself puts it.
fn save(thread_id: &str) -> Result<(), Box<dyn Error>> {
    let store = Path::new(&env::var("CODEX_HOME")?).join("generated_images").join(thread_id);
    fs::create_dir_all(&store)?;
    // A copy would be as old as the original, on Windows.
    fs::write(store.join("exec-1.png"), fs::read(env::var("STUB_PICTURE")?)?)?;
    Ok(())
}

/// A tool of the agent's, in a group of its own, that outlives the stub unless somebody stops it. When it is up, the file
/// `running` has the pids of both.
#[allow(clippy::zombie_processes, reason = "it is to be found by whoever stops the tree")]
fn start_tool(desk: &Path) -> Result<(), Box<dyn Error>> {
    // Not the executable: an emulator may have to run it.
    let mut command = Command::new(env::var("STUB_PROGRAM")?);
    command.arg("tool").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    set_apart(&mut command);
    let tool = command.spawn()?;
    let mut pid = String::new();
    BufReader::new(tool.stdout.ok_or("the tool has no output")?).read_line(&mut pid)?;
    fs::write(desk.join("running.new"), format!("{} {pid}", process::id()))?;
    fs::rename(desk.join("running.new"), desk.join("running"))?;
    Ok(())
}

#[cfg(unix)]
fn set_apart(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    command.process_group(0);
}

#[cfg(windows)]
fn set_apart(command: &mut Command) {
    use std::os::windows::process::CommandExt as _;
    const DETACHED_PROCESS: u32 = 0x8;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    command.creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
}

fn say(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}
