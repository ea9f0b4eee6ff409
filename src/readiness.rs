//! Whether this machine can draw, and what to do if not: for a settings page, quickly, offline and
//! at no cost.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::blocking::{self, Kind};
use crate::codex::ask::ask;
use crate::codex::config::Provider;
use crate::codex::home;
use crate::codex::locate::{Cli, searched};
use crate::codex::login::{self, Login};
use crate::codex::version::{Version, version_of};
use crate::error::{Cause, Failure};
use crate::obstacles::{Configuration, Installation};
use crate::request::{Draft, Request};
use crate::run_id::marker;
use crate::text::name;

/// What was found out.
#[derive(Debug)]
pub struct Readiness {
    /// The file that would be run.
    pub codex_path: Option<PathBuf>,
    /// Its version.
    pub version: Option<String>,
    /// How it is signed in.
    pub login: Login,
    /// Whether the image tool is likely to be there.
    pub image_tool: bool,
    /// What is wrong, or may be.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong, or may be.
#[derive(Debug)]
pub struct Problem {
    /// The code with which a generation would fail, or that of a hint.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: String,
    /// Whether it keeps this machine from drawing; otherwise it is a hint.
    pub blocking: bool,
}

impl Readiness {
    /// Whether nothing is known to keep this machine from drawing.
    #[must_use]
    pub fn ready(&self) -> bool {
        !self.problems.iter().any(|problem| problem.blocking)
    }
}

/// Looks at what a run of `request` would use. Spends nothing and asks only the CLI itself. What
/// is not known when `given_up` is cancelled, or because a disk does not answer, stays unknown.
///
/// # Errors
/// Only defects of this package.
pub async fn check(draft: Draft, given_up: CancellationToken) -> Result<Readiness, Failure> {
    let home = blocking::read(Kind::Accounts, OsString::new(), move || home::complete(draft));
    let request = tokio::select! {
        found = home => found?,
        () = given_up.cancelled() => None,
    };
    let request = match request {
        Some(Ok(request)) => Arc::new(request),
        // Without a home there is no login, whatever CLI there is.
        Some(Err(cause)) => return Ok(without_home(Login::None, about(&cause, true))),
        None => return Ok(without_home(Login::Unknown, home_unanswered())),
    };
    let reading = async { tokio::try_join!(find(&request), read_configuration(&request)) };
    let (installation, configuration) = tokio::select! {
        found = reading => found?,
        () = given_up.cancelled() => (Err(Cause::CodexNotFound), None),
    };

    let mut problems = Vec::new();
    let mut version = None;
    let mut login = configuration.as_ref().map_or(Login::Unknown, Configuration::login);
    match (&installation, &configuration) {
        // Codex reads its home at every start: it would not answer either.
        (Ok(installation), None) => version.clone_from(&installation.cli.version),
        (Ok(Installation { cli, .. }), Some(_)) => {
            // Both take as long as the CLI takes to start, so they are asked at the same time.
            let (told_version, told_login) = tokio::join!(
                version_of(cli, &request, marker()?, given_up.cancelled()),
                login_of(cli, &request, login, &given_up)
            );
            version = told_version;
            login = told_login?;
        }
        (Err(cause), _) => problems.push(about_cli(cause)),
    }
    let mut image_tool = false;
    if let Some(configuration) = configuration {
        let told = version.as_deref().and_then(Version::parse);
        let mut obstacles = configuration.obstacles(login, told);
        let of_model = installation.as_ref().ok().and_then(|found| found.obstacle(told, &configuration));
        // Another model may do without.
        let (hint, obstacle) = if configuration.names_model() { (of_model, None) } else { (None, of_model) };
        obstacles.extend(obstacle);
        image_tool = obstacles.is_empty();
        problems.extend(obstacles.iter().map(|cause| about(cause, true)));
        problems.extend(hint.map(|cause| about(&cause, false)));
        problems.extend(about_unknown_login(login).filter(|_| installation.is_ok()));
        problems.extend(about_relay(&configuration.provider()));
    } else {
        problems.push(home_unanswered());
    }
    let codex_path = installation.ok().map(|found| found.cli.program);
    Ok(Readiness { codex_path, version, login, image_tool, problems })
}

/// What is said where it is not known which home Codex has.
fn without_home(login: Login, problem: Problem) -> Readiness {
    Readiness { codex_path: None, version: None, login, image_tool: false, problems: vec![problem] }
}

/// The CLI. One on a disk that does not answer cannot be run.
async fn find(request: &Arc<Request>) -> Result<Result<Installation, Cause>, Failure> {
    let sought = Arc::clone(request);
    let found = blocking::read(Kind::Programs, searched(request), move || Installation::find(&sought)).await?;
    Ok(found.unwrap_or(Err(Cause::CodexNotFound)))
}

/// What is configured, if the disk of `CODEX_HOME` answers.
async fn read_configuration(request: &Arc<Request>) -> Result<Option<Configuration>, Failure> {
    let asked = Arc::clone(request);
    blocking::read(Kind::Home, request.codex_home(), move || Configuration::read(&asked)).await
}

fn about_cli(cause: &Cause) -> Problem {
    Problem {
        code: cause.code(),
        message: match cause {
            Cause::CodexForWindows => "Only a Codex CLI for Windows was found, which cannot work here.".into(),
            _ => "The Codex CLI was not found, or cannot be run.".into(),
        },
        fix: "Install it with `npm install -g @openai/codex`, or put the directory that it is in on the PATH.".into(),
        blocking: true,
    }
}

fn home_unanswered() -> Problem {
    Problem {
        code: "LOGIN_UNKNOWN",
        message: "Codex's home directory does not answer, so it could not be found out how Codex is signed in.".into(),
        fix: "Check the disk or network drive that Codex's home directory lies on.".into(),
        blocking: true,
    }
}

async fn login_of(
    cli: &Cli,
    request: &Request,
    from_file: Login,
    given_up: &CancellationToken,
) -> Result<Login, Failure> {
    if from_file != Login::Unknown {
        return Ok(from_file);
    }
    let args = login::status_args(&request.config);
    let told = ask(cli, request, args, marker()?, given_up.cancelled()).await.unwrap_or_default();
    Ok(login::from_status(&told))
}

/// What a call would say. Its last sentence tells what to do.
fn about(cause: &Cause, blocking: bool) -> Problem {
    let text = cause.to_string();
    let (message, fix) = text.rsplit_once(". ").unwrap_or((&text, ""));
    Problem { code: cause.code(), message: format!("{message}."), fix: fix.to_owned(), blocking }
}

fn about_unknown_login(login: Login) -> Option<Problem> {
    (login == Login::Unknown).then(|| Problem {
        code: "LOGIN_UNKNOWN",
        message: "It could not be found out how Codex is signed in.".into(),
        fix: "Run `codex login` and sign in with ChatGPT.".into(),
        blocking: false,
    })
}

fn about_relay(provider: &Provider) -> Option<Problem> {
    let Provider::Relay(relay) = provider else { return None };
    Some(Problem {
        code: "CUSTOM_PROVIDER",
        message: format!(
            "config.toml selects the model provider `{}`, which may or may not pass the image tool on.",
            name(relay)
        ),
        fix: "If drawing fails, select OpenAI's own provider.".into(),
        blocking: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::CliFault;
    use crate::error::sentences::{assert_names_no_option, assert_sentence};

    #[test]
    fn every_problem_and_its_fix_is_fit_for_its_readers() {
        let clis = [Cause::CodexNotFound, Cause::CodexForWindows, Cause::CodexUnusable(CliFault::Directory)];
        let evil = Provider::Relay(format!("x\u{202e}\n\u{1b}[31m`{}", "y".repeat(100_000)));
        let problems: Vec<_> = [home_unanswered()]
            .into_iter()
            .chain(clis.iter().map(about_cli))
            .chain(about_unknown_login(Login::Unknown))
            .chain(about_relay(&evil))
            .chain([about(&Cause::NotSignedIn, true)])
            .collect();
        assert_eq!(problems.len(), 7);
        for Problem { message, fix, .. } in problems {
            for text in [message, fix] {
                assert_sentence(&text);
                assert_names_no_option(&text);
            }
        }
    }
}
