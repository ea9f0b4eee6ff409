//! Sandbox modes of Codex, and where its sandbox cannot work.

use crate::environment::Environment;

/// Permissions of the agent's shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sandbox {
    /// Read only. The shell is switched off.
    ReadOnly,
    /// Write in the workspace.
    WorkspaceWrite {
        /// Whether the shell has network access.
        network: bool,
    },
    /// Everything that the user may do.
    DangerFullAccess,
}

impl Sandbox {
    /// Returns Codex's name of the mode.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::WorkspaceWrite { .. } => "workspace-write",
            Self::DangerFullAccess => "danger-full-access",
        }
    }

    /// Whether the agent has a shell, with which it can copy the image into the workspace.
    #[must_use]
    pub const fn has_shell(self) -> bool {
        !matches!(self, Self::ReadOnly)
    }
}

/// Whether Codex's sandbox cannot work: on Windows, under WSL, or if the user set
/// `OD_CODEX_SANDBOX=danger-full-access`. Ignores any other value of that variable. `platform` is
/// Node's name of the platform.
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
    fn needs_full_access_only_where_the_sandbox_cannot_work() {
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
