//! What the agent's shell may do, and where Codex's sandbox cannot work.

use crate::environment::Environment;

/// What the agent's shell may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sandbox {
    /// Nothing but read; the shell is switched off altogether.
    ReadOnly,
    /// Write in the workspace.
    WorkspaceWrite {
        /// Whether the shell has the network.
        network: bool,
    },
    /// Everything the user may do.
    DangerFullAccess,
}

impl Sandbox {
    /// The name that Codex knows it by.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::WorkspaceWrite { .. } => "workspace-write",
            Self::DangerFullAccess => "danger-full-access",
        }
    }

    /// Whether the agent can be asked to copy the picture to the handed path.
    #[must_use]
    pub const fn has_shell(self) -> bool {
        !matches!(self, Self::ReadOnly)
    }
}

/// Whether Codex's sandbox is known not to work on `platform` (as Node names it) with this
/// environment: on Windows, under WSL, or where the user says so with
/// `OD_CODEX_SANDBOX=danger-full-access`. Any other value of that variable is ignored.
#[must_use]
pub fn needs_danger_full_access(platform: &str, env: &Environment) -> bool {
    platform == "win32"
        || env.get("WSL_DISTRO_NAME").is_some()
        || env.get("OD_CODEX_SANDBOX").is_some_and(|value| value.trim() == "danger-full-access")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(entries: &[(&str, &str)]) -> Environment {
        Environment::new(entries.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn the_sandbox_is_left_only_where_it_cannot_work() {
        let needs = |platform, entries: &[(&str, &str)]| needs_danger_full_access(platform, &env(entries));
        assert!(!needs("linux", &[]));
        assert!(!needs("darwin", &[]));
        assert!(needs("win32", &[]));
        assert!(needs("linux", &[("WSL_DISTRO_NAME", "Ubuntu")]));
        assert!(!needs("linux", &[("WSL_DISTRO_NAME", " ")]));
        assert!(needs("darwin", &[("OD_CODEX_SANDBOX", "danger-full-access")]));
        assert!(!needs("linux", &[("OD_CODEX_SANDBOX", "workspace-write")]));
        assert!(!needs("linux", &[("OD_CODEX_SANDBOX", "yes")]));
    }
}
