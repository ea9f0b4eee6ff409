//! Environment variables of the Codex process, and the directories that they name.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::files::fs_request;

/// Operating system. A rule that takes it as a parameter is tested for all of them on each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Linux, and every other Unix except macOS.
    Linux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

impl Platform {
    /// The system that this crate is compiled for.
    pub const HERE: Self = if cfg!(windows) {
        Self::Windows
    } else if cfg!(target_os = "macos") {
        Self::MacOs
    } else {
        Self::Linux
    };
}

/// Environment variables of the child: names and values, each name once.
#[derive(Debug, Clone)]
pub struct Environment {
    platform: Platform,
    entries: Vec<(String, String)>,
    /// Looked up on first use: the user database may be on another machine.
    home: OnceLock<Option<PathBuf>>,
}

impl Environment {
    /// Creates an environment of these names and values.
    #[must_use]
    pub fn new(entries: Vec<(String, String)>) -> Self {
        Self::on(Platform::HERE, entries)
    }

    /// Creates an environment with the rules of `platform`.
    ///
    /// Windows ignores the case of names. Of those that differ in nothing else, the first in
    /// lexicographic order counts, as for Node's own children (`normalizeSpawnArguments` in
    /// `lib/child_process.js`, and its documentation): `PATH` before `Path`, which a caller adds
    /// by `{ ...process.env, PATH }`.
    #[must_use]
    pub fn on(platform: Platform, mut entries: Vec<(String, String)>) -> Self {
        if platform == Platform::Windows {
            entries.sort();
            let mut known = HashSet::new();
            entries.retain(|(name, _)| known.insert(name.to_uppercase()));
        }
        Self { platform, entries, home: OnceLock::new() }
    }

    /// The system whose rules apply.
    #[must_use]
    pub const fn platform(&self) -> Platform {
        self.platform
    }

    /// Whether both names stand for the same variable.
    #[must_use]
    pub fn is_same(&self, name: &str, other: &str) -> bool {
        if self.platform == Platform::Windows { name.eq_ignore_ascii_case(other) } else { name == other }
    }

    /// Returns the value of `name` if it is set and not blank.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.entries.iter().find(|(known, _)| self.is_same(known, name));
        found.map(|(_, value)| value.as_str()).filter(|value| !value.trim().is_empty())
    }

    /// Adds the variables of `other` that programs on Windows need, unless they are set here. Node
    /// does the same for every program that it starts.
    #[must_use]
    pub fn completed_for_windows(mut self, other: impl Iterator<Item = (String, String)>) -> Self {
        /// The variables of libuv (`required_vars` in `src/win/process.c`), and those that Codex
        /// and its agent's shell read.
        const NEEDED: [&str; 16] = [
            "APPDATA",
            "COMSPEC",
            "HOMEDRIVE",
            "HOMEPATH",
            "LOCALAPPDATA",
            "LOGONSERVER",
            "PATH",
            "PATHEXT",
            "SYSTEMDRIVE",
            "SYSTEMROOT",
            "TEMP",
            "TMP",
            "USERDOMAIN",
            "USERNAME",
            "USERPROFILE",
            "WINDIR",
        ];
        let given = self.entries.len();
        for (name, value) in other {
            let is_name = |known: &str| known.eq_ignore_ascii_case(&name);
            if NEEDED.into_iter().any(is_name) && !self.entries[..given].iter().any(|(known, _)| is_name(known)) {
                self.entries.push((name, value));
            }
        }
        self
    }

    /// Iterates over names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Returns the user's home directory as an absolute path: from the variable, or else from the
    /// user database.
    #[must_use]
    pub fn home(&self) -> Option<PathBuf> {
        let name = if self.platform == Platform::Windows { "USERPROFILE" } else { "HOME" };
        let find = || self.get(name).map(PathBuf::from).or_else(home_of_account);
        self.home.get_or_init(|| std::path::absolute(find()?).ok()).clone()
    }

    /// Replaces a leading `~` in `path` by the home directory. None if that is unknown.
    #[must_use]
    pub fn expand(&self, path: &str) -> Option<PathBuf> {
        match path.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with(['/', '\\']) => {
                Some(self.home()?.join(rest.trim_start_matches(['/', '\\'])))
            }
            _ => Some(PathBuf::from(path)),
        }
    }

    /// Returns the directory for temporary files.
    #[must_use]
    pub fn temp_dir(&self) -> PathBuf {
        let names: &[&str] = if self.platform == Platform::Windows { &["TEMP", "TMP"] } else { &["TMPDIR"] };
        names.iter().find_map(|name| self.get(name)).map_or_else(std::env::temp_dir, PathBuf::from)
    }
}

/// Returns the home directory in the user database, ignoring variables. Blocks: the database may be
/// on another machine.
#[must_use]
pub fn home_of_account() -> Option<PathBuf> {
    #[cfg(unix)]
    let home = fs_request(|| nix::unistd::User::from_uid(nix::unistd::Uid::current())).ok()??.dir;
    #[cfg(windows)]
    let home = fs_request(crate::win32::profile_dir)?;
    (!home.as_os_str().is_empty()).then_some(home)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(entries: &[(&str, &str)]) -> Environment {
        Environment::new(entries.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn adds_only_the_variables_that_windows_needs() {
        let own = env(&[("OTHER", "x"), ("Path", "mine"), ("TEMP", "")]);
        let process = [("PATH", "theirs"), ("Temp", "t"), ("SystemRoot", "C:\\Windows"), ("SECRET", "s")];
        let completed = own.completed_for_windows(process.map(|(k, v)| (k.to_owned(), v.to_owned())).into_iter());
        assert_eq!(
            completed.iter().collect::<Vec<_>>(),
            [("OTHER", "x"), ("Path", "mine"), ("TEMP", ""), ("SystemRoot", "C:\\Windows")]
        );
    }

    #[test]
    fn on_windows_the_first_of_two_names_that_differ_only_in_case_counts() {
        let entries = [("Path", "inherited"), ("PATHEXT", ".EXE"), ("PATH", "own"), ("temp", "b"), ("Temp", "a")];
        let on = |platform| {
            let entries = entries.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            Environment::on(platform, entries)
        };
        let windows = on(Platform::Windows);
        assert_eq!(windows.iter().collect::<Vec<_>>(), [("PATH", "own"), ("PATHEXT", ".EXE"), ("Temp", "a")]);
        for name in ["PATH", "Path", "path"] {
            assert_eq!(windows.get(name), Some("own"));
        }
        assert_eq!(windows.temp_dir(), PathBuf::from("a"));
        for platform in [Platform::Linux, Platform::MacOs] {
            assert_eq!(on(platform).iter().collect::<Vec<_>>(), entries);
            assert_eq!(on(platform).get("Path"), Some("inherited"));
            assert_eq!(on(platform).get("path"), None);
        }
    }

    #[test]
    fn treats_a_blank_variable_as_unset() {
        assert_eq!(env(&[("CODEX_BIN", "  ")]).get("CODEX_BIN"), None);
        assert_eq!(env(&[("CODEX_BIN", "/x")]).get("CODEX_BIN"), Some("/x"));
    }

    #[cfg(unix)]
    #[test]
    fn expands_a_tilde_only_as_the_whole_first_component() {
        let env = env(&[("HOME", "/home/u")]);
        assert_eq!(env.expand("~/bin/codex"), Some("/home/u/bin/codex".into()));
        assert_eq!(env.expand("~"), Some("/home/u".into()));
        assert_eq!(env.expand("~other/codex"), Some("~other/codex".into()));
    }

    /// Compares with the shell, which reads the user database too.
    #[cfg(unix)]
    #[test]
    fn reads_the_home_from_the_user_database_without_a_variable() {
        let shell = std::process::Command::new("sh").args(["-c", "eval echo \"~$(id -un)\""]).output().unwrap();
        let shown = PathBuf::from(String::from_utf8(shell.stdout).unwrap().trim_end());
        // The shell leaves `~user` as it is if the user is unknown.
        let known = shown.is_absolute().then_some(shown);
        for unset in [env(&[]), env(&[("HOME", "")]), env(&[("HOME", " ")])] {
            assert_eq!(unset.home(), known);
            assert_eq!(unset.expand("~/x"), known.as_ref().map(|home| home.join("x")));
        }
        assert_eq!(env(&[("HOME", "x/y")]).home(), Some(std::env::current_dir().unwrap().join("x/y")));
    }
}
