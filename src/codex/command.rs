//! The command line of one turn, and what its sandbox lets the agent do.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::Value;

use super::locate::Cli;
use super::{lean, profile};
use crate::process::Program;
use crate::request::{Environment, Request};

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
    const fn as_str(self) -> &'static str {
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

/// Whether Codex's sandbox is known not to work on `platform` (as Node names it) with this environment: on Windows, under
/// WSL, or where the user says so with `OD_CODEX_SANDBOX=danger-full-access`. Any other value of that variable is ignored.
#[must_use]
pub fn needs_danger_full_access(platform: &str, env: &Environment) -> bool {
    platform == "win32"
        || env.get("WSL_DISTRO_NAME").is_some()
        || env.get("OD_CODEX_SANDBOX").is_some_and(|value| value.trim() == "danger-full-access")
}

/// Whether the agent's tools certainly cannot write below `dir`.
#[must_use]
pub fn keeps_agent_out_of(request: &Request, dir: &Path) -> bool {
    // Settings of the caller's that may open another door are not weighed one by one.
    let doors =
        ["sandbox", "permissions", "default_permissions", "profile", "mcp_servers", "approval", "features", "hooks"];
    let opened = request.config.iter().any(|(key, _)| doors.iter().any(|door| key.trim_start().starts_with(door)));
    // A full turn starts the user's own MCP servers, which run outside of the sandbox.
    if opened || !request.lean {
        return false;
    }
    match request.sandbox {
        Sandbox::ReadOnly => true,
        Sandbox::DangerFullAccess => false,
        Sandbox::WorkspaceWrite { .. } => {
            // The command line excludes the temporary directories; that a version might not heed it is not relied on here.
            // What does not exist yet lies where its nearest existing ancestor does.
            let real = |path: &Path| path.ancestors().find_map(|ancestor| ancestor.canonicalize().ok());
            let dir = real(dir);
            // On Windows that would be a directory of whichever drive this process works on.
            let slash_tmp = cfg!(unix).then(|| PathBuf::from("/tmp"));
            let inside = |root: PathBuf| dir.as_ref().zip(real(&root)).is_none_or(|(dir, root)| dir.starts_with(root));
            !slash_tmp.into_iter().chain([request.env.temp_dir()]).any(inside)
        }
    }
}

/// Variables that make Codex bill a key or drop the image tool (`CODEX_API_KEY`, `CODEX_ACCESS_TOKEN`: from 0.144 the tool
/// is gone, 0.132.0 bills), or that would hand the agent's shell a key to bill (`OPENAI_API_KEY`).
const BILLING_VARIABLES: [&str; 3] = ["CODEX_API_KEY", "CODEX_ACCESS_TOKEN", "OPENAI_API_KEY"];

/// What the child process gets of the environment.
fn without_billing(env: &Environment) -> impl Iterator<Item = (&str, &str)> {
    env.iter().filter(|(name, _)| !BILLING_VARIABLES.iter().any(|billing| name.eq_ignore_ascii_case(billing)))
}

/// The CLI with these arguments, in the environment that the request wants for it.
#[must_use]
pub fn program(cli: &Cli, request: &Request, args: Vec<OsString>, cwd: PathBuf) -> Program {
    let mut env: Vec<(OsString, OsString)> =
        without_billing(&request.env).map(|(name, value)| (name.into(), value.into())).collect();
    let mut set = |name: &str, value: OsString| {
        env.retain(|(known, _)| if cfg!(windows) { !known.eq_ignore_ascii_case(name) } else { known != name });
        env.push((name.into(), value));
    };
    set("PATH", request.path_with(cli.tools.as_deref()));
    // Only where it was named: Codex makes the default home itself, but insists that a named one exists.
    if let Some(home) = &request.codex_home {
        set(CODEX_HOME, home.into());
    }
    Program { path: cli.program.clone(), args, env, cwd }
}

/// The variable that names Codex's home.
pub const CODEX_HOME: &str = "CODEX_HOME";

/// The arguments of `codex exec`. Blocks on the disk. There is no positional prompt: it comes on
/// stdin, where no quoting can change it and no process list shows it. (`-` as a positional was
/// refused by some versions.) There is no `-C` either: Codex starts in the workspace (0.132.0 and
/// 0.171.0 take it for their own), and a path would be resolved once more.
///
/// `references` are attached. `marker` is a variable that the agent's shell shall carry, so that whatever it leaves running
/// can be found.
#[must_use]
pub fn exec_args(request: &Request, workspace: &Path, references: &[PathBuf], marker: (&str, &str)) -> Vec<OsString> {
    let mut args: Vec<OsString> =
        ["exec", "--json", "--skip-git-repo-check", "--sandbox", request.sandbox.as_str()].map(OsString::from).into();
    for path in references {
        args.extend(["-i".into(), path.into()]);
    }
    // Rules of the user's let commands run outside of the sandbox (all versions). Besides, `-i` takes everything up to the
    // next option, so there must be one.
    args.push("--ignore-rules".into());
    let config_toml = std::fs::read_to_string(request.codex_home().join("config.toml")).unwrap_or_default();
    // All versions draw without them. `--disable` refuses unknown names, so only names that every version knows.
    let shell: &[&str] = if request.sandbox.has_shell() { &[] } else { &["shell_tool", "unified_exec"] };
    let disabled: Vec<&str> =
        shell.iter().copied().chain(request.disable_features.iter().map(String::as_str)).collect();

    // The last `-c` of a key wins: what a picture needs comes after what it does not, and the caller's own word last.
    let mut settings = if request.lean { lean::settings(&config_toml) } else { Vec::new() };
    settings.extend(needed(request.sandbox, workspace, marker));
    settings.extend(request.config.iter().cloned());
    let against_profile = {
        let disabled = disabled.iter().map(|name| (format!("features.{name}"), "false".to_owned()));
        profile::override_of(&config_toml, &settings.iter().cloned().chain(disabled).collect::<Vec<_>>())
    };
    for (key, value) in settings.iter().chain(&against_profile) {
        args.extend(["-c".into(), format!("{key}={value}").into()]);
    }
    if let Some(model) = &request.model {
        args.extend(["--model".into(), model.into()]);
    }
    for feature in disabled {
        args.extend(["--disable".into(), feature.into()]);
    }
    args
}

/// The settings that every turn needs, as keys and values of `-c`.
fn needed(sandbox: Sandbox, workspace: &Path, marker: (&str, &str)) -> Vec<(String, String)> {
    let mut settings = Vec::new();
    let mut set = |key: &str, value: &str| settings.push((key.to_owned(), value.to_owned()));
    // 0.132.0 would write into the user's config.toml that it trusts the workspace.
    let place = Value::from(workspace.to_string_lossy().into_owned());
    set("projects", &format!("{{{place}={{trust_level=\"untrusted\"}}}}"));
    // A `.git` in the temporary directory would make it a project, whose own configuration up to 0.150.1 starts programs, and
    // whose AGENTS.md every version reads.
    set("project_root_markers", "[]");
    if let Sandbox::WorkspaceWrite { network } = sandbox {
        set("sandbox_workspace_write.writable_roots", "[]");
        // In every place that is writable the sandbox lays out empty `.git`, `.codex`, `.agents` to mount over, and a turn that is
        // stopped leaves them. In the workspace they go with it; in the temporary directories they would stay.
        set("sandbox_workspace_write.exclude_slash_tmp", "true");
        set("sandbox_workspace_write.exclude_tmpdir_env_var", "true");
        set("sandbox_workspace_write.network_access", if network { "true" } else { "false" });
    }
    // By default the agent's shell sees the daemon's whole environment, tokens included. `core` leaves it a few harmless
    // variables, but up to 0.150.1 a snapshot of the shell brings all of them back from the second command on.
    set("shell_environment_policy.inherit", "core");
    set("features.shell_snapshot", "false");
    // Quoted: hexadecimal digits may look like a number, and Codex refuses to start with a number here.
    set(&format!("shell_environment_policy.set.{}", marker.0), &format!("\"{}\"", marker.1));
    settings
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

    #[test]
    fn keys_that_bill_do_not_reach_the_child() {
        let env =
            env(&[("OPENAI_API_KEY", "sk"), ("CODEX_API_KEY", "sk"), ("CODEX_ACCESS_TOKEN", "t"), ("HOME", "/h")]);
        assert_eq!(without_billing(&env).collect::<Vec<_>>(), [("HOME", "/h")]);
    }
}
