//! Finds the Codex CLI and its native binary.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::launcher;
use crate::environment::Environment;
use crate::error::{Cause, CliFault};
use crate::files::{self, read_regular};
use crate::request::Request;

/// Location of the CLI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cli {
    /// File to run.
    pub program: PathBuf,
    /// Directory with the npm package's tools, for the child's PATH.
    pub tools: Option<PathBuf>,
    /// Version of the npm package, if Codex was installed from npm.
    pub version: Option<String>,
}

/// Variable that names the CLI.
const VARIABLE: &str = "CODEX_BIN";

/// Returns the variable part of what [`locate`] searches: the path of the request or of
/// `CODEX_BIN`, or else the PATH.
#[must_use]
pub fn searched(request: &Request) -> OsString {
    let named = request.codex_path.as_ref().map(|path| path.as_os_str().to_owned());
    let of_env = || request.env.get(VARIABLE).or_else(|| request.env.get("PATH")).unwrap_or_default();
    named.unwrap_or_else(|| of_env().into())
}

/// Finds the CLI. Blocks on the disk.
///
/// Searches in the same order as the Open Design daemon: the option, `CODEX_BIN`, PATH, then the
/// directories of the usual installers, because a desktop session gives its processes
/// a minimal PATH. Unlike the daemon, it does not replace an unusable `CODEX_BIN` by another CLI.
///
/// The npm package's `codex` is a Node script that starts the native binary as its child (in
/// 0.169.0 on recent Node it replaces itself with the binary). This package runs the binary
/// directly. That saves 105 ms and 43 MB, and there is no intermediate process whose death would
/// leave Codex running. Any other script is the user's own and is run unchanged.
///
/// # Errors
/// [`Cause::CodexUnusable`] if the request names a CLI that cannot be run, and
/// [`Cause::CodexBinUnusable`] if `CODEX_BIN` does. Otherwise [`Cause::CodexForWindows`] if only
/// Windows's CLI was found under WSL, or [`Cause::CodexNotFound`].
pub fn locate(request: &Request) -> Result<Cli, Cause> {
    files::fs_request(|| search(request))
}

fn search(request: &Request) -> Result<Cli, Cause> {
    if let Some(path) = &request.codex_path {
        return examine(path).map_err(Cause::CodexUnusable);
    }
    if let Some(value) = request.env.get(VARIABLE) {
        let path = request.env.expand(value.trim()).filter(|path| path.is_absolute());
        return path.ok_or(CliFault::Relative).and_then(|path| examine(&path)).map_err(Cause::CodexBinUnusable);
    }
    let mut is_for_windows = false;
    for path in candidates(&request.env) {
        match files::fs_request(|| examine(&path)) {
            Ok(cli) => return Ok(cli),
            Err(fault) => is_for_windows |= fault == CliFault::ForWindows,
        }
    }
    // Under WSL the PATH of Windows is appended to Linux's own.
    is_for_windows |= !cfg!(windows) && dirs_on_path(&request.env).any(|dir| dir.join("codex.exe").is_file());
    Err(if is_for_windows { Cause::CodexForWindows } else { Cause::CodexNotFound })
}

/// Returns the CLI at `path`, or the reason why it cannot be run.
fn examine(path: &Path) -> Result<Cli, CliFault> {
    let path = &with_extension(path);
    if let Some(fault) = fault(path) {
        return Err(fault);
    }
    let script = script_behind(path);
    if script.as_ref().is_some_and(|script| !script.is_file()) {
        return Err(CliFault::ScriptAbsent);
    }
    if let Some(package) = script.as_deref().and_then(package_of) {
        if let Some(cli) = in_npm_package(&package) {
            return Ok(cli);
        }
        if !cfg!(windows) && platform_packages(&package, "@openai/codex-win32-x64").iter().any(|dir| dir.is_dir()) {
            return Err(CliFault::ForWindows);
        }
    }
    if cfg!(windows) && !has_extension(path, "exe") {
        return Err(CliFault::OnlyScript);
    }
    Ok(Cli { program: path.clone(), tools: None, version: None })
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// Adds the extension to a program's path that lacks it. Only Windows permits such paths.
fn with_extension(path: &Path) -> PathBuf {
    let with = |extension: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(extension);
        Some(PathBuf::from(name)).filter(|path| path.is_file())
    };
    let found = if cfg!(windows) && !path.exists() { with(".exe").or_else(|| with(".cmd")) } else { None };
    found.unwrap_or_else(|| path.to_path_buf())
}

/// Returns every possible path of the CLI in the order of the search.
fn candidates(env: &Environment) -> impl Iterator<Item = PathBuf> {
    let in_dirs = dirs_on_path(env).chain(usual_dirs(env)).flat_map(|dir| NAMES.iter().map(move |name| dir.join(name)));
    in_dirs.chain(in_apps(env))
}

fn dirs_on_path(env: &Environment) -> impl Iterator<Item = PathBuf> {
    let dirs = env.get("PATH").map(std::env::split_paths).into_iter().flatten();
    dirs.filter(|dir| dir.is_absolute())
}

/// File names of the CLI. On Windows npm writes a `.cmd`, which is only read to find the package
/// and never run.
#[cfg(windows)]
const NAMES: [&str; 2] = ["codex.exe", "codex.cmd"];
#[cfg(not(windows))]
const NAMES: [&str; 1] = ["codex"];

/// Returns the directories of the usual installers, best first. From version 11 on pnpm puts its
/// launchers into `bin` of its home, before that into the home itself.
fn usual_dirs(env: &Environment) -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = Vec::new();
    let mut add = |base: Option<PathBuf>, rest: &str| dirs.extend(base.map(|base| base.join(rest)));
    let var = |name: &str| env.get(name).and_then(|value| env.expand(value)).filter(|path| path.is_absolute());
    let home = env.home();
    let at_home = || home.clone();
    if cfg!(windows) {
        add(var("APPDATA"), "npm");
        for pnpm in [var("PNPM_HOME"), var("LOCALAPPDATA").map(|data| data.join("pnpm"))] {
            add(pnpm.clone(), "bin");
            add(pnpm, "");
        }
        add(at_home(), "scoop\\shims");
        add(at_home(), ".bun\\bin");
        add(var("LOCALAPPDATA"), "Volta\\bin");
        add(at_home(), ".cargo\\bin");
        return dirs;
    }
    add(var("npm_config_prefix").or_else(|| var("NPM_CONFIG_PREFIX")), "bin");
    add(at_home(), ".local/bin");
    add(at_home(), ".npm-global/bin");
    add(var("BUN_INSTALL").or_else(|| at_home().map(|home| home.join(".bun"))), "bin");
    add(var("VOLTA_HOME").or_else(|| at_home().map(|home| home.join(".volta"))), "bin");
    add(var("ASDF_DATA_DIR").or_else(|| at_home().map(|home| home.join(".asdf"))), "shims");
    let data_dirs = [var("XDG_DATA_HOME"), at_home().map(|home| home.join(".local/share"))];
    let in_data = |name: &str| data_dirs.each_ref().map(|dir| dir.as_ref().map(|dir| dir.join(name)));
    add(var("MISE_DATA_DIR"), "shims");
    for mise in in_data("mise") {
        add(mise, "shims");
    }
    let in_library = at_home().map(|home| home.join("Library/pnpm"));
    for pnpm in [var("PNPM_HOME")].into_iter().chain(in_data("pnpm")).chain([in_library]) {
        add(pnpm.clone(), "bin");
        add(pnpm, "");
    }
    add(at_home(), ".cargo/bin");
    for dir in ["/opt/homebrew/bin", "/usr/local/bin", "/home/linuxbrew/.linuxbrew/bin", "/usr/bin"] {
        dirs.push(dir.into());
    }
    let nvm = var("NVM_DIR").or_else(|| at_home().map(|home| home.join(".nvm")));
    dirs.extend(newest_first(nvm.map(|dir| dir.join("versions/node")), "bin"));
    for fnm in [var("FNM_DIR")].into_iter().chain(in_data("fnm")).chain([at_home().map(|home| home.join(".fnm"))]) {
        dirs.extend(newest_first(fnm.map(|dir| dir.join("node-versions")), "installation/bin"));
    }
    dirs
}

/// Returns `<root>/<version>/<rest>` for every installed version, newest first.
fn newest_first(root: Option<PathBuf>, rest: &str) -> Vec<PathBuf> {
    let entries = root.and_then(|root| std::fs::read_dir(root).ok());
    let mut versions: Vec<PathBuf> = entries.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    let number = |path: &Path| -> Vec<u64> {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        name.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
    };
    versions.sort_by_key(|path| std::cmp::Reverse(number(path)));
    versions.into_iter().map(|path| path.join(rest)).collect()
}

/// Returns the possible paths of the CLI that the macOS application contains.
fn in_apps(env: &Environment) -> Vec<PathBuf> {
    if !cfg!(target_os = "macos") {
        return Vec::new();
    }
    let inside = "Applications/Codex.app/Contents/Resources/codex";
    [Some(PathBuf::from("/")), env.home()].into_iter().flatten().map(|base| base.join(inside)).collect()
}

/// Returns the reason why `path` cannot be run, if there is one.
fn fault(path: &Path) -> Option<CliFault> {
    let Ok(metadata) = std::fs::metadata(path) else { return Some(CliFault::Absent) };
    if metadata.is_dir() {
        return Some(CliFault::Directory);
    }
    if !metadata.is_file() {
        return Some(CliFault::NotRegular);
    }
    #[cfg(unix)]
    if has_extension(path, "exe") || is_portable_executable(path) {
        return Some(CliFault::ForWindows);
    }
    #[cfg(unix)]
    if rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_err() {
        return Some(CliFault::NotExecutable);
    }
    None
}

/// Whether the file has the magic number of a program for Windows.
#[cfg(unix)]
fn is_portable_executable(path: &Path) -> bool {
    use std::io::Read as _;
    let mut beginning = [0; 2];
    std::fs::File::open(path).is_ok_and(|mut file| file.read_exact(&mut beginning).is_ok() && beginning == *b"MZ")
}

/// Returns the native binary that the npm package's script would start.
fn in_npm_package(package: &Path) -> Option<Cli> {
    let (platform, triple) = PLATFORM?;
    // Old versions contain the binary themselves, without a platform package.
    let mut packages = platform_packages(package, platform).into_iter().chain([package.to_path_buf()]);
    packages.find_map(|package_with_binary| {
        let root = package_with_binary.join("vendor").join(triple);
        // 0.132.0 has codex/codex and its tools in path/. 0.169.0 has bin/codex, which finds its
        // tools itself.
        let program =
            ["bin", "codex"].iter().map(|dir| root.join(dir).join(BINARY)).find(|path| fault(path).is_none())?;
        let tools = Some(root.join("path")).filter(|path| path.is_dir());
        Some(Cli { program, tools, version: version_of(package) })
    })
}

/// Returns the possible directories of the platform package: beside the package (hoisted by npm or
/// linked by pnpm), or in its `node_modules`.
fn platform_packages(package: &Path, platform: &str) -> Vec<PathBuf> {
    let beside = package.parent().and_then(Path::parent).map(|modules| modules.join(platform));
    beside.into_iter().chain([package.join("node_modules").join(platform)]).collect()
}

const BINARY: &str = if cfg!(windows) { "codex.exe" } else { "codex" };

/// Name of this platform's package, and the directory of its binary.
const PLATFORM: Option<(&str, &str)> = if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
    Some(("@openai/codex-linux-x64", "x86_64-unknown-linux-musl"))
} else if cfg!(all(target_os = "linux", target_arch = "aarch64")) {
    Some(("@openai/codex-linux-arm64", "aarch64-unknown-linux-musl"))
} else if cfg!(all(target_os = "macos", target_arch = "x86_64")) {
    Some(("@openai/codex-darwin-x64", "x86_64-apple-darwin"))
} else if cfg!(all(target_os = "macos", target_arch = "aarch64")) {
    Some(("@openai/codex-darwin-arm64", "aarch64-apple-darwin"))
} else if cfg!(all(windows, target_arch = "x86_64")) {
    Some(("@openai/codex-win32-x64", "x86_64-pc-windows-msvc"))
} else if cfg!(all(windows, target_arch = "aarch64")) {
    Some(("@openai/codex-win32-arm64", "aarch64-pc-windows-msvc"))
} else {
    None
};

/// Returns the npm package's script, if `found` is a link to it (npm on Unix, Yarn 1 and Bun) or a
/// launcher of it. The script of a launcher need not exist.
fn script_behind(found: &Path) -> Option<PathBuf> {
    let real = dunce::canonicalize(found).ok()?;
    if real.ends_with(SCRIPT) { Some(real) } else { launched_by(&real) }
}

const SCRIPT: &str = "@openai/codex/bin/codex.js";

/// Returns the directory of the npm package `@openai/codex` to which `script` belongs.
fn package_of(script: &Path) -> Option<PathBuf> {
    let script = dunce::canonicalize(script).ok()?;
    if script.ends_with(SCRIPT) { Some(script.parent()?.parent()?.to_path_buf()) } else { None }
}

/// Returns the script that a package manager's launcher starts.
fn launched_by(launcher: &Path) -> Option<PathBuf> {
    /// Largest launcher that is read. Binaries have hundreds of megabytes.
    const LAUNCHER_BYTES: u64 = 64 << 10;
    let text = String::from_utf8(read_regular(launcher, LAUNCHER_BYTES).ok()?).ok()?;
    Some(launcher.parent()?.join(launcher::target(&text)?))
}

fn version_of(package: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Manifest {
        version: String,
    }
    let bytes = std::fs::read(package.join("package.json")).ok()?;
    serde_json::from_slice::<Manifest>(&bytes).ok().map(|manifest| manifest.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates an executable file in `dir`.
    fn put(dir: &Path, name: &str, content: &str) -> PathBuf {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        path
    }

    /// Creates the files of `npm install --global` on Windows, except for the launchers.
    fn install_package(dir: &Path, (platform, triple): (&str, &str), binary: &str) -> PathBuf {
        put(dir, "node_modules/@openai/codex/bin/codex.js", "");
        put(dir, "node_modules/@openai/codex/package.json", r#"{"version":"0.169.0"}"#);
        put(dir, &format!("node_modules/{platform}/vendor/{triple}/bin/{binary}"), "a program")
    }

    /// Launchers that npm writes for [`install_package`].
    const COMMAND: &str = include_str!("../../__test__/fixtures/launchers/npm-cmd-shim-8.0.0.cmd");
    const SHELL: &str = include_str!("../../__test__/fixtures/launchers/npm-cmd-shim-8.0.0.sh");

    fn found(program: &Path) -> Cli {
        Cli { program: dunce::canonicalize(program).unwrap(), tools: None, version: Some("0.169.0".into()) }
    }

    #[test]
    fn every_launcher_leads_to_the_native_binary() {
        let dir = tempfile::tempdir().unwrap();
        let native = install_package(dir.path(), PLATFORM.unwrap(), BINARY);
        for (name, content) in [("codex", SHELL), ("codex.cmd", COMMAND), ("CODEX.CMD", COMMAND)] {
            let launcher = put(dir.path(), name, content);
            assert_eq!(examine(&launcher), Ok(found(&native)), "{name}");
            std::fs::remove_file(launcher).unwrap();
        }
    }

    /// On Windows such a script is refused: cmd.exe would parse its arguments.
    #[cfg(unix)]
    #[test]
    fn a_users_wrapper_of_the_script_is_run_unchanged() {
        let dir = tempfile::tempdir().unwrap();
        install_package(dir.path(), PLATFORM.unwrap(), BINARY);
        let script = "node_modules/@openai/codex/bin/codex.js";
        let exported = SHELL.replacen("\n\n", "\nexport HTTPS_PROXY=http://proxy\n\n", 1);
        for text in [
            format!("#!/bin/sh\nexec firejail \"$(dirname \"$0\")/{script}\" \"$@\"\n"),
            format!("#!/bin/sh\nulimit -v 4000000\nexec node \"$basedir/{script}\" \"$@\"\n"),
            exported,
        ] {
            let wrapper = put(dir.path(), "codex", &text);
            assert_eq!(examine(&wrapper).unwrap().program, wrapper, "{text}");
            let link = dir.path().join("link");
            std::os::unix::fs::symlink(&wrapper, &link).unwrap();
            assert_eq!(examine(&link).unwrap().program, link, "{text}");
            std::fs::remove_file(link).unwrap();
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_launcher_whose_script_is_gone_cannot_be_run() {
        let dir = tempfile::tempdir().unwrap();
        let launcher = put(dir.path(), "codex", SHELL);
        assert!(examine(&launcher).is_err());
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&launcher, &link).unwrap();
        assert!(examine(&link).is_err());
        put(dir.path(), "node_modules/@openai/codex/bin/codex.js", "");
        assert_eq!(examine(&launcher).unwrap().program, launcher, "the script may find the binary");
    }

    #[cfg(windows)]
    #[test]
    fn the_first_cli_on_the_path_is_found_by_either_name() {
        let dir = tempfile::tempdir().unwrap();
        let (empty, npm, exe) = (dir.path().join("empty"), dir.path().join("npm"), dir.path().join("exe"));
        std::fs::create_dir(&empty).unwrap();
        let native = install_package(&npm, PLATFORM.unwrap(), BINARY);
        put(&npm, "codex.cmd", COMMAND);
        let program = put(&exe, "codex.exe", "a program");
        let on = |dirs: &[&PathBuf]| {
            let path = std::env::join_paths(dirs).unwrap().into_string().unwrap();
            let env = Environment::new(vec![("Path".to_owned(), path)]);
            candidates(&env).find_map(|path| examine(&path).ok()).map(|cli| cli.program)
        };
        assert_eq!(on(&[&empty, &npm, &exe]), Some(dunce::canonicalize(native).unwrap()));
        assert_eq!(on(&[&empty, &exe, &npm]), Some(program));
    }

    #[cfg(windows)]
    #[test]
    fn a_program_may_be_named_without_its_extension() {
        let dir = tempfile::tempdir().unwrap();
        let program = put(dir.path(), "my codex.exe", "a program");
        assert_eq!(examine(&dir.path().join("my codex")).unwrap().program, program);
        let native = install_package(dir.path(), PLATFORM.unwrap(), BINARY);
        put(dir.path(), "codex.cmd", COMMAND);
        assert_eq!(examine(&dir.path().join("codex")), Ok(found(&native)));
    }

    #[cfg(windows)]
    #[test]
    fn a_batch_file_that_is_not_a_launcher_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let batch = put(dir.path(), "codex.cmd", "@echo off\r\ncodex-of-mine.exe %*\r\n");
        assert_eq!(examine(&batch), Err(CliFault::OnlyScript));
    }

    #[cfg(unix)]
    #[test]
    fn a_program_for_windows_is_refused_as_such() {
        let dir = tempfile::tempdir().unwrap();
        let windows = ("@openai/codex-win32-x64", "x86_64-pc-windows-msvc");
        for program in [
            put(dir.path(), "codex.exe", "#!/bin/sh\n"),
            put(dir.path(), "codex", "MZ\u{90}"),
            install_package(dir.path(), windows, "codex.exe"),
            put(dir.path(), "codex", SHELL),
        ] {
            assert_eq!(examine(&program), Err(CliFault::ForWindows), "{}", program.display());
        }
        let script = put(dir.path(), "mine", "M");
        assert_eq!(examine(&script).unwrap().program, script);
    }
}
