//! Checks whether this machine can draw, and how to fix what prevents it. Quick, offline and free,
//! for settings pages.

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
use crate::codex::quota::{self, Quota, QuotaUnknown};
use crate::codex::version::Version;
use crate::error::{Cause, Failure, Message};
use crate::files::fs_request;
use crate::obstacles::{Configuration, Installation};
use crate::request::{Draft, Request};
use crate::run_dir::Parent;
use crate::run_id::new_tag;
use crate::text::name;

/// The result of a check.
#[derive(Debug)]
pub struct Readiness {
    /// The CLI that a generation would run.
    pub codex_path: Option<PathBuf>,
    /// Its version.
    pub version: Option<String>,
    /// Its login.
    pub login: Login,
    /// Whether the image tool is likely to be available.
    pub image_tool: bool,
    /// Problems that keep this machine from drawing, and hints.
    pub problems: Vec<Problem>,
    /// What is left of the account's limits, if it was to be asked for.
    pub quota: Option<Result<Quota, QuotaUnknown>>,
}

/// A problem that keeps this machine from drawing, or a hint.
#[derive(Debug)]
pub struct Problem {
    /// The code with which a generation would fail, or that of a hint.
    pub code: &'static str,
    /// The problem and its fix.
    pub message: Message,
    /// Whether it keeps this machine from drawing; otherwise it is a hint.
    pub blocking: bool,
}

impl Problem {
    /// A cause with which every generation fails. Has the same code and message as that failure.
    fn blocking(cause: &Cause) -> Self {
        Self { code: cause.code(), message: cause.message(), blocking: true }
    }

    /// A cause with which a generation may fail.
    fn hint(cause: &Cause) -> Self {
        Self { blocking: false, ..Self::blocking(cause) }
    }

    /// The login cannot be read: the disk of Codex's home does not answer.
    fn home_unanswered() -> Self {
        Self { code: LOGIN_UNKNOWN, ..Self::blocking(&Cause::HomeUnanswered) }
    }

    /// Neither `auth.json` nor `codex login status` shows the login.
    fn login_unknown() -> Self {
        let problem = "It could not be found out how Codex is signed in.".into();
        let message = Message { problem, ..Cause::NotSignedIn.message() };
        Self { code: LOGIN_UNKNOWN, message, blocking: false }
    }

    /// `config.toml` selects a relay. Only a call can show whether it offers the image tool.
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

/// Checks the CLI and the configuration that a generation with the options of `draft` would use.
///
/// Sends nothing to OpenAI, and starts no program but the CLI. With `asks_quota`, Codex asks OpenAI
/// for the quota. Facts that are unknown when `given_up` is cancelled, or because a disk does not
/// answer, are left out.
///
/// # Errors
/// Only defects of this package.
pub async fn check(draft: Draft, asks_quota: bool, given_up: CancellationToken) -> Result<Readiness, Failure> {
    let home = blocking::on_disk_unless_stalled(DiskWork::UserDatabase, OsString::new(), move || home::complete(draft));
    let request = tokio::select! {
        found = home => found?,
        () = given_up.cancelled() => None,
    };
    let request = match request {
        Some(Ok(request)) => Arc::new(request),
        // Without a home there is no login, whatever CLI there is.
        Some(Err(cause)) => {
            let problem = Problem::blocking(&cause);
            return Ok(without_home(Login::None, problem, asks_quota.then_some(cause)));
        }
        None => {
            let cause = asks_quota.then_some(Cause::HomeUnanswered);
            return Ok(without_home(Login::Unknown, Problem::home_unanswered(), cause));
        }
    };
    let reading = async { tokio::try_join!(find(&request), read_configuration(&request), open_temp_dir(&request)) };
    let (installation, configuration, temp_dir) = tokio::select! {
        found = reading => found?,
        () = given_up.cancelled() => (Err(Cause::CodexNotFound), None, Ok(())),
    };

    let mut problems = Vec::new();
    let mut version = None;
    let mut login = configuration.as_ref().map_or(Login::Unknown, Configuration::login);
    match (&installation, &configuration) {
        (Ok(Installation { cli, .. }), Some(_)) if temp_dir.is_ok() => {
            // Each takes as long as the CLI takes to start.
            let (cli_version, cli_login) = tokio::join!(
                version_of(cli, &request, new_tag()?, given_up.cancelled()),
                login_of(cli, &request, login, &given_up)
            );
            version = cli_version;
            login = cli_login?;
        }
        // Codex reads its home at every start, so starting it would hang as well. Without a
        // directory for temporary files, in which it runs, it cannot be started.
        (Ok(installation), _) => version.clone_from(&installation.cli.version),
        (Err(cause), _) => problems.push(Problem::blocking(cause)),
    }
    let quota = match (&installation, &configuration) {
        _ if !asks_quota => None,
        (Err(cause), _) => Some(Err(QuotaUnknown::Obstacle(cause.clone()))),
        (Ok(_), None) => Some(Err(QuotaUnknown::Obstacle(Cause::HomeUnanswered))),
        (Ok(Installation { cli, .. }), Some(configuration)) => {
            let obstacle = temp_dir.as_ref().err().cloned().or_else(|| configuration.account_obstacle(login));
            Some(if let Some(cause) = obstacle {
                // Codex would sign out instead of answering if its configuration refuses the login.
                Err(QuotaUnknown::Obstacle(cause))
            } else {
                let version = version.as_deref().and_then(Version::parse);
                quota::quota(cli, &request, &configuration.config, version, new_tag()?, &given_up).await
            })
        }
    };
    let mut image_tool = false;
    if let Some(configuration) = configuration {
        let parsed_version = version.as_deref().and_then(Version::parse);
        let mut obstacles = configuration.obstacles(login, parsed_version);
        let of_default_model =
            installation.as_ref().ok().and_then(|found| found.obstacle(parsed_version, &configuration));
        // A model that is named explicitly may not need code mode.
        let (hint, obstacle) =
            if configuration.names_model() { (of_default_model, None) } else { (None, of_default_model) };
        obstacles.extend(obstacle);
        image_tool = obstacles.is_empty();
        problems.extend(obstacles.iter().map(Problem::blocking));
        problems.extend(hint.as_ref().map(Problem::hint));
        if login == Login::Unknown && installation.is_ok() && temp_dir.is_ok() {
            problems.push(Problem::login_unknown());
        }
        if let Provider::Relay(relay) = configuration.provider() {
            problems.push(Problem::custom_provider(&relay));
        }
    } else {
        problems.push(Problem::home_unanswered());
    }
    problems.extend(temp_dir.err().as_ref().map(Problem::blocking));
    let codex_path = installation.ok().map(|found| found.cli.program);
    Ok(Readiness { codex_path, version, login, image_tool, problems, quota })
}

/// The result if Codex's home is unknown.
fn without_home(login: Login, problem: Problem, quota_obstacle: Option<Cause>) -> Readiness {
    let quota = quota_obstacle.map(|cause| Err(QuotaUnknown::Obstacle(cause)));
    Readiness { codex_path: None, version: None, login, image_tool: false, problems: vec![problem], quota }
}

/// Finds the CLI. If the disk does not answer, the CLI counts as not found.
async fn find(request: &Arc<Request>) -> Result<Result<Installation, Cause>, Failure> {
    let (path, request) = (searched(request), Arc::clone(request));
    let find = move || Installation::find(&request);
    let found = blocking::on_disk_unless_stalled(DiskWork::ProgramSearch, path, find).await?;
    Ok(found.unwrap_or(Err(Cause::CodexNotFound)))
}

/// Reads the configuration. Returns None if the disk of `CODEX_HOME` does not answer.
async fn read_configuration(request: &Arc<Request>) -> Result<Option<Configuration>, Failure> {
    let (home, request) = (request.home_path(), Arc::clone(request));
    blocking::on_disk_unless_stalled(DiskWork::HomeFiles, home, move || Configuration::read(&request)).await
}

/// Opens the directory for temporary files as a generation does. Succeeds if its disk does not
/// answer.
async fn open_temp_dir(request: &Request) -> Result<Result<(), Cause>, Failure> {
    let path = request.env.temp_dir();
    let open = {
        let path = path.clone();
        move || fs_request(|| Parent::open(&path)).map(drop)
    };
    Ok(blocking::on_disk_unless_stalled(DiskWork::TempDir, path, open).await?.unwrap_or(Ok(())))
}

/// Returns the login of `auth.json`, otherwise that of `codex login status`.
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
    let output = ask(cli, request, args, new_tag()?, given_up.cancelled()).await.unwrap_or_default();
    Ok(login::from_status(&output))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::sentences::{assert_names_no_option, assert_sentence};

    #[test]
    fn every_problem_and_its_fix_is_whole_sentences_without_paths_or_options() {
        let evil = format!("x\u{202e}\n\u{1b}[31m`{}", "y".repeat(100_000));
        let problems = [
            Problem::blocking(&Cause::CodexNotFound),
            Problem::hint(&Cause::NotSignedIn),
            Problem::home_unanswered(),
            Problem::login_unknown(),
            Problem::custom_provider(&evil),
        ];
        let unknown = [QuotaUnknown::Unsupported, QuotaUnknown::NoAnswer, QuotaUnknown::Backend, QuotaUnknown::Exited];
        let messages = problems.into_iter().map(|problem| problem.message);
        for Message { problem, fix } in messages.chain(unknown.iter().map(QuotaUnknown::message)) {
            for text in [problem, fix] {
                assert_sentence(&text);
                assert_names_no_option(&text);
            }
        }
    }
}
