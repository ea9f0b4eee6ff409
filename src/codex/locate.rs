//! Finds the Codex CLI and its native binary.

use std::cmp::Reverse;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::launcher;
use crate::environment::{Environment, Platform};
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
/// directories of the usual installers and of the desktop app, because a desktop session gives its
/// processes a minimal PATH. Unlike the daemon, it does not replace an unusable `CODEX_BIN` by
/// another CLI.
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
    let env = &request.env;
    let platform = env.platform();
    if let Some(path) = &request.codex_path {
        return examine(path, platform).map_err(Cause::CodexUnusable);
    }
    if let Some(value) = env.get(VARIABLE) {
        let path = env.expand(value.trim()).filter(|path| path.is_absolute()).ok_or(CliFault::Relative);
        return path.and_then(|path| examine(&path, platform)).map_err(Cause::CodexBinUnusable);
    }
    let mut is_for_windows = false;
    for path in candidates(env) {
        match files::fs_request(|| examine(&path, platform)) {
            Ok(cli) => return Ok(cli),
            Err(fault) => is_for_windows |= fault == CliFault::ForWindows,
        }
    }
    // Under WSL the PATH of Windows is appended to Linux's own.
    is_for_windows |= platform != Platform::Windows && dirs_on_path(env).any(|dir| dir.join("codex.exe").is_file());
    Err(if is_for_windows { Cause::CodexForWindows } else { Cause::CodexNotFound })
}

/// Returns the CLI at `path`, or the reason why it cannot be run.
fn examine(path: &Path, platform: Platform) -> Result<Cli, CliFault> {
    let path = &with_extension(path, platform);
    if let Some(fault) = fault(path, platform) {
        return Err(fault);
    }
    let script = script_behind(path);
    if script.as_ref().is_some_and(|script| !script.is_file()) {
        return Err(CliFault::ScriptAbsent);
    }
    if let Some(package) = script.as_deref().and_then(package_of) {
        if let Some(cli) = in_npm_package(&package, platform) {
            return Ok(cli);
        }
        let mut for_windows = targets(Platform::Windows).into_iter();
        if platform != Platform::Windows
            && for_windows.any(|(name, _)| platform_packages(&package, &name).iter().any(|dir| dir.is_dir()))
        {
            return Err(CliFault::ForWindows);
        }
    }
    if platform == Platform::Windows && !has_extension(path, "exe") {
        return Err(CliFault::OnlyScript);
    }
    let program = if platform == Platform::MacOs { in_bundle(path) } else { None };
    Ok(Cli { program: program.unwrap_or_else(|| path.clone()), tools: None, version: None })
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// Adds the extension to a program's path that lacks it. Only Windows permits such paths.
fn with_extension(path: &Path, platform: Platform) -> PathBuf {
    let with = |extension: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(extension);
        Some(PathBuf::from(name)).filter(|path| path.is_file())
    };
    let may_lack = platform == Platform::Windows && !path.exists();
    let found = if may_lack { with(".exe").or_else(|| with(".cmd")) } else { None };
    found.unwrap_or_else(|| path.to_path_buf())
}

/// Returns the real path of a program in an application of macOS. Started by a link from outside,
/// Codex does not find its helper programs: it searches the link's directory (0.144.0,
/// openai/codex#32495).
fn in_bundle(path: &Path) -> Option<PathBuf> {
    let real = files::real_path(path).ok()?;
    let is_bundle = |dir: &Path| has_extension(dir, "app") && real.starts_with(dir.join("Contents"));
    let is_in_bundle = real.ancestors().any(is_bundle);
    is_in_bundle.then_some(real)
}

/// Returns every possible path of the CLI in the order of the search.
fn candidates(env: &Environment) -> impl Iterator<Item = PathBuf> {
    let usual = places(env.platform()).flat_map(|place| dirs_at(place, env));
    let names = names(env.platform());
    dirs_on_path(env).chain(usual).flat_map(|dir| names.iter().map(move |name| dir.join(name)))
}

/// Returns the directories on the PATH. Those of the Microsoft Store are left out: Windows denies
/// other programs access to the `codex.exe` of the desktop app in them (openai/codex#40867).
fn dirs_on_path(env: &Environment) -> impl Iterator<Item = PathBuf> {
    let dirs = env.get("PATH").map(std::env::split_paths).into_iter().flatten();
    let is_of_store = |dir: &Path| {
        env.platform() == Platform::Windows
            && dir.components().any(|part| part.as_os_str().eq_ignore_ascii_case("WindowsApps"))
    };
    dirs.filter(move |dir| dir.is_absolute() && !is_of_store(dir))
}

/// File names of the CLI. On Windows npm writes a `.cmd`, which is only read to find the package
/// and never run.
const fn names(platform: Platform) -> &'static [&'static str] {
    match platform {
        Platform::Windows => &["codex.exe", "codex.cmd"],
        Platform::Linux | Platform::MacOs => &["codex"],
    }
}

/// Directories of the usual installers on Linux and macOS, best first. They begin with `~`, a
/// variable or the root. `*` stands for every entry, the newest version first.
///
/// An installer's own variable comes before its default. From version 11 on pnpm puts its launchers
/// into `bin` of its home, before that into the home itself.
const UNIX: &[&str] = &[
    "$CODEX_INSTALL_DIR",
    "$npm_config_prefix/bin",
    "$NPM_CONFIG_PREFIX/bin",
    "~/.local/bin",
    "~/.npm-global/bin",
    "$BUN_INSTALL/bin",
    "~/.bun/bin",
    "$VOLTA_HOME/bin",
    "~/.volta/bin",
    "$ASDF_DATA_DIR/shims",
    "~/.asdf/shims",
    "$MISE_DATA_DIR/shims",
    "$XDG_DATA_HOME/mise/shims",
    "~/.local/share/mise/shims",
    "$PNPM_HOME/bin",
    "$PNPM_HOME",
    "$XDG_DATA_HOME/pnpm/bin",
    "$XDG_DATA_HOME/pnpm",
    "~/.local/share/pnpm/bin",
    "~/.local/share/pnpm",
    "~/Library/pnpm/bin",
    "~/Library/pnpm",
    "~/.cargo/bin",
    "/opt/homebrew/bin",
    "/usr/local/bin",
    "/home/linuxbrew/.linuxbrew/bin",
    "/usr/bin",
    "$NVM_DIR/versions/node/*/bin",
    "~/.nvm/versions/node/*/bin",
    "$FNM_DIR/node-versions/*/installation/bin",
    "$XDG_DATA_HOME/fnm/node-versions/*/installation/bin",
    "~/.local/share/fnm/node-versions/*/installation/bin",
    "~/Library/Application Support/fnm/node-versions/*/installation/bin",
    "~/.fnm/node-versions/*/installation/bin",
];

/// Desktop apps of macOS that contain the CLI. ChatGPT.app replaced Codex.app in July 2026.
const MACOS_APPS: &[&str] = &[
    "/Applications/ChatGPT.app/Contents/Resources",
    "~/Applications/ChatGPT.app/Contents/Resources",
    "/Applications/Codex.app/Contents/Resources",
    "~/Applications/Codex.app/Contents/Resources",
];

/// The same as [`UNIX`] for Windows. Here OpenAI's installer changes only the PATH of programs that
/// are started later.
///
/// The last four are of the desktop app, which copies the CLI there from the Store's directory. Its
/// versions from 26.803 on, or earlier, name the new directory by a digest.
const WINDOWS: &[&str] = &[
    "$CODEX_INSTALL_DIR",
    "$LOCALAPPDATA/Programs/OpenAI/Codex/bin",
    "$npm_config_prefix",
    "$APPDATA/npm",
    "$PNPM_HOME/bin",
    "$PNPM_HOME",
    "$LOCALAPPDATA/pnpm/bin",
    "$LOCALAPPDATA/pnpm",
    "$LOCALAPPDATA/Microsoft/WinGet/Links",
    "$ProgramFiles/WinGet/Links",
    "~/scoop/shims",
    "$BUN_INSTALL/bin",
    "~/.bun/bin",
    "$VOLTA_HOME/bin",
    "$LOCALAPPDATA/Volta/bin",
    "~/.cargo/bin",
    "$NVM_SYMLINK",
    "$ProgramFiles/nodejs",
    "$FNM_DIR/node-versions/*/installation",
    "$APPDATA/fnm/node-versions/*/installation",
    "~/.fnm/node-versions/*/installation",
    "$LOCALAPPDATA/OpenAI/Codex/bin/*",
    "$LOCALAPPDATA/OpenAI/Codex/bin",
    "$LOCALAPPDATA/Packages/OpenAI.Codex_2p2nqsd0c76g0/LocalCache/Local/OpenAI/Codex/bin/*",
    "$LOCALAPPDATA/Packages/OpenAI.Codex_2p2nqsd0c76g0/LocalCache/Local/OpenAI/Codex/bin",
];

/// Returns the places of the usual installers in the order of the search.
fn places(platform: Platform) -> impl Iterator<Item = &'static str> {
    let (installers, apps): (&[_], &[_]) = match platform {
        Platform::Linux => (UNIX, &[]),
        Platform::MacOs => (UNIX, MACOS_APPS),
        Platform::Windows => (WINDOWS, &[]),
    };
    installers.iter().chain(apps).copied()
}

/// Returns the directories that `place` stands for.
fn dirs_at(place: &str, env: &Environment) -> Vec<PathBuf> {
    let (base, below) = place.split_once('/').unwrap_or((place, ""));
    let base = match base.strip_prefix('$') {
        Some(name) => env.get(name).and_then(|value| env.expand(value)).filter(|path| path.is_absolute()),
        None if base == "~" => env.home(),
        None => Some(PathBuf::from("/")),
    };
    let Some(base) = base else { return Vec::new() };
    match below.split_once('*') {
        Some((root, rest)) => newest_first(&joined(base, root)).map(|entry| joined(entry, rest)).collect(),
        None => vec![joined(base, below)],
    }
}

/// Appends the names in `below`, with the separators of the system.
fn joined(mut base: PathBuf, below: &str) -> PathBuf {
    base.extend(below.split('/').filter(|name| !name.is_empty()));
    base
}

/// Returns the entries of `root`: versions by their numbers, other directories by their time.
/// Hidden ones are left out, since installers prepare a version in them.
fn newest_first(root: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let age = |entry: &std::fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let numbers = name.strip_prefix('v').unwrap_or_default().split(|c: char| !c.is_ascii_digit());
        let version: Vec<u64> = numbers.filter_map(|number| number.parse().ok()).collect();
        Reverse((version, entry.metadata().and_then(|metadata| metadata.modified()).ok()))
    };
    let mut entries: Vec<_> = entries.filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b".")).collect();
    entries.sort_by_cached_key(age);
    entries.into_iter().map(|entry| entry.path())
}

/// Returns the reason why `path` cannot be run, if there is one.
fn fault(path: &Path, platform: Platform) -> Option<CliFault> {
    let Ok(metadata) = std::fs::metadata(path) else { return Some(CliFault::Absent) };
    if metadata.is_dir() {
        return Some(CliFault::Directory);
    }
    if !metadata.is_file() {
        return Some(CliFault::NotRegular);
    }
    if platform != Platform::Windows && (has_extension(path, "exe") || is_portable_executable(path)) {
        return Some(CliFault::ForWindows);
    }
    #[cfg(unix)]
    if rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_err() {
        return Some(CliFault::NotExecutable);
    }
    None
}

/// Whether the file has the magic number of a program for Windows.
fn is_portable_executable(path: &Path) -> bool {
    use std::io::Read as _;
    let mut beginning = [0; 2];
    std::fs::File::open(path).is_ok_and(|mut file| file.read_exact(&mut beginning).is_ok() && beginning == *b"MZ")
}

/// Returns the native binary that the npm package's script would start, or else the one for the
/// system's other processor: Rosetta and Windows on arm64 run Node for x64 beside a Codex for
/// arm64, and the reverse.
fn in_npm_package(package: &Path, platform: Platform) -> Option<Cli> {
    targets(platform).into_iter().find_map(|(name, triple)| {
        // Old versions contain the binary themselves, without a platform package.
        let mut packages = platform_packages(package, &name).into_iter().chain([package.to_path_buf()]);
        packages.find_map(|package_with_binary| {
            let root = package_with_binary.join("vendor").join(&triple);
            // 0.132.0 has codex/codex and its tools in path/. 0.169.0 has bin/codex, which finds
            // its tools itself.
            let binary = |dir| root.join(dir).join(names(platform)[0]);
            let program = ["bin", "codex"].map(binary).into_iter().find(|path| fault(path, platform).is_none())?;
            let tools = Some(root.join("path")).filter(|path| path.is_dir());
            Some(Cli { program, tools, version: version_of(package) })
        })
    })
}

/// Returns the possible directories of the platform package: beside the package (hoisted by npm or
/// linked by pnpm), or in its `node_modules`.
fn platform_packages(package: &Path, name: &str) -> Vec<PathBuf> {
    let beside = package.parent().and_then(Path::parent).map(|modules| modules.join(name));
    beside.into_iter().chain([package.join("node_modules").join(name)]).collect()
}

/// Returns the names of the platform packages whose binary may run, each with the directory of the
/// binary. That for this build's processor is the first; Linux runs no other.
fn targets(platform: Platform) -> Vec<(String, String)> {
    let (system, of_triple) = match platform {
        Platform::Linux => ("linux", "unknown-linux-musl"),
        Platform::MacOs => ("darwin", "apple-darwin"),
        Platform::Windows => ("win32", "pc-windows-msvc"),
    };
    let target = |(node, rust)| (format!("@openai/codex-{system}-{node}"), format!("{rust}-{of_triple}"));
    let mut processors = [("x64", "x86_64"), ("arm64", "aarch64")];
    processors.sort_by_key(|(_, rust)| *rust != std::env::consts::ARCH);
    let runnable = if platform == Platform::Linux { 1 } else { 2 };
    processors.into_iter().take(runnable).map(target).collect()
}

/// Returns the npm package's script, if `found` is a link to it (npm on Unix, Yarn 1 and Bun) or a
/// launcher of it. The script of a launcher need not exist.
fn script_behind(found: &Path) -> Option<PathBuf> {
    let real = files::real_path(found).ok()?;
    if real.ends_with(SCRIPT) { Some(real) } else { launched_by(&real) }
}

const SCRIPT: &str = "@openai/codex/bin/codex.js";

/// Returns the directory of the npm package `@openai/codex` to which `script` belongs.
fn package_of(script: &Path) -> Option<PathBuf> {
    let script = files::real_path(script).ok()?;
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

    const PLATFORMS: [Platform; 3] = [Platform::Linux, Platform::MacOs, Platform::Windows];

    /// Creates an executable file in `dir`.
    fn put(dir: &Path, name: &str, content: &str) -> PathBuf {
        let path = joined(dir.to_path_buf(), name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        path
    }

    /// Creates the files of the npm package for this processor, except for the launchers, and
    /// returns the native binary.
    fn install_package(modules: &Path, platform: Platform) -> PathBuf {
        put(modules, "@openai/codex/bin/codex.js", "");
        put(modules, "@openai/codex/package.json", r#"{"version":"0.169.0"}"#);
        put_binary(modules, platform, &targets(platform)[0])
    }

    fn put_binary(modules: &Path, platform: Platform, (name, triple): &(String, String)) -> PathBuf {
        let binary = put(modules, &format!("{name}/vendor/{triple}/bin/{}", names(platform)[0]), "a program");
        files::real_path(&binary).unwrap()
    }

    /// Launchers that npm writes beside the directory `node_modules`.
    const COMMAND: &str = include_str!("../../__test__/fixtures/launchers/npm-cmd-shim-8.0.0.cmd");
    const SHELL: &str = include_str!("../../__test__/fixtures/launchers/npm-cmd-shim-8.0.0.sh");

    fn found(program: &Path) -> Cli {
        Cli { program: program.to_path_buf(), tools: None, version: Some("0.169.0".into()) }
    }

    /// Searches on `platform` with these variables, in an empty home, and not in the directories of
    /// the machine that runs the test.
    fn search_on(platform: Platform, variables: &[(&str, &Path)]) -> Option<PathBuf> {
        let home = tempfile::tempdir().unwrap();
        let homes = ["HOME", "USERPROFILE"].map(|name| (name, home.path()));
        let named = |name: &str| variables.iter().any(|(known, _)| *known == name);
        let all = variables.iter().copied().chain(homes.into_iter().filter(|(name, _)| !named(name)));
        let entries = all.map(|(name, value)| (name.to_owned(), value.to_str().unwrap().to_owned()));
        let env = Environment::on(platform, entries.collect());
        let is_of_machine =
            |path: &PathBuf| places(platform).any(|place| place.starts_with('/') && path.starts_with(place));
        let mut candidates = candidates(&env).filter(|path| !is_of_machine(path));
        candidates.find_map(|path| examine(&path, platform).ok()).map(|cli| cli.program)
    }

    #[test]
    fn every_launcher_leads_to_the_native_binary() {
        for platform in PLATFORMS {
            let dir = tempfile::tempdir().unwrap();
            let native = install_package(&dir.path().join("node_modules"), platform);
            for (name, content) in [("codex", SHELL), ("codex.cmd", COMMAND), ("CODEX.CMD", COMMAND)] {
                let launcher = put(dir.path(), name, content);
                assert_eq!(examine(&launcher, platform), Ok(found(&native)), "{name} on {platform:?}");
                std::fs::remove_file(launcher).unwrap();
            }
        }
    }

    /// A Codex for arm64 beside a Node for x64 under Rosetta, and the reverse.
    #[test]
    fn the_binary_for_the_other_processor_is_found_after_ones_own() {
        for platform in [Platform::MacOs, Platform::Windows] {
            let dir = tempfile::tempdir().unwrap();
            let modules = dir.path().join("node_modules");
            let own = install_package(&modules, platform);
            let other = put_binary(&modules, platform, &targets(platform)[1]);
            let launcher = put(dir.path(), "codex.cmd", COMMAND);
            assert_eq!(examine(&launcher, platform), Ok(found(&own)), "{platform:?}");
            std::fs::remove_file(own).unwrap();
            assert_eq!(examine(&launcher, platform), Ok(found(&other)), "{platform:?}");
        }
    }

    #[test]
    fn the_package_for_this_processor_is_the_first_and_on_linux_the_only_one() {
        let (own, other) = if cfg!(target_arch = "aarch64") { ("arm64", "x64") } else { ("x64", "arm64") };
        for (platform, system, processors) in [
            (Platform::Linux, "linux", vec![own]),
            (Platform::MacOs, "darwin", vec![own, other]),
            (Platform::Windows, "win32", vec![own, other]),
        ] {
            let expected = processors.iter().map(|processor| format!("@openai/codex-{system}-{processor}"));
            let found = targets(platform).into_iter().map(|(name, _)| name);
            assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }
    }

    /// On Windows such a script is refused: cmd.exe would parse its arguments.
    #[cfg(unix)]
    #[test]
    fn a_users_wrapper_of_the_script_is_run_unchanged() {
        let dir = tempfile::tempdir().unwrap();
        install_package(&dir.path().join("node_modules"), Platform::HERE);
        let script = "node_modules/@openai/codex/bin/codex.js";
        let exported = SHELL.replacen("\n\n", "\nexport HTTPS_PROXY=http://proxy\n\n", 1);
        for text in [
            format!("#!/bin/sh\nexec firejail \"$(dirname \"$0\")/{script}\" \"$@\"\n"),
            format!("#!/bin/sh\nulimit -v 4000000\nexec node \"$basedir/{script}\" \"$@\"\n"),
            exported,
        ] {
            let wrapper = put(dir.path(), "codex", &text);
            let link = dir.path().join("link");
            std::os::unix::fs::symlink(&wrapper, &link).unwrap();
            for platform in [Platform::Linux, Platform::MacOs] {
                assert_eq!(examine(&wrapper, platform).unwrap().program, wrapper, "{text}");
                assert_eq!(examine(&link, platform).unwrap().program, link, "{text}");
            }
            std::fs::remove_file(link).unwrap();
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_launcher_whose_script_is_gone_cannot_be_run() {
        let dir = tempfile::tempdir().unwrap();
        let launcher = put(dir.path(), "codex", SHELL);
        assert_eq!(examine(&launcher, Platform::HERE), Err(CliFault::ScriptAbsent));
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&launcher, &link).unwrap();
        assert_eq!(examine(&link, Platform::HERE), Err(CliFault::ScriptAbsent));
        put(dir.path(), "node_modules/@openai/codex/bin/codex.js", "");
        let found = examine(&launcher, Platform::HERE).unwrap();
        assert_eq!(found.program, launcher, "the script may find the binary");
    }

    #[test]
    fn the_places_of_installers_are_searched_on_every_system() {
        const ON_UNIX: &[(&str, &str)] = &[
            ("CODEX_INSTALL_DIR", ""),
            ("npm_config_prefix", "bin"),
            ("NPM_CONFIG_PREFIX", "bin"),
            ("PNPM_HOME", ""),
            ("PNPM_HOME", "bin"),
            ("XDG_DATA_HOME", "pnpm/bin"),
            ("HOME", ".local/bin"),
            ("HOME", "Library/pnpm"),
            ("NVM_DIR", "versions/node/v22.1.0/bin"),
            ("HOME", ".nvm/versions/node/v22.1.0/bin"),
            ("FNM_DIR", "node-versions/v22.1.0/installation/bin"),
            ("HOME", "Library/Application Support/fnm/node-versions/v22.1.0/installation/bin"),
        ];
        const ON_MACOS: &[(&str, &str)] = &[
            ("HOME", "Applications/ChatGPT.app/Contents/Resources"),
            ("HOME", "Applications/Codex.app/Contents/Resources"),
        ];
        const ON_WINDOWS: &[(&str, &str)] = &[
            ("CODEX_INSTALL_DIR", ""),
            ("LOCALAPPDATA", "Programs/OpenAI/Codex/bin"),
            ("npm_config_prefix", ""),
            ("APPDATA", "npm"),
            ("PNPM_HOME", ""),
            ("PNPM_HOME", "bin"),
            ("LOCALAPPDATA", "pnpm"),
            ("LOCALAPPDATA", "pnpm/bin"),
            ("LOCALAPPDATA", "Microsoft/WinGet/Links"),
            ("ProgramFiles", "WinGet/Links"),
            ("USERPROFILE", "scoop/shims"),
            ("BUN_INSTALL", "bin"),
            ("USERPROFILE", ".bun/bin"),
            ("VOLTA_HOME", "bin"),
            ("LOCALAPPDATA", "Volta/bin"),
            ("USERPROFILE", ".cargo/bin"),
            ("NVM_SYMLINK", ""),
            ("ProgramFiles", "nodejs"),
            ("FNM_DIR", "node-versions/v22.1.0/installation"),
            ("APPDATA", "fnm/node-versions/v22.1.0/installation"),
            ("USERPROFILE", ".fnm/node-versions/v22.1.0/installation"),
            ("LOCALAPPDATA", "OpenAI/Codex/bin"),
            ("LOCALAPPDATA", "OpenAI/Codex/bin/7ac07f4ce733f89a"),
            ("LOCALAPPDATA", "Packages/OpenAI.Codex_2p2nqsd0c76g0/LocalCache/Local/OpenAI/Codex/bin"),
        ];
        for (platforms, places) in [
            (&[Platform::Linux, Platform::MacOs][..], ON_UNIX),
            (&[Platform::MacOs], ON_MACOS),
            (&[Platform::Windows], ON_WINDOWS),
        ] {
            for (platform, (variable, place)) in
                platforms.iter().flat_map(|platform| places.iter().map(move |place| (*platform, place)))
            {
                let dir = tempfile::tempdir().unwrap();
                let root = files::real_path(dir.path()).unwrap();
                let program = put(&root, &format!("{place}/{}", names(platform)[0]), "a program");
                let found = search_on(platform, &[(variable, &root)]);
                assert_eq!(found, Some(program), "{variable}: {place} on {platform:?}");
            }
        }
    }

    #[test]
    fn the_newest_version_of_an_installer_is_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let program = |version: &str| put(dir.path(), &format!("node-versions/{version}/installation/codex.exe"), "");
        program("v9.11.2");
        let newest = program("v22.1.0");
        program("v20.19.0");
        assert_eq!(search_on(Platform::Windows, &[("FNM_DIR", dir.path())]), Some(newest));
    }

    /// On Unix, because std cannot change the time of a directory on Windows.
    #[cfg(unix)]
    #[test]
    fn the_newest_copy_of_the_desktop_app_on_windows_is_the_first() {
        use std::time::{Duration, SystemTime};
        let dir = tempfile::tempdir().unwrap();
        let copy = |name: &str, age| {
            let program = put(dir.path(), &format!("OpenAI/Codex/bin/{name}/codex.exe"), "");
            let copied = std::fs::File::open(program.parent().unwrap()).unwrap();
            copied.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
            program
        };
        copy("", 0);
        copy("ff00000000000001", 2000);
        let newest = copy("0a00000000000002", 1000);
        copy(".staging-ff00000000000003", 0);
        let find = || search_on(Platform::Windows, &[("LOCALAPPDATA", dir.path())]);
        assert_eq!(find(), Some(newest));
        let installed = put(dir.path(), "Programs/OpenAI/Codex/bin/codex.exe", "");
        assert_eq!(find(), Some(installed), "an installation for the terminal comes before the app");
    }

    // Compares paths of macOS, which Windows separates and completes in another way.
    #[cfg(unix)]
    #[test]
    fn chatgpt_app_comes_before_codex_app_on_macos_only() {
        let env = |platform| Environment::on(platform, vec![("HOME".to_owned(), "/Users/u".to_owned())]);
        let apps = |platform| {
            let env = env(platform);
            let all: Vec<_> = candidates(&env).collect();
            all.into_iter().filter(|path| path.ends_with("Contents/Resources/codex")).collect::<Vec<_>>()
        };
        let expected = [
            "/Applications/ChatGPT.app",
            "/Users/u/Applications/ChatGPT.app",
            "/Applications/Codex.app",
            "/Users/u/Applications/Codex.app",
        ];
        assert_eq!(apps(Platform::MacOs), expected.map(|app| Path::new(app).join("Contents/Resources/codex")));
        assert_eq!(apps(Platform::Linux), [""; 0].map(PathBuf::from));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_into_an_application_of_macos_runs_its_target_and_no_other_link_does() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let root = files::real_path(dir.path()).unwrap();
        let bundled = put(&root, "ChatGPT.app/Contents/Resources/codex", "a program");
        let other = put(&root, "standalone.app/bin/codex", "a program");
        let link = |name: &str, target: &Path| {
            let link = root.join(name);
            symlink(target, &link).unwrap();
            link
        };
        let into_bundle = link("codex", &bundled);
        let by_way_of_another = link("codex-2", &into_bundle);
        let elsewhere = link("codex-3", &other);
        let run = |path: &Path, platform| examine(path, platform).unwrap().program;
        for path in [&into_bundle, &by_way_of_another, &bundled] {
            assert_eq!(run(path, Platform::MacOs), bundled);
            assert_eq!(run(path, Platform::Linux), *path);
        }
        assert_eq!(run(&elsewhere, Platform::MacOs), elsewhere);
    }

    #[test]
    fn a_program_of_the_microsoft_store_on_the_path_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let of_store = dir.path().join("windowsapps");
        let other = dir.path().join("WindowsApps 2");
        for platform in PLATFORMS {
            let denied = put(&of_store, names(platform)[0], "a program");
            let usable = put(&other, names(platform)[0], "a program");
            let path = PathBuf::from(std::env::join_paths([&of_store, &other]).unwrap());
            let expected = if platform == Platform::Windows { usable } else { denied };
            assert_eq!(search_on(platform, &[("PATH", &path)]), Some(expected), "{platform:?}");
        }
    }

    #[test]
    fn a_launcher_of_volta_leads_to_the_native_binary_on_windows() {
        const VOLTA: &str = include_str!("../../__test__/fixtures/launchers/volta-2.0.2.cmd");
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "bin/codex.cmd", VOLTA);
        let find = || search_on(Platform::Windows, &[("VOLTA_HOME", dir.path())]);
        assert_eq!(find(), None, "the package is not installed");
        let modules = dir.path().join("tools/image/packages/@openai/codex/node_modules");
        let native = install_package(&modules, Platform::Windows);
        assert_eq!(find(), Some(native));
    }

    #[test]
    fn the_first_cli_on_the_path_of_windows_is_found_by_either_name() {
        let dir = tempfile::tempdir().unwrap();
        let (empty, npm, exe) = (dir.path().join("empty"), dir.path().join("npm"), dir.path().join("exe"));
        std::fs::create_dir(&empty).unwrap();
        let native = install_package(&npm.join("node_modules"), Platform::Windows);
        put(&npm, "codex.cmd", COMMAND);
        let program = put(&exe, "codex.exe", "a program");
        let on = |dirs: &[&PathBuf]| {
            let path = PathBuf::from(std::env::join_paths(dirs).unwrap());
            search_on(Platform::Windows, &[("Path", &path)])
        };
        assert_eq!(on(&[&empty, &npm, &exe]), Some(native));
        assert_eq!(on(&[&empty, &exe, &npm]), Some(program));
    }

    #[test]
    fn a_program_of_windows_may_be_named_without_its_extension() {
        let dir = tempfile::tempdir().unwrap();
        let program = put(dir.path(), "my codex.exe", "a program");
        assert_eq!(examine(&dir.path().join("my codex"), Platform::Windows).unwrap().program, program);
        let native = install_package(&dir.path().join("node_modules"), Platform::Windows);
        put(dir.path(), "codex.cmd", COMMAND);
        assert_eq!(examine(&dir.path().join("codex"), Platform::Windows), Ok(found(&native)));
        assert_eq!(examine(&dir.path().join("codex"), Platform::Linux), Err(CliFault::Absent));
    }

    #[test]
    fn a_batch_file_that_is_not_a_launcher_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let batch = put(dir.path(), "codex.cmd", "@echo off\r\ncodex-of-mine.exe %*\r\n");
        assert_eq!(examine(&batch, Platform::Windows), Err(CliFault::OnlyScript));
    }

    #[test]
    fn a_program_for_windows_is_refused_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        for platform in [Platform::Linux, Platform::MacOs] {
            for program in [put(dir.path(), "codex.exe", "#!/bin/sh\n"), put(dir.path(), "codex", "MZ\u{90}")] {
                assert_eq!(examine(&program, platform), Err(CliFault::ForWindows), "{}", program.display());
            }
            let script = put(dir.path(), "mine", "M");
            assert_eq!(examine(&script, platform).unwrap().program, script);
        }
        for target in targets(Platform::Windows) {
            let npm = tempfile::tempdir().unwrap();
            put(npm.path(), "node_modules/@openai/codex/bin/codex.js", "");
            put_binary(&npm.path().join("node_modules"), Platform::Windows, &target);
            let launcher = put(npm.path(), "codex", SHELL);
            assert_eq!(examine(&launcher, Platform::Linux), Err(CliFault::ForWindows), "{target:?}");
        }
    }
}
