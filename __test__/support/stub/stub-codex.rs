//! A compiled stub of Codex for tests and benchmarks that need a fast one, or one compiled for the
//! platform. `STUB_STEPS` lists the steps of `codex exec`, separated by spaces (`perform` has
//! them). It exits with 0 after the last one.
//!
//! `__test__/support/stub/stub-codex.mjs` is the script stub, which has more steps.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

type Fallible<T = ()> = Result<T, Box<dyn Error>>;

/// Ends processes that a dead test left behind. Longer than any test runs.
const LIFETIME: Duration = Duration::from_secs(90);
const LONG_LINE_BYTES: u64 = 20_000_000;
const FLOOD_BYTES: usize = 1_000_000_000;

fn main() -> Fallible<ExitCode> {
    match env::args().nth(1).as_deref() {
        Some("exec") => Exec::start()?.run(),
        Some("--version") => {
            print_line("codex-cli 0.169.0")?;
            Ok(ExitCode::SUCCESS)
        }
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

/// One `codex exec`.
struct Exec {
    thread_id: String,
    /// The directory for what the test reads afterwards, if it named one.
    control_dir: Option<PathBuf>,
}

impl Exec {
    /// Reads all of stdin, as Codex does before anything else.
    fn start() -> Fallible<Self> {
        let control_dir = env::var_os("STUB_CONTROL_DIR").map(PathBuf::from);
        let mut prompt = Vec::new();
        io::stdin().read_to_end(&mut prompt)?;
        if let Some(control_dir) = &control_dir {
            let separated = |words: Vec<String>| words.join("\0");
            fs::write(control_dir.join("args"), separated(env::args().collect()))?;
            fs::write(control_dir.join("cwd"), env::current_dir()?.to_string_lossy().as_bytes())?;
            fs::write(control_dir.join("variables"), separated(env::vars().map(|(name, _)| name).collect()))?;
            fs::write(control_dir.join("stdin"), prompt)?;
        }
        let thread_id = env::var("STUB_THREAD").or_else(|_| random_uuid())?;
        Ok(Self { thread_id, control_dir })
    }

    fn run(&self) -> Fallible<ExitCode> {
        for step in env::var("STUB_STEPS")?.split_whitespace() {
            if let Some(code) = step.strip_prefix("exit:") {
                return Ok(ExitCode::from(code.parse::<u8>()?));
            }
            self.perform(step)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn perform(&self, step: &str) -> Fallible {
        match step {
            "thread" => self.start_thread(),
            "message" => print_message("I am thinking."),
            "events" => print_events(),
            "relay" => relay(),
            "await" => self.wait_at_gate(),
            "turn_failed" => {
                let message = env::var("STUB_FAILURE")?;
                print_line(&format!(r#"{{"type":"turn.failed","error":{{"message":"{message}"}}}}"#))
            }
            "save" => self.save(),
            // A copy by the system would be as old as the original on Windows.
            "copy" => Ok(fs::write("od-codex-image.png", picture()?)?),
            "long_line" => print_long_line(),
            "flood" => flood(),
            "tool" => self.start_tool(),
            "ignore_signals" => ignore_signals(),
            "die" => die(),
            "hang" => {
                thread::sleep(LIFETIME);
                Ok(())
            }
            other => Err(format!("unknown step: {other}").into()),
        }
    }

    /// Opens the thread, and writes its rollout: the file that `STUB_ROLLOUT` names, or one that
    /// states the sandbox of the command line. Without it no image is verified by its path.
    fn start_thread(&self) -> Fallible {
        let day = codex_home()?.join("sessions").join("2026").join("01").join("01");
        fs::create_dir_all(&day)?;
        let rollout = day.join(format!("rollout-x-{}.jsonl", self.thread_id));
        if let Some(prepared) = env::var_os("STUB_ROLLOUT") {
            fs::rename(prepared, rollout)?;
        } else {
            let sandbox = env::args().skip_while(|arg| arg != "--sandbox").nth(1).unwrap_or_default();
            let policy = format!(r#"{{"sandbox_policy":{{"type":"{sandbox}"}}}}"#);
            fs::write(rollout, format!("{{\"type\":\"turn_context\",\"payload\":{policy}}}\n"))?;
        }
        print_line(&format!(r#"{{"type":"thread.started","thread_id":"{}"}}"#, self.thread_id))
    }

    /// Saves the image in the store, as Codex's own tool does.
    fn save(&self) -> Fallible {
        let store = codex_home()?.join("generated_images").join(&self.thread_id);
        fs::create_dir_all(&store)?;
        Ok(fs::write(store.join("exec-1.png"), picture()?)?)
    }

    /// Takes one byte from the FIFO that `STUB_GATE` names, or waits until it has no writer. Before
    /// that it writes `<pid>.up`.
    fn wait_at_gate(&self) -> Fallible {
        let mut gate = File::open(env::var("STUB_GATE")?)?;
        if let Some(control_dir) = &self.control_dir {
            fs::write(control_dir.join(format!("{}.up", process::id())), "")?;
        }
        let _bytes = gate.read(&mut [0])?;
        Ok(())
    }

    /// Starts a tool of the agent's, in a process group of its own, that outlives the stub unless
    /// it is stopped. When it is up, the file `running` has the pids of both.
    #[allow(clippy::zombie_processes, reason = "the addon has to find it in the process tree")]
    fn start_tool(&self) -> Fallible {
        // Not the executable, which an emulator may have to run.
        let program = env::var_os("STUB_PROGRAM").map_or_else(env::current_exe, |program| Ok(program.into()))?;
        let mut command = Command::new(program);
        command.arg("tool").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        use_own_group(&mut command);
        let tool = command.spawn()?;
        let mut pid = String::new();
        BufReader::new(tool.stdout.ok_or("the tool has no output")?).read_line(&mut pid)?;
        if let Some(control_dir) = &self.control_dir {
            fs::write(control_dir.join("running.new"), format!("{} {pid}", process::id()))?;
            fs::rename(control_dir.join("running.new"), control_dir.join("running"))?;
        }
        Ok(())
    }
}

fn codex_home() -> Fallible<PathBuf> {
    Ok(Path::new(&env::var("CODEX_HOME")?).to_path_buf())
}

fn picture() -> Fallible<Vec<u8>> {
    Ok(fs::read(env::var("STUB_PICTURE")?)?)
}

fn random_uuid() -> Fallible<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    Ok(format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..]))
}

/// Prints `STUB_EVENTS` messages, spread evenly over `STUB_MS`.
fn print_events() -> Fallible {
    let count: u32 = env::var("STUB_EVENTS")?.parse()?;
    let duration = Duration::from_millis(env::var("STUB_MS")?.parse()?);
    let began = Instant::now();
    for n in 1..=count {
        thread::sleep((duration * n / count).saturating_sub(began.elapsed()));
        print_message(&format!("Thought {n} of {count} about light, colour and composition."))?;
    }
    Ok(())
}

/// Passes on what another process writes into the FIFO that `STUB_FIFO` names.
fn relay() -> Fallible {
    io::copy(&mut File::open(env::var("STUB_FIFO")?)?, &mut io::stdout())?;
    Ok(())
}

/// Prints one line that is no event.
fn print_long_line() -> Fallible {
    io::copy(&mut io::repeat(b'x').take(LONG_LINE_BYTES), &mut io::stdout())?;
    print_line("")
}

/// Prints messages as fast as they are read. The last one is cut off.
fn flood() -> Fallible {
    let lines = format!("{}\n", message("I am thinking.")).repeat(1000);
    let mut stdout = io::stdout().lock();
    let mut left = FLOOD_BYTES;
    while left > 0 {
        let part = left.min(lines.len());
        stdout.write_all(&lines.as_bytes()[..part])?;
        left -= part;
    }
    drop(stdout);
    print_line("")
}

/// Ignores the termination signals. Its children inherit that.
#[cfg(unix)]
fn ignore_signals() -> Fallible {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        // SAFETY: SIG_IGN runs no code in this process.
        let previous = unsafe { libc::signal(signal, libc::SIG_IGN) };
        if previous == libc::SIG_ERR {
            return Err(io::Error::last_os_error().into());
        }
    }
    Ok(())
}

#[cfg(windows)]
fn ignore_signals() -> Fallible {
    Err("Windows has no signals to ignore".into())
}

#[cfg(unix)]
fn die() -> Fallible {
    // SAFETY: takes no pointers, and does not return.
    unsafe { libc::raise(libc::SIGKILL) };
    Err("survived SIGKILL".into())
}

#[cfg(windows)]
fn die() -> Fallible {
    Err("Windows has no signals to die of".into())
}

#[cfg(unix)]
fn use_own_group(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    command.process_group(0);
}

#[cfg(windows)]
fn use_own_group(command: &mut Command) {
    use std::os::windows::process::CommandExt as _;
    const DETACHED_PROCESS: u32 = 0x8;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    command.creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
}

fn message(text: &str) -> String {
    format!(r#"{{"type":"item.completed","item":{{"id":"item_0","type":"agent_message","text":"{text}"}}}}"#)
}

fn print_message(text: &str) -> Fallible {
    print_line(&message(text))
}

fn print_line(line: &str) -> Fallible {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}
