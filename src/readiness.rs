//! The check of whether this machine can draw, and what to do if not. For settings pages: quick,
//! offline and free.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::blocking::{self, DiskWork};
use crate::codex::ask::{ask, version_of};
use crate::codex::config::Provider;
use crate::codex::home;
use crate::codex::locate::{Cli, searched};
use crate::codex::login::{self, Login};
use crate::codex::version::Version;
use crate::error::{Cause, Failure, Message};
use crate::obstacles::{Configuration, Installation};
use crate::request::{Draft, Request};
use crate::run_id::new_marker;
use crate::text::name;

/// The answer of a check.
#[derive(Debug)]
pub struct Readiness {
    /// The CLI that would be run.
    pub codex_path: Option<PathBuf>,
    /// Its version.
    pub version: Option<String>,
    /// How it is signed in.
    pub login: Login,
    /// Whether the image tool is likely to be there.
    pub image_tool: bool,
    /// What keeps this machine from drawing, and hints.
    pub problems: Vec<Problem>,
}

/// Something that keeps this machine from drawing, or a hint.
#[derive(Debug)]
pub struct Problem {
    /// The code with which a generation would fail, or that of a hint.
    pub code: &'static str,
    /// What is wrong, and what to do.
    pub message: Message,
    /// Whether it keeps this machine from drawing; otherwise it is a hint.
    pub blocking: bool,
}

impl Problem {
    /// The failure of a generation on this machine, in the same words.
    fn blocking(cause: &Cause) -> Self {
        Self { code: cause.code(), message: cause.message(), blocking: true }
    }

    /// A failure that some generations may not meet.
    fn hint(cause: &Cause) -> Self {
        Self { blocking: false, ..Self::blocking(cause) }
    }

    /// The login cannot be read: the disk of Codex's home does not answer.
    fn home_unanswered() -> Self {
        Self { code: LOGIN_UNKNOWN, ..Self::blocking(&Cause::HomeUnanswered) }
    }

    /// Neither `auth.json` nor `codex login status` tells the login.
    fn login_unknown() -> Self {
        let problem = "It could not be found out how Codex is signed in.".into();
        let message = Message { problem, ..Cause::NotSignedIn.message() };
        Self { code: LOGIN_UNKNOWN, message, blocking: false }
    }

    /// `config.toml` selects a relay, of which only a call can tell whether it has the tool.
    fn custom_provider(relay: &str) -> Self {
        let problem = format!(
            "config.toml selects the model provider `{}`, which may or may not pass the image tool on.",
            name(relay)
        );
        let fix = "If drawing fails, select OpenAI's own provider.".into();
        Self { code: "CUSTOM_PROVIDER", message: Message { problem: problem.into(), fix }, blocking: false }
    }
}

const LOGIN_UNKNOWN: &str = "LOGIN_UNKNOWN";

impl Readiness {
    /// Whether nothing is known to keep this machine from drawing.
    #[must_use]
    pub fn ready(&self) -> bool {
        !self.problems.iter().any(|problem| problem.blocking)
    }
}

/// Examines what a generation with the options of `draft` would use. Sends nothing to OpenAI, and
/// starts no program but the CLI. What is unknown when `given_up` is cancelled, or because a disk
/// does not answer, stays unknown.
///
/// # Errors
/// Only defects of this package.
pub async fn check(draft: Draft, given_up: CancellationToken) -> Result<Readiness, Failure> {
    let home = blocking::on_disk_unless_stalled(DiskWork::UserDatabase, OsString::new(), move || home::complete(draft));
    let request = tokio::select! {
        found = home => found?,
        () = given_up.cancelled() => None,
    };
    let request = match request {
        Some(Ok(request)) => Arc::new(request),
        // Without a home there is no login, whatever CLI there is.
        Some(Err(cause)) => return Ok(without_home(Login::None, Problem::blocking(&cause))),
        None => return Ok(without_home(Login::Unknown, Problem::home_unanswered())),
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
            // Each takes as long as the CLI takes to start.
            let (told_version, told_login) = tokio::join!(
                version_of(cli, &request, new_marker()?, given_up.cancelled()),
                login_of(cli, &request, login, &given_up)
            );
            version = told_version;
            login = told_login?;
        }
        (Err(cause), _) => problems.push(Problem::blocking(cause)),
    }
    let mut image_tool = false;
    if let Some(configuration) = configuration {
        let told = version.as_deref().and_then(Version::parse);
        let mut obstacles = configuration.obstacles(login, told);
        let of_model = installation.as_ref().ok().and_then(|found| found.obstacle(told, &configuration));
        // A model that is named may do without code mode.
        let (hint, obstacle) = if configuration.names_model() { (of_model, None) } else { (None, of_model) };
        obstacles.extend(obstacle);
        image_tool = obstacles.is_empty();
        problems.extend(obstacles.iter().map(Problem::blocking));
        problems.extend(hint.as_ref().map(Problem::hint));
        if login == Login::Unknown && installation.is_ok() {
            problems.push(Problem::login_unknown());
        }
        if let Provider::Relay(relay) = configuration.provider() {
            problems.push(Problem::custom_provider(&relay));
        }
    } else {
        problems.push(Problem::home_unanswered());
    }
    let codex_path = installation.ok().map(|found| found.cli.program);
    Ok(Readiness { codex_path, version, login, image_tool, problems })
}

/// The answer where it is not known which home Codex has.
fn without_home(login: Login, problem: Problem) -> Readiness {
    Readiness { codex_path: None, version: None, login, image_tool: false, problems: vec![problem] }
}

/// Finds the CLI. One on a disk that does not answer counts as not found.
async fn find(request: &Arc<Request>) -> Result<Result<Installation, Cause>, Failure> {
    let sought = Arc::clone(request);
    let found = blocking::on_disk_unless_stalled(DiskWork::ProgramSearch, searched(request), move || {
        Installation::find(&sought)
    })
    .await?;
    Ok(found.unwrap_or(Err(Cause::CodexNotFound)))
}

/// Reads the configuration, unless the disk of `CODEX_HOME` does not answer.
async fn read_configuration(request: &Arc<Request>) -> Result<Option<Configuration>, Failure> {
    let asked = Arc::clone(request);
    blocking::on_disk_unless_stalled(DiskWork::HomeFiles, request.codex_home(), move || Configuration::read(&asked))
        .await
}

/// The login that `auth.json` holds, else that of `codex login status`.
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
    let told = ask(cli, request, args, new_marker()?, given_up.cancelled()).await.unwrap_or_default();
    Ok(login::from_status(&told))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::sentences::{assert_names_no_option, assert_sentence};

    #[test]
    fn every_problem_and_its_fix_is_fit_for_its_readers() {
        let evil = format!("x\u{202e}\n\u{1b}[31m`{}", "y".repeat(100_000));
        let problems = [
            Problem::blocking(&Cause::CodexNotFound),
            Problem::hint(&Cause::NotSignedIn),
            Problem::home_unanswered(),
            Problem::login_unknown(),
            Problem::custom_provider(&evil),
        ];
        for Problem { message: Message { problem, fix }, .. } in problems {
            for text in [problem, fix] {
                assert_sentence(&text);
                assert_names_no_option(&text);
            }
        }
    }
}
