//! Native stub of the Codex CLI, for `npm run test:emulated`. `STUB_ORDERS` lists the steps of one
//! `codex exec`, as in `__test__/support/stub-codex.sh`. Exits with 0 after the last step.

use std::error::Error;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;
use std::{env, fs, process, thread};

/// Longest life of a stub, so that no process stays if a test dies.
const LIFETIME: Duration = Duration::from_secs(90);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    match env::args().nth(1).as_deref() {
        Some("exec") => exec(),
        Some("tool") => {
            print_line(&process::id().to_string())?;
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
    for step in env::var("STUB_ORDERS")?.split_whitespace() {
        match step {
            "thread" => {
                write_rollout(&thread_id)?;
                print_line(&format!(r#"{{"type":"thread.started","thread_id":"{thread_id}"}}"#))?;
            }
            "message" => print_line(concat!(
                r#"{"type":"item.completed","item":{"id":"item_0","type":"agent_message","#,
                r#""text":"I am thinking."}}"#
            ))?,
            "save" => save_picture(&thread_id)?,
            "copy" => fs::write("od-codex-image.png", fs::read(env::var("STUB_PICTURE")?)?)?,
            "tool" => start_tool(&desk)?,
            "hang" => thread::sleep(LIFETIME),
            "fail" => return Ok(ExitCode::FAILURE),
            other => return Err(format!("unknown step: {other}").into()),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the head of the thread's rollout, which names the sandbox of the command line.
fn write_rollout(thread_id: &str) -> Result<(), Box<dyn Error>> {
    let day = Path::new(&env::var("CODEX_HOME")?).join("sessions").join("2026").join("01").join("01");
    fs::create_dir_all(&day)?;
    let sandbox = env::args().skip_while(|arg| arg != "--sandbox").nth(1).unwrap_or_default();
    let line = format!(r#"{{"type":"turn_context","payload":{{"sandbox_policy":{{"type":"{sandbox}"}}}}}}"#);
    fs::write(day.join(format!("rollout-x-{thread_id}.jsonl")), line + "\n")?;
    Ok(())
}

/// Saves the picture where Codex saves it.
fn save_picture(thread_id: &str) -> Result<(), Box<dyn Error>> {
    let store = Path::new(&env::var("CODEX_HOME")?).join("generated_images").join(thread_id);
    fs::create_dir_all(&store)?;
    // Not `fs::copy`, which keeps the modification time on Windows.
    fs::write(store.join("exec-1.png"), fs::read(env::var("STUB_PICTURE")?)?)?;
    Ok(())
}

/// Starts a tool in its own process group, which outlives the stub unless the tree is stopped. Then
/// writes the pids of both to the file `running`.
#[allow(clippy::zombie_processes, reason = "the code under test must find and stop it")]
fn start_tool(desk: &Path) -> Result<(), Box<dyn Error>> {
    // Not the current executable, since it may need an emulator.
    let mut command = Command::new(env::var("STUB_PROGRAM")?);
    command.arg("tool").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    detach(&mut command);
    let tool = command.spawn()?;
    let mut pid = String::new();
    BufReader::new(tool.stdout.ok_or("the tool has no output")?).read_line(&mut pid)?;
    fs::write(desk.join("running.new"), format!("{} {pid}", process::id()))?;
    fs::rename(desk.join("running.new"), desk.join("running"))?;
    Ok(())
}

#[cfg(unix)]
fn detach(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    command.process_group(0);
}

#[cfg(windows)]
fn detach(command: &mut Command) {
    use std::os::windows::process::CommandExt as _;
    const DETACHED_PROCESS: u32 = 0x8;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    command.creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
}

fn print_line(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}
