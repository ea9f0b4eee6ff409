//! Finds Codex's home: the directory of its login, configuration, images and rollouts.
//!
//! It is `CODEX_HOME`, which has to exist, or else `.codex` in the user's home, which Codex
//! creates. The user's home is `HOME`, or that of the user database if `HOME` is unset or empty. On
//! Windows it is the profile directory, whatever the value of `USERPROFILE`. (0.132.0 to 0.171.0:
//! run on Linux, read in `utils/home-dir` and in the crate `dirs` for macOS and Windows.)

use std::ffi::OsStr;

use crate::environment::{Environment, home_of_account};
use crate::error::Cause;
use crate::request::{CodexHome, Draft, Request};

/// Variable that names Codex's home.
pub const VARIABLE: &str = "CODEX_HOME";

/// Completes a draft with Codex's home. Blocks on the user database if no variable names the home.
///
/// # Errors
/// [`Cause::HomeUnknown`] if the user database names none either.
pub fn complete(Draft { named_home, request }: Draft) -> Result<Request, Cause> {
    let codex_home = named_home.or_else(|| home_of(&request.env)).ok_or(Cause::HomeUnknown)?;
    Ok(Request { codex_home, ..request })
}

/// Returns the home that `env` names, or else the default one. `None` if the user has no home
/// directory.
#[must_use]
pub fn home_of(env: &Environment) -> Option<CodexHome> {
    if let Some(name) = env.get(VARIABLE) {
        // Resolved here, because the child has another working directory.
        return env.expand(name.trim()).and_then(|path| std::path::absolute(path).ok()).map(CodexHome::named);
    }
    let home = if cfg!(windows) { home_of_account() } else { env.home() };
    home.map(|home| CodexHome { path: home.join(".codex"), is_named: false })
}

/// Returns the variable and the value that make Codex use `home`.
///
/// For the default home this is `HOME`. An unset, blank or relative `HOME` might lead Codex to
/// another directory: it runs in another working directory, and its user database may differ
/// (musl's is `/etc/passwd` alone).
#[must_use]
pub fn variable(home: &CodexHome) -> Option<(&'static str, &OsStr)> {
    if home.is_named {
        return Some((VARIABLE, home.path.as_os_str()));
    }
    // On Windows Codex takes the profile directory from no variable.
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
    fn a_named_home_is_made_absolute_and_passed_on_by_the_same_variable() {
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
    fn the_default_home_is_in_the_users_home() {
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
    fn the_default_home_is_in_the_profile_directory_despite_other_variables() {
        let home = of(&[("USERPROFILE", r"C:\elsewhere")]);
        assert_eq!(home.path, home_of_account().unwrap().join(".codex"));
        assert_eq!(variable(&home), None);
    }
}
