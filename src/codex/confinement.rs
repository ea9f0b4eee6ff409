//! Whether the agent's tools are kept out of Codex's own files, and how far that is established.
//!
//! What this package asks for is only the beginning: an administrator's settings outrank it, old
//! versions do not confine root, and Codex itself states at the head of the thread's record what
//! was in force. Nothing counts as confined before that statement agrees.

use std::path::{Path, PathBuf};

use super::config::{Config, Setting};
use super::rollout::{self, Statement};
use super::store::Store;
use super::version::Version;
use crate::request::Request;
use crate::sandbox::Sandbox;

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
    /// Whether the agent may write to `$CODEX_HOME/memories`. 0.132.0 lets it, and no setting
    /// closes that; 0.140.0 does not.
    pub writes_memories: bool,
}

/// The warning for [`Confirmed::writes_memories`].
pub const WRITES_MEMORIES: &str =
    "This version of Codex lets its agent write to Codex's own memories as well. Update Codex to 0.140.0 or newer.";

impl Confinement {
    /// What is to be expected of a turn with these settings, by a version that is known or not, for
    /// a process that is [privileged](is_privileged) or not. Blocks on the disk.
    #[must_use]
    pub fn expected(
        request: &Request,
        config: &Config,
        settings: &[Setting],
        version: Option<Version>,
        privileged: bool,
    ) -> Self {
        if !is_asked_for(request) {
            Self::Waived
        } else if config.outranks(settings) {
            Self::Broken(Breach::Administrator)
        } else if request.sandbox.has_shell() && privileged && version < Some(Version::CONFINES_ROOT) {
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
    let elsewhere = || statement.writable.iter().filter(|root| !is_within(root, workspace));
    let reaches = |root: &PathBuf| protected.iter().any(|own| is_within(own, root) || is_within(root, own));
    let contradicts = !request.sandbox.has_shell() && !statement.writable.is_empty();
    if contradicts || elsewhere().any(reaches) {
        return Err(Breach::Contradicted);
    }
    let memories = request.codex_home().join("memories");
    Ok(Confirmed { writes_memories: elsewhere().any(|root| real(root) == real(&memories)) })
}

/// Whether this process, and with it the agent, may mount file systems. Other systems than Linux
/// confine root as they confine others.
#[must_use]
pub fn is_privileged() -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;
    use crate::request::CodexHome;

    fn request(sandbox: Sandbox) -> Request {
        let temporary = if cfg!(windows) { "TEMP" } else { "TMPDIR" };
        let env = Environment::new(vec![(temporary.into(), "/nowhere/tmp".into())]);
        Request { env, sandbox, ..Request::example("/nowhere/codex-home") }
    }

    fn version(text: &str) -> Option<Version> {
        Version::parse(text)
    }

    #[test]
    fn confinement_is_expected_only_where_nothing_speaks_against_it() {
        let shell = request(Sandbox::WorkspaceWrite { network: true });
        let read_only = request(Sandbox::ReadOnly);
        let config = Config::default();
        let expected =
            |request: &Request, version, privileged| Confinement::expected(request, &config, &[], version, privileged);
        assert_eq!(expected(&shell, None, false), Confinement::Expected);
        assert_eq!(expected(&shell, version("0.153.4"), true), Confinement::Expected);
        assert_eq!(expected(&shell, version("0.150.1"), true), Confinement::Broken(Breach::Privileged));
        assert_eq!(expected(&shell, None, true), Confinement::Broken(Breach::Privileged), "an unknown version");
        assert_eq!(expected(&read_only, None, true), Confinement::Expected, "there is no shell to mount with");
        assert_eq!(expected(&request(Sandbox::DangerFullAccess), None, true), Confinement::Waived);
        let full = Request { lean: false, ..shell.clone() };
        assert_eq!(expected(&full, None, false), Confinement::Waived);
        let below = Request { codex_home: CodexHome::named("/nowhere/tmp/home".into()), ..shell };
        assert_eq!(expected(&below, None, false), Confinement::Waived);
    }

    fn stated(sandbox: &str, writable: &[&str]) -> Statement {
        Statement {
            sandbox: sandbox.into(),
            approval_policy: Some("never".into()),
            cwd: Some("/nowhere/tmp/run".into()),
            writable: writable.iter().map(PathBuf::from).collect(),
            is_understood: true,
        }
    }

    #[test]
    fn only_a_statement_that_agrees_in_every_point_confirms() {
        let confirmed =
            |statement: &Statement, sandbox| confirm(statement, &request(sandbox), Path::new("/nowhere/tmp/run"));
        let shell = Sandbox::WorkspaceWrite { network: true };
        let plain = Ok(Confirmed { writes_memories: false });
        let agreeing = || stated("workspace-write", &["/nowhere/tmp/run", "/nowhere/tmp/run/below"]);
        assert_eq!(confirmed(&agreeing(), shell), plain);
        assert_eq!(confirmed(&stated("read-only", &[]), Sandbox::ReadOnly), plain);
        let memories = stated("workspace-write", &["/nowhere/codex-home/memories"]);
        assert_eq!(confirmed(&memories, shell), Ok(Confirmed { writes_memories: true }));
        let silent = Statement { approval_policy: None, cwd: None, ..agreeing() };
        assert_eq!(confirmed(&silent, shell), plain, "a version that does not say it");

        for (sandbox, contradicting) in [
            (shell, stated("danger-full-access", &[])),
            (shell, stated("read-only", &[])),
            (shell, stated("", &[])),
            (Sandbox::ReadOnly, stated("workspace-write", &[])),
            (Sandbox::ReadOnly, stated("read-only", &["/nowhere/tmp/run"])),
            (shell, stated("workspace-write", &["/"])),
            (shell, stated("workspace-write", &["/nowhere/codex-home"])),
            (shell, stated("workspace-write", &["/nowhere/codex-home/sessions"])),
            (shell, stated("workspace-write", &["/nowhere/codex-home/generated_images/thread"])),
            (shell, Statement { approval_policy: Some("on-request".into()), ..agreeing() }),
            (shell, Statement { cwd: Some("/nowhere/tmp".into()), ..agreeing() }),
            (shell, Statement { is_understood: false, ..agreeing() }),
        ] {
            assert_eq!(confirmed(&contradicting, sandbox), Err(Breach::Contradicted), "{contradicting:?}");
        }
    }
}
