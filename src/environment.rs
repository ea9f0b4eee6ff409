//! The variables that Codex is started with, and the directories that they name.

use std::path::PathBuf;
use std::sync::OnceLock;

use crate::files::request;

/// The child's environment: a list of names and values, each name once.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    entries: Vec<(String, String)>,
    /// Found out when it is first asked for: the user database may be on another machine.
    home: OnceLock<Option<PathBuf>>,
}

impl Environment {
    /// Takes names and values as they are.
    #[must_use]
    pub const fn new(entries: Vec<(String, String)>) -> Self {
        Self { entries, home: OnceLock::new() }
    }

    /// The value of `name`, if it is set and not blank. Windows ignores the case of names.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let same =
            |(key, _): &&(String, String)| if cfg!(windows) { key.eq_ignore_ascii_case(name) } else { key == name };
        self.entries.iter().find(same).map(|(_, value)| value.as_str()).filter(|value| !value.trim().is_empty())
    }

    /// Completed from `other` by the variables without which a program on Windows cannot work,
    /// where it has none of that name. Node does the same for every program that it starts.
    #[must_use]
    pub fn completed_for_windows(mut self, other: impl Iterator<Item = (String, String)>) -> Self {
        /// Those of libuv (`required_vars` in `src/win/process.c`), and what Codex and its agent's
        /// shell look for besides.
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

    /// All entries, ready for a child process.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The user's home directory, absolute: the one that this environment names, else the one that
    /// the system has for the user. None if neither does.
    #[must_use]
    pub fn home(&self) -> Option<PathBuf> {
        let name = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
        let find = || self.get(name).map(PathBuf::from).or_else(home_of_account);
        self.home.get_or_init(|| std::path::absolute(find()?).ok()).clone()
    }

    /// `path` with a leading `~` replaced by the home directory. None if that is not known.
    #[must_use]
    pub fn expand(&self, path: &str) -> Option<PathBuf> {
        match path.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with(['/', '\\']) => {
                Some(self.home()?.join(rest.trim_start_matches(['/', '\\'])))
            }
            _ => Some(PathBuf::from(path)),
        }
    }

    /// The directory for temporary files.
    #[must_use]
    pub fn temp_dir(&self) -> PathBuf {
        let names: &[&str] = if cfg!(windows) { &["TEMP", "TMP"] } else { &["TMPDIR"] };
        names.iter().find_map(|name| self.get(name)).map_or_else(std::env::temp_dir, PathBuf::from)
    }
}

/// The home directory that the system has for the user of this process, whatever variables say.
/// Blocks: the user database may be on another machine.
#[must_use]
pub fn home_of_account() -> Option<PathBuf> {
    #[cfg(unix)]
    let home = request(|| nix::unistd::User::from_uid(nix::unistd::Uid::current())).ok()??.dir;
    #[cfg(windows)]
    let home = request(crate::win32::profile_dir)?;
    (!home.as_os_str().is_empty()).then_some(home)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(entries: &[(&str, &str)]) -> Environment {
        Environment::new(entries.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn what_windows_needs_is_added_and_nothing_else_is_touched() {
        let own = env(&[("Path", "mine"), ("TEMP", ""), ("OTHER", "x")]);
        let process = [("PATH", "theirs"), ("Temp", "t"), ("SystemRoot", "C:\\Windows"), ("SECRET", "s")];
        let completed = own.completed_for_windows(process.map(|(k, v)| (k.to_owned(), v.to_owned())).into_iter());
        assert_eq!(
            completed.iter().collect::<Vec<_>>(),
            [("Path", "mine"), ("TEMP", ""), ("OTHER", "x"), ("SystemRoot", "C:\\Windows")]
        );
    }

    #[test]
    fn a_blank_variable_is_not_set() {
        assert_eq!(env(&[("CODEX_BIN", "  ")]).get("CODEX_BIN"), None);
        assert_eq!(env(&[("CODEX_BIN", "/x")]).get("CODEX_BIN"), Some("/x"));
    }

    #[cfg(unix)]
    #[test]
    fn a_tilde_means_home_only_as_a_whole_first_part() {
        let env = env(&[("HOME", "/home/u")]);
        assert_eq!(env.expand("~/bin/codex"), Some("/home/u/bin/codex".into()));
        assert_eq!(env.expand("~"), Some("/home/u".into()));
        assert_eq!(env.expand("~other/codex"), Some("~other/codex".into()));
    }

    /// As every shell does: that knows the user database, too.
    #[cfg(unix)]
    #[test]
    fn without_a_variable_the_user_database_names_the_home() {
        let shell = std::process::Command::new("sh").args(["-c", "eval echo \"~$(id -un)\""]).output().unwrap();
        let told = PathBuf::from(String::from_utf8(shell.stdout).unwrap().trim_end());
        // A user that it does not know has none.
        let known = told.is_absolute().then_some(told);
        for unset in [env(&[]), env(&[("HOME", "")]), env(&[("HOME", " ")])] {
            assert_eq!(unset.home(), known);
            assert_eq!(unset.expand("~/x"), known.as_ref().map(|home| home.join("x")));
        }
        assert_eq!(env(&[("HOME", "x/y")]).home(), Some(std::env::current_dir().unwrap().join("x/y")));
    }
}
