//! The version of the CLI, and what depends on it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Mutex;

use super::ask::ask;
use super::locate::Cli;
use crate::blocking::{self, Kind};
use crate::files;
use crate::process::Marker;
use crate::request::Request;

/// A version's first three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u32, u32, u32);

impl Version {
    /// The first that heeds `agents.enabled`; 0.144.6 and earlier refuse to start with it.
    pub const SWITCHES_AGENTS: Self = Self(0, 147, 0);
    /// The first of those tried that tolerates `features.code_mode` as a table; 0.132.0 refuses to
    /// start with it.
    pub const EXCLUDES_TOOLS: Self = Self(0, 140, 0);
    /// The first for which the feature `imagegenext` is an earlier name of `image_generation`. In
    /// 0.140.0 and 0.142.5 it is a tool of its own, off by default, which draws without the other.
    pub const RENAMES_IMAGE_FEATURE: Self = Self(0, 144, 6);
    /// The first whose default model cannot draw without the program `codex-code-mode-host`, which
    /// npm's package has from 0.144.6 on; that version does without.
    pub const NEEDS_CODE_MODE_HOST: Self = Self(0, 147, 0);
    /// The first whose `workspace-write` holds against root on Linux: up to 0.147.0 `mount -o
    /// remount,rw,bind /` leaves it.
    pub const CONFINES_ROOT: Self = Self(0, 153, 4);

    /// Reads "0.169.0" or "0.172.0-alpha.3".
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.splitn(3, '.');
        let digits = |part: &str| part.bytes().take_while(u8::is_ascii_digit).count();
        let mut next = || numbers.next().and_then(|part| part[..digits(part)].parse().ok());
        Some(Self(next()?, next()?, next()?))
    }
}

/// The CLI's version: its npm package's, or what it says itself, "codex-cli 0.169.0" (all
/// versions). None if it does not say, or `given_up` resolved before.
pub async fn version_of(cli: &Cli, request: &Request, marker: Marker, given_up: impl Future) -> Option<String> {
    if cli.version.is_some() {
        return cli.version.clone();
    }
    let mut given_up = pin!(given_up);
    let (place, asked) = (cli.program.clone(), cli.program.clone());
    let stamp = blocking::read(Kind::Programs, place, move || files::request(|| Stamped::of(asked)));
    let program = stamp.await.ok().flatten().flatten()?;
    // Held while the CLI is asked: calls that begin together start it once.
    let mut answers = tokio::select! {
        biased;
        answers = ANSWERS.lock() => answers,
        _ = &mut given_up => return None,
    };
    if let Some((known, when)) = answers.get(&program)
        && when.elapsed() < KEPT
    {
        return known.clone();
    }
    let mut is_given_up = false;
    let given_up = async {
        given_up.await;
        is_given_up = true;
    };
    // A CLI that cannot even be started tells why when a picture is asked for.
    let answer = ask(cli, request, vec!["--version".into()], marker, given_up).await.unwrap_or_default();
    let version = answer.lines().find_map(|line| line.trim().strip_prefix("codex-cli ")).map(str::to_owned);
    if !is_given_up {
        answers.insert(program, (version.clone(), Instant::now()));
    }
    version
}

/// A program as it was when it answered. An update changes its size or its time.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Stamped {
    path: PathBuf,
    size: u64,
    modified: SystemTime,
}

impl Stamped {
    fn of(path: PathBuf) -> Option<Self> {
        let metadata = std::fs::metadata(&path).ok()?;
        Some(Self { path, size: metadata.len(), modified: metadata.modified().ok()? })
    }
}

type Answers = HashMap<Stamped, (Option<String>, Instant)>;

/// The question takes as long as the CLI takes to start, so answers are kept for a while.
static ANSWERS: LazyLock<Mutex<Answers>> = LazyLock::new(Mutex::default);
/// The program of a version manager stays the same when it leads to another version.
const KEPT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn a_version_is_compared_by_its_numbers() {
        assert_eq!(Version::parse("0.153.4"), Some(Version::CONFINES_ROOT));
        assert!(Version::parse("0.150.1") < Some(Version::CONFINES_ROOT));
        assert!(Version::parse("0.172.0-alpha.3") > Some(Version::CONFINES_ROOT));
        assert!(Version::parse("1.0.0") > Version::parse("0.999.999"));
        for text in ["", "0", "0.1", "x.y.z", "0.1.x", "99999999999.0.0"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}
