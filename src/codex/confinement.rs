//! Checks that the sandbox keeps the agent's tools from writing to Codex's own files.
//!
//! Requesting a sandbox is not enough: an administrator's settings override the request, and old
//! versions do not confine root. Codex records the sandbox in force at the head of the thread's
//! rollout. An agent counts as confined only if that rollout agrees with the request.

use std::path::{Path, PathBuf};

use super::config::{Config, Setting};
use super::rollout::{self, RecordedSandbox};
use super::store::Store;
use super::version::Version;
use crate::files;
use crate::request::Request;
use crate::sandbox::Sandbox;

/// Confinement that is known before the turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confinement {
    /// Requested, and nothing is known to prevent it. The rollout has to confirm it.
    Expected,
    /// The call requests none, or permits programs that run outside the sandbox.
    Waived,
    /// Requested, but not in force.
    Broken(Breach),
}

/// Reason why the requested confinement is not in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// An administrator's settings may start programs or enable tools.
    #[error(
        "The picture is not verified: this machine's administrator has settings for Codex (managed_config.toml, \
         requirements.toml or managed preferences) that go before those of this call."
    )]
    Administrator,
    /// The agent runs as root or may mount, and this version does not confine such an agent.
    #[error(
        "The picture is not verified: this version of Codex does not confine an agent that runs as root. \
         Update Codex to 0.153.4 or newer, or run as another user."
    )]
    Privileged,
    /// Codex's rollout shows another sandbox than the requested one.
    #[error("The picture is not verified: Codex did not run with the sandbox that was asked for.")]
    Contradicted,
}

/// Remaining permissions of an agent whose confinement is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirmed {
    /// Whether the agent may write to `$CODEX_HOME/memories`. 0.132.0 permits it, and no setting
    /// prevents that; 0.140.0 does not permit it.
    pub writes_memories: bool,
}

/// Warning for [`Confirmed::writes_memories`].
pub const WRITES_MEMORIES: &str =
    "This version of Codex lets its agent write to Codex's own memories as well. Update Codex to 0.140.0 or newer.";

impl Confinement {
    /// Returns the confinement to expect of a turn with these settings. `privileged` is the result
    /// of [`is_privileged`]. Blocks on the disk.
    #[must_use]
    pub fn expected(
        request: &Request,
        config: &Config,
        settings: &[Setting],
        version: Option<Version>,
        privileged: bool,
    ) -> Self {
        if !is_requested(request) {
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

/// Returns the directories in `codex_home` that only Codex itself may write to.
fn protected(codex_home: &Path) -> [PathBuf; 2] {
    [Store::DIRECTORY, rollout::DIRECTORY].map(|directory| codex_home.join(directory))
}

/// Whether the call's settings keep the agent from writing to Codex's files.
fn is_requested(request: &Request) -> bool {
    /// Beginnings of keys that could widen the sandbox. Any such setting is treated as if it did.
    const WIDENING_KEYS: [&str; 8] =
        ["sandbox", "permissions", "default_permissions", "profile", "mcp_servers", "approval", "features", "hooks"];
    let may_widen = |key: &str| WIDENING_KEYS.iter().any(|start| key.trim_start().starts_with(start));
    // A full turn starts the user's own MCP servers, which run outside the sandbox.
    if !request.lean || request.config.iter().any(|(key, _)| may_widen(key)) {
        return false;
    }
    match request.sandbox {
        Sandbox::ReadOnly => true,
        Sandbox::DangerFullAccess => false,
        Sandbox::WorkspaceWrite { .. } => {
            // The command line makes the temporary directories read-only, but a version might
            // ignore that. On Windows `/tmp` would be a directory of the current drive.
            let slash_tmp = cfg!(unix).then(|| PathBuf::from("/tmp"));
            let temporary: Vec<_> = slash_tmp.into_iter().chain([request.env.temp_dir()]).collect();
            let is_outside = |directory: PathBuf| !temporary.iter().any(|root| is_within(&directory, root));
            protected(&request.home_path()).into_iter().all(is_outside)
        }
    }
}

/// Whether `path` is in `root`. Assumes so if one of them cannot be resolved.
fn is_within(path: &Path, root: &Path) -> bool {
    resolved(path).zip(resolved(root)).is_none_or(|(path, root)| path.starts_with(root))
}

/// Resolves the links in `path`. If it does not exist, resolves its nearest existing ancestor.
fn resolved(path: &Path) -> Option<PathBuf> {
    path.ancestors().find_map(|ancestor| {
        let resolved = files::canonical(ancestor).ok()?;
        Some(path.strip_prefix(ancestor).map_or_else(|_| resolved.clone(), |rest| resolved.join(rest)))
    })
}

/// Compares the sandbox in a thread's rollout with the one that `request` asked for in `workspace`.
/// Blocks on the disk.
///
/// # Errors
/// [`Breach::Contradicted`] if they differ.
pub fn confirm(recorded: &RecordedSandbox, request: &Request, workspace: &Path) -> Result<Confirmed, Breach> {
    let never_asks = recorded.approval_policy.as_deref().is_none_or(|policy| policy == "never");
    let same_cwd = recorded.cwd.as_deref().is_none_or(|cwd| resolved(cwd) == resolved(workspace));
    if !(recorded.sandbox == request.sandbox.as_str() && never_asks && same_cwd && recorded.is_understood) {
        return Err(Breach::Contradicted);
    }
    let protected = protected(&request.home_path());
    let outside_workspace = || recorded.writable.iter().filter(|root| !is_within(root, workspace));
    let reaches = |root: &PathBuf| protected.iter().any(|own| is_within(own, root) || is_within(root, own));
    let contradicts = !request.sandbox.has_shell() && !recorded.writable.is_empty();
    if contradicts || outside_workspace().any(reaches) {
        return Err(Breach::Contradicted);
    }
    let memories = request.home_path().join("memories");
    Ok(Confirmed { writes_memories: outside_workspace().any(|root| resolved(root) == resolved(&memories)) })
}

/// Whether this process, and thus the agent, may mount file systems. Only Linux is checked: other
/// systems confine root like any other user.
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
    fn confinement_is_expected_only_if_nothing_prevents_it() {
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

    fn recorded(sandbox: &str, writable: &[&str]) -> RecordedSandbox {
        RecordedSandbox {
            sandbox: sandbox.into(),
            approval_policy: Some("never".into()),
            cwd: Some("/nowhere/tmp/run".into()),
            writable: writable.iter().map(PathBuf::from).collect(),
            is_understood: true,
        }
    }

    #[test]
    fn only_a_rollout_that_agrees_in_every_point_confirms_the_sandbox() {
        let confirmed =
            |recorded: &RecordedSandbox, sandbox| confirm(recorded, &request(sandbox), Path::new("/nowhere/tmp/run"));
        let shell = Sandbox::WorkspaceWrite { network: true };
        let plain = Ok(Confirmed { writes_memories: false });
        let agreeing = || recorded("workspace-write", &["/nowhere/tmp/run", "/nowhere/tmp/run/below"]);
        assert_eq!(confirmed(&agreeing(), shell), plain);
        assert_eq!(confirmed(&recorded("read-only", &[]), Sandbox::ReadOnly), plain);
        let memories = recorded("workspace-write", &["/nowhere/codex-home/memories"]);
        assert_eq!(confirmed(&memories, shell), Ok(Confirmed { writes_memories: true }));
        let without_details = RecordedSandbox { approval_policy: None, cwd: None, ..agreeing() };
        assert_eq!(confirmed(&without_details, shell), plain, "a version that does not record them");

        for (sandbox, contradicting) in [
            (shell, recorded("danger-full-access", &[])),
            (shell, recorded("read-only", &[])),
            (shell, recorded("", &[])),
            (Sandbox::ReadOnly, recorded("workspace-write", &[])),
            (Sandbox::ReadOnly, recorded("read-only", &["/nowhere/tmp/run"])),
            (shell, recorded("workspace-write", &["/"])),
            (shell, recorded("workspace-write", &["/nowhere/codex-home"])),
            (shell, recorded("workspace-write", &["/nowhere/codex-home/sessions"])),
            (shell, recorded("workspace-write", &["/nowhere/codex-home/generated_images/thread"])),
            (shell, RecordedSandbox { approval_policy: Some("on-request".into()), ..agreeing() }),
            (shell, RecordedSandbox { cwd: Some("/nowhere/tmp".into()), ..agreeing() }),
            (shell, RecordedSandbox { is_understood: false, ..agreeing() }),
        ] {
            assert_eq!(confirmed(&contradicting, sandbox), Err(Breach::Contradicted), "{contradicting:?}");
        }
    }
}
