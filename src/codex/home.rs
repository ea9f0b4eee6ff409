//! Where Codex keeps its login, configuration, images and records.
//!
//! `CODEX_HOME` names the directory. Else it is `.codex` in the user's home: that of `HOME`, or of
//! the user database where `HOME` is unset or empty. On Windows it is the profile directory,
//! whatever `USERPROFILE` says. (0.132.0 to 0.171.0: run on Linux, read in `utils/home-dir` and in
//! the crate `dirs` for macOS and Windows.) A named directory has to exist; Codex makes the other.

use std::ffi::OsStr;

use crate::environment::{Environment, home_of_account};
use crate::error::Cause;
use crate::request::{CodexHome, Draft, Request};

/// The variable that names it.
pub const VARIABLE: &str = "CODEX_HOME";

/// Finds the home that a draft leaves open. Blocks on the user database where no variable names
/// one.
///
/// # Errors
/// [`Cause::HomeUnknown`] if that names none either.
pub fn complete(Draft { named_home, request }: Draft) -> Result<Request, Cause> {
    let codex_home = named_home.or_else(|| home_of(&request.env)).ok_or(Cause::HomeUnknown)?;
    Ok(Request { codex_home, ..request })
}

/// What `env` names, or the user's own. None if the user has no home directory either.
#[must_use]
pub fn home_of(env: &Environment) -> Option<CodexHome> {
    if let Some(name) = env.get(VARIABLE) {
        // Relative to this process's directory: the child works in another.
        return env.expand(name.trim()).and_then(|path| std::path::absolute(path).ok()).map(CodexHome::named);
    }
    let home = if cfg!(windows) { home_of_account() } else { env.home() };
    home.map(|home| CodexHome { path: home.join(".codex"), is_named: false })
}

/// The variable and the value by which Codex finds this very directory. `HOME` for one that was
/// not named: what is unset, blank or relative here would mean another directory to Codex, whose
/// user database need not be the same (musl's knows `/etc/passwd` alone).
#[must_use]
pub fn variable(home: &CodexHome) -> Option<(&'static str, &OsStr)> {
    if home.is_named {
        return Some((VARIABLE, home.path.as_os_str()));
    }
    // On Windows no variable says where the profile directory is.
    if cfg!(windows) { None } else { Some(("HOME", home.path.parent()?.as_os_str())) }
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    use std::path::Path;
    use std::path::PathBuf;

    use super::*;

    fn of(variables: &[(&str, &str)]) -> CodexHome {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        home_of(&Environment::new(variables.collect())).unwrap()
    }

    #[test]
    fn the_variable_names_it_and_is_handed_on_as_it_was_understood() {
        let root = std::path::absolute("/").unwrap();
        for (value, path) in [
            (root.join("a b"), root.join("a b")),
            (PathBuf::from("relative"), std::env::current_dir().unwrap().join("relative")),
        ] {
            let home = of(&[(VARIABLE, &format!(" {} ", value.display()))]);
            assert_eq!(home.path, path);
            assert_eq!(variable(&home), Some((VARIABLE, path.as_os_str())));
        }
    }

    #[cfg(unix)]
    #[test]
    fn it_is_below_the_users_home_unless_it_is_named() {
        for blank in [None, Some(""), Some("  ")] {
            let blank = blank.map(|blank| (VARIABLE, blank));
            let named: Vec<_> = blank.into_iter().chain([("HOME", "/home/u")]).collect();
            assert_eq!(of(&named).path, Path::new("/home/u/.codex"));
            assert_eq!(variable(&of(&named)), Some(("HOME", OsStr::new("/home/u"))));
        }
        assert_eq!(of(&[("HOME", "/home/u"), (VARIABLE, "~/c")]).path, Path::new("/home/u/c"));
        assert_eq!(of(&[("HOME", "/")]).path, Path::new("/.codex"));
        let here = std::env::current_dir().unwrap();
        assert_eq!(variable(&of(&[("HOME", "relative")])), Some(("HOME", here.join("relative").as_os_str())));
    }

    #[cfg(windows)]
    #[test]
    fn it_is_in_the_profile_directory_whatever_the_environment_says() {
        let home = of(&[("USERPROFILE", r"C:\elsewhere")]);
        assert_eq!(home.path, home_of_account().unwrap().join(".codex"));
        assert_eq!(variable(&home), None);
    }
}
