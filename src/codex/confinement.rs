//! Whether the agent's tools are kept out of Codex's own files, and how far that is established.
//!
//! What this package asks for is only the beginning: an administrator's settings outrank it, old
//! versions do not confine root, and Codex itself states at the head of the thread's record what was
//! in force. Nothing counts as confined before that statement agrees.

use std::path::{Path, PathBuf};

use super::command::Sandbox;
use super::config::{Config, Setting};
use super::rollout::{self, Statement};
use super::store::Store;
use super::version::Version;
use crate::request::Request;

/// What is known before the turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confinement {
    /// Asked for, and nothing speaks against it. The record has to confirm it.
    Expected,
    /// The call asked for none, or lets in programs that run outside of the sandbox.
    Waived,
    /// Asked for, and not to be had.
    Broken(Breach),
}

/// Why an agent that should be confined is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// An administrator's settings may start programs or switch tools on.
    #[error(
        "The picture is not verified: this machine's administrator has settings for Codex (managed_config.toml, \
         requirements.toml or managed preferences) that go before those of this call."
    )]
    Administrator,
    /// The agent runs as root, or may mount, under a version that does not hold it.
    #[error(
        "The picture is not verified: this version of Codex does not confine an agent that runs as root. \
         Update Codex to 0.153.4 or newer, or run as another user."
    )]
    Privileged,
    /// Codex's record states another sandbox than the one that was asked for.
    #[error("The picture is not verified: Codex did not run with the sandbox that was asked for.")]
    Contradicted,
}

/// What a statement that agrees leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirmed {
    /// Whether the agent may write somewhere else than in its workspace. 0.132.0 leaves it
    /// `$CODEX_HOME/memories`, and no setting closes that.
    pub writes_elsewhere: bool,
}

/// What the user is told of [`Confirmed::writes_elsewhere`].
pub const WRITES_ELSEWHERE: &str =
    "This version of Codex lets its agent write to Codex's own memories as well. Update Codex to 0.140.0 or newer.";

impl Confinement {
    /// What is to be expected of a turn with these settings. Blocks on the disk.
    #[must_use]
    pub fn expected(request: &Request, config: &Config, settings: &[Setting], version: Option<Version>) -> Self {
        if !is_asked_for(request) {
            Self::Waived
        } else if config.outranks(settings) {
            Self::Broken(Breach::Administrator)
        } else if request.sandbox.has_shell() && is_privileged() && version < Some(Version::CONFINES_ROOT) {
            Self::Broken(Breach::Privileged)
        } else {
            Self::Expected
        }
    }
}

/// The directories of `codex_home` that only Codex itself may write to.
fn protected(codex_home: &Path) -> [PathBuf; 2] {
    [Store::DIRECTORY, rollout::DIRECTORY].map(|directory| codex_home.join(directory))
}

/// Whether the call's own settings keep the agent out of Codex's files.
fn is_asked_for(request: &Request) -> bool {
    /// Any setting that could widen the sandbox is treated as if it did.
    const DOORS: [&str; 8] =
        ["sandbox", "permissions", "default_permissions", "profile", "mcp_servers", "approval", "features", "hooks"];
    let is_door = |key: &str| DOORS.iter().any(|door| key.trim_start().starts_with(door));
    // A full turn starts the user's own MCP servers, which run outside of the sandbox.
    if !request.lean || request.config.iter().any(|(key, _)| is_door(key)) {
        return false;
    }
    match request.sandbox {
        Sandbox::ReadOnly => true,
        Sandbox::DangerFullAccess => false,
        Sandbox::WorkspaceWrite { .. } => {
            // The command line excludes the temporary directories; that a version might not heed it
            // is not relied on. On Windows `/tmp` would be a directory of the current drive.
            let slash_tmp = cfg!(unix).then(|| PathBuf::from("/tmp"));
            let temporary: Vec<_> = slash_tmp.into_iter().chain([request.env.temp_dir()]).collect();
            let is_outside = |directory: PathBuf| !temporary.iter().any(|root| is_within(&directory, root));
            protected(&request.codex_home()).into_iter().all(is_outside)
        }
    }
}

/// Whether `path` lies in `root`, or may: where neither can be resolved, it does.
fn is_within(path: &Path, root: &Path) -> bool {
    real(path).zip(real(root)).is_none_or(|(path, root)| path.starts_with(root))
}

/// The path without links. What does not exist yet lies where its nearest existing ancestor does.
fn real(path: &Path) -> Option<PathBuf> {
    path.ancestors().find_map(|ancestor| {
        let real = ancestor.canonicalize().ok()?;
        Some(path.strip_prefix(ancestor).map_or_else(|_| real.clone(), |rest| real.join(rest)))
    })
}

/// Whether the statement at the head of a thread's record agrees with what `request` asked for in
/// `workspace`. Blocks on the disk.
///
/// # Errors
/// [`Breach::Contradicted`] if it does not.
pub fn confirm(statement: &Statement, request: &Request, workspace: &Path) -> Result<Confirmed, Breach> {
    let never_asks = statement.approval_policy.as_deref().is_none_or(|policy| policy == "never");
    let same_place = statement.cwd.as_deref().is_none_or(|cwd| real(cwd) == real(workspace));
    if !(statement.sandbox == request.sandbox.as_str() && never_asks && same_place && statement.is_understood) {
        return Err(Breach::Contradicted);
    }
    let protected = protected(&request.codex_home());
    let mut elsewhere = statement.writable.iter().filter(|root| !is_within(root, workspace)).peekable();
    let writes_elsewhere = elsewhere.peek().is_some();
    let reaches = |root: &PathBuf| protected.iter().any(|own| is_within(own, root) || is_within(root, own));
    let contradicts = !request.sandbox.has_shell() && !statement.writable.is_empty();
    if contradicts || elsewhere.any(reaches) { Err(Breach::Contradicted) } else { Ok(Confirmed { writes_elsewhere }) }
}

/// Whether this process, and with it the agent, may mount file systems. Other systems than Linux
/// confine root as they confine others.
fn is_privileged() -> bool {
    #[cfg(target_os = "linux")]
    {
        const CAP_SYS_ADMIN: u64 = 1 << 21;
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let capabilities = effective.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
        rustix::process::geteuid().is_root() || capabilities.is_some_and(|all| all & CAP_SYS_ADMIN != 0)
    }
    #[cfg(not(target_os = "linux"))]
    false
}
