//! Builds the command line and the environment of one turn.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::config::{Config, Setting};
use super::home;
use super::lean;
use super::locate::Cli;
use super::version::Version;
use crate::environment::Environment;
use crate::process::Program;
use crate::request::Request;
use crate::sandbox::Sandbox;

/// Variables with credentials that the child does not get.
///
/// With `CODEX_API_KEY` or `CODEX_ACCESS_TOKEN`, 0.132.0 bills the key, and from 0.144 on Codex has
/// no image tool. `OPENAI_API_KEY` would give the agent's shell a key to bill.
const BILLING_VARIABLES: [&str; 3] = ["CODEX_API_KEY", "CODEX_ACCESS_TOKEN", "OPENAI_API_KEY"];

/// Returns the variables that the child process inherits.
fn without_billing(env: &Environment) -> impl Iterator<Item = (&str, &str)> {
    env.iter().filter(|(name, _)| !BILLING_VARIABLES.iter().any(|billing| name.eq_ignore_ascii_case(billing)))
}

/// Returns the CLI with these arguments and the environment that the request specifies.
#[must_use]
pub fn program(cli: &Cli, request: &Request, args: Vec<OsString>, cwd: PathBuf) -> Program {
    let mut env: Vec<(OsString, OsString)> =
        without_billing(&request.env).map(|(name, value)| (name.into(), value.into())).collect();
    let mut set = |name: &str, value: Option<OsString>| {
        env.retain(|(known, _)| !known.to_str().is_some_and(|known| request.env.is_same(known, name)));
        env.extend(value.map(|value| (name.into(), value)));
    };
    set("PATH", Some(path(request, cli.tools.as_deref())));
    // Codex takes a blank value for a directory's name; this package ignores it.
    set(home::VARIABLE, None);
    if let Some((name, value)) = home::variable(&request.codex_home) {
        set(name, Some(value.to_owned()));
    }
    Program { path: cli.program.clone(), args, env, cwd }
}

/// Returns the child's PATH: the running Node, then `extra`, then the PATH of the environment.
///
/// Node comes first so that a `#!/usr/bin/env node` shim starts even if a desktop session gave the
/// host process a minimal PATH.
#[must_use]
pub fn path(request: &Request, extra: Option<&Path>) -> OsString {
    let inherited = request.env.get("PATH").unwrap_or_default();
    let first = request.node_dir.iter().map(PathBuf::as_path).chain(extra).map(Path::to_path_buf);
    let all = first.chain(std::env::split_paths(inherited).filter(|dir| !dir.as_os_str().is_empty()));
    // Fails if a directory has the separator in its name. The inherited PATH is then kept.
    std::env::join_paths(all).unwrap_or_else(|_| inherited.into())
}

/// Returns the `-c` settings of a turn. The last one of a key wins: lean settings come first, then
/// the needed ones, then the caller's.
///
/// `tag` is a variable for the agent's shell, by which the processes that it starts are found.
#[must_use]
pub fn settings(
    request: &Request,
    config: &Config,
    version: Option<Version>,
    workspace: &Path,
    tag: (&str, &str),
) -> Vec<Setting> {
    let mut settings =
        if request.lean { lean::settings(config, request.sandbox.has_shell(), version) } else { Vec::new() };
    settings.extend(needed(request.sandbox, workspace, tag));
    settings.extend(request.config.iter().cloned());
    settings.extend(
        config.profile_override(&settings.iter().cloned().chain(without_features(request)).collect::<Vec<_>>()),
    );
    settings
}

/// Returns the `-c` settings of an app-server that runs in `cwd`: those of a lean turn keep it from
/// asking the backend about plugins and from starting programs.
#[must_use]
pub fn app_server_settings(request: &Request, config: &Config, version: Option<Version>, cwd: &Path) -> Vec<Setting> {
    let mut settings = lean::settings(config, false, version);
    settings.extend(without_project(cwd));
    settings.extend(request.config.iter().cloned());
    settings.extend(config.profile_override(&settings));
    settings
}

/// Returns the caller's settings. They suffice to determine login, provider, model and image tool,
/// since this package's own settings change none of these.
#[must_use]
pub fn callers_settings(request: &Request) -> Vec<Setting> {
    request.config.iter().cloned().chain(without_features(request)).collect()
}

/// Returns the features of `--disable` as settings. `--disable` overrides `-c`.
fn without_features(request: &Request) -> impl Iterator<Item = Setting> {
    disabled(request).map(|name| (format!("features.{name}"), "false".to_owned()))
}

/// Returns the features for `--disable`, which refuses unknown names: every version knows the two
/// of the shell. All versions draw without a shell.
fn disabled(request: &Request) -> impl Iterator<Item = &str> {
    let shell: &[&str] = if request.sandbox.has_shell() { &[] } else { &["shell_tool", "unified_exec"] };
    shell.iter().copied().chain(request.disable_features.iter().map(String::as_str))
}

/// Returns the arguments of `codex exec` with these settings. `references` are attached.
///
/// There is no positional prompt: it comes on stdin, where no quoting can change it and no process
/// list shows it. (Some versions refuse `-` as a positional.) There is no `-C` either: Codex uses
/// the directory in which it starts, the workspace (0.132.0 and 0.171.0), and would resolve a path
/// once more.
#[must_use]
pub fn exec_args(request: &Request, settings: &[Setting], references: &[PathBuf]) -> Vec<OsString> {
    let mut args: Vec<OsString> =
        ["exec", "--json", "--skip-git-repo-check", "--sandbox", request.sandbox.as_str()].map(OsString::from).into();
    // Only the file's name, relative to the working directory: Codex splits a path at commas.
    for name in references.iter().filter_map(|path| path.file_name()) {
        args.extend(["-i".into(), name.into()]);
    }
    // The user's rules may let commands run outside the sandbox (all versions). Besides, `-i` takes
    // all arguments up to the next option, so there must be one.
    args.push("--ignore-rules".into());
    for (key, value) in settings {
        args.extend(["-c".into(), format!("{key}={value}").into()]);
    }
    if let Some(model) = &request.model {
        args.extend(["--model".into(), model.into()]);
    }
    for feature in disabled(request) {
        args.extend(["--disable".into(), feature.into()]);
    }
    args
}

/// Returns the `-c` settings that every turn needs.
fn needed(sandbox: Sandbox, workspace: &Path, tag: (&str, &str)) -> Vec<Setting> {
    let mut settings = Vec::from(without_project(workspace));
    let mut set = |key: &str, value: &str| settings.push((key.to_owned(), value.to_owned()));
    // With the user's `on-request` or `untrusted`, an approved command runs outside the sandbox
    // (`approvals_reviewer = "auto_review"`, 0.142.5 to 0.171.0), and `untrusted` makes 0.169.0 and
    // 0.171.0 exit with 1.
    set("approval_policy", "\"never\"");
    if let Sandbox::WorkspaceWrite { network } = sandbox {
        set("sandbox_workspace_write.writable_roots", "[]");
        // In each writable root the sandbox creates empty `.git`, `.codex` and `.agents` as mount
        // points, and a stopped turn leaves them behind. In the workspace they are removed with
        // it, but in the temporary directories they would remain.
        set("sandbox_workspace_write.exclude_slash_tmp", "true");
        set("sandbox_workspace_write.exclude_tmpdir_env_var", "true");
        set("sandbox_workspace_write.network_access", if network { "true" } else { "false" });
    }
    // By default the agent's shell gets the whole environment of the host process, including
    // tokens. With `core` it gets a few harmless variables only, but up to 0.150.1 the shell
    // snapshot restores all of them from the second command on.
    set("shell_environment_policy.inherit", "core");
    set("features.shell_snapshot", "false");
    // Quoted: Codex would parse some hexadecimal strings as numbers, and refuses to start with a
    // number here.
    set(&format!("shell_environment_policy.set.{}", tag.0), &format!("\"{}\"", tag.1));
    settings
}

/// Returns the settings without which Codex would read the configuration of a project in `cwd`.
fn without_project(cwd: &Path) -> [Setting; 2] {
    // Without this, 0.132.0 writes to the user's config.toml that the workspace is trusted.
    let untrusted = Table::from_iter([("trust_level".to_owned(), Value::from("untrusted"))]);
    let projects = Table::from_iter([(cwd.to_string_lossy().into_owned(), Value::from(untrusted))]);
    [
        // One inline table: `-c` splits a dotted key at every dot, quoted or not.
        ("projects".to_owned(), Value::from(projects).to_string()),
        // A `.git` in the temporary directory would make it a project. Up to 0.150.1 a project's
        // configuration may start programs, and every version reads its AGENTS.md.
        ("project_root_markers".to_owned(), "[]".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::environment::Platform;

    fn env(entries: &[(&str, &str)]) -> Environment {
        Environment::new(entries.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    /// Parses the settings of a command line as Codex does (codex-rs `utils/cli`).
    fn read(args: &[OsString]) -> Table {
        let mut read = Table::new();
        for setting in args.iter().zip(&args[1..]).filter(|(option, _)| *option == "-c").map(|(_, setting)| setting) {
            let (key, value) = setting.to_str().unwrap().split_once('=').unwrap();
            let toml = format!("value = {}", value.trim()).parse::<Table>().ok();
            let value = toml.and_then(|mut table| table.remove("value")).unwrap_or_else(|| value.into());
            let mut parts = key.trim().rsplit('.');
            let last = parts.next().unwrap().to_owned();
            parts
                .rev()
                .fold(&mut read, |table, part| {
                    table.entry(part).or_insert_with(|| Table::new().into()).as_table_mut().unwrap()
                })
                .insert(last, value);
        }
        read
    }

    fn name() -> impl Strategy<Value = String> {
        // Special characters of TOML, and arbitrary ones.
        prop_oneof!["['\"\\\\\n\r\t\u{1b}\u{7f}.,=# a{}\\[\\]]{0,12}", any::<String>()]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn codex_reads_every_name_on_the_command_line_unchanged(workspace in name(), server in name(), profile in name()) {
            let server_of_users = Table::from_iter([(server.clone(), Value::from(Table::new()))]);
            let mut config = Table::from_iter([("profile".to_owned(), Value::from(profile.clone()))]);
            config.insert("mcp_servers".to_owned(), server_of_users.into());
            let (config, request) = (Config::of_user(&config.to_string()), Request::example("/h"));
            let settings = settings(&request, &config, None, Path::new(&workspace), ("MARKER", "0123456789abcdef"));
            let read = read(&exec_args(&request, &settings, &[]));
            let only = |of: &str, name: &str, key: &str| {
                let entries = read[of].as_table().cloned().unwrap_or_default();
                prop_assert!(entries.keys().eq([name]), "{of} are {entries}, not {name:?}");
                Ok(entries[name].get(key).cloned())
            };
            prop_assert_eq!(only("projects", &workspace, "trust_level")?, Some(Value::from("untrusted")));
            prop_assert_eq!(only("mcp_servers", &server, "enabled")?, Some(Value::from(false)));
            prop_assert_eq!(only("profiles", &profile, "approval_policy")?, Some(Value::from("never")));
        }
    }

    #[test]
    fn the_child_gets_the_path_that_is_searched_and_no_other() {
        let variables = [("Path", "/inherited"), ("PATH", "/own")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let env = Environment::on(Platform::Windows, variables);
        assert_eq!(env.get("Path"), Some("/own"));
        let request = Request { env, ..Request::example("/h") };
        let cli = Cli { program: "/codex".into(), tools: None, version: None };
        let env = program(&cli, &request, Vec::new(), PathBuf::from("/")).env;
        let paths = env.iter().filter(|(name, _)| name.eq_ignore_ascii_case("path"));
        assert_eq!(paths.map(|(_, value)| value.as_os_str()).collect::<Vec<_>>(), ["/own"]);
    }

    #[test]
    fn the_child_gets_no_credentials_by_variables() {
        let env =
            env(&[("OPENAI_API_KEY", "sk"), ("CODEX_API_KEY", "sk"), ("CODEX_ACCESS_TOKEN", "t"), ("HOME", "/h")]);
        assert_eq!(without_billing(&env).collect::<Vec<_>>(), [("HOME", "/h")]);
    }
}
