//! Whether this machine can draw, and what to do if not: for a settings page, quickly, offline and at no cost.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::codex::ask::ask;
use crate::codex::config::{Config, Places, Provider};
use crate::codex::locate::{Cli, locate, searched};
use crate::codex::login::{self, Login};
use crate::codex::version::version_of;
use crate::error::{Cause, Failure};
use crate::gate::{self, Kind};
use crate::request::Request;
use crate::run::marker;
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
pub async fn check(request: Request, given_up: CancellationToken) -> Result<Readiness, Failure> {
    let request = Arc::new(request);
    let reading = async { tokio::try_join!(find(&request), read_home(&request)) };
    let (cli, home) = tokio::select! {
        found = reading => found?,
        () = given_up.cancelled() => (Err(Cause::CodexNotFound), None),
    };

    let mut problems = Vec::new();
    let mut version = None;
    let answered = home.is_some();
    let (mut login, provider) = home.unwrap_or((Login::Unknown, Provider::OpenAi));
    match &cli {
        // Codex reads its home at every start: it would not answer either.
        Ok(cli) if !answered => version.clone_from(&cli.version),
        Ok(cli) => {
            // Both take as long as the CLI takes to start, so they are asked at the same time.
            let (told_version, told_login) = tokio::join!(
                version_of(cli, &request, marker()?, given_up.cancelled()),
                login_of(cli, &request, login, &given_up)
            );
            version = told_version;
            login = told_login?;
        }
        Err(cause) => problems.push(about_cli(cause)),
    }
    if answered {
        problems.extend(about_login(login, cli.is_ok()));
    } else {
        problems.push(home_unanswered());
    }
    problems.extend(about_provider(&provider));
    let image_tool =
        answered && matches!(login, Login::ChatGpt | Login::Unknown) && !matches!(provider, Provider::Without(_));
    Ok(Readiness { codex_path: cli.ok().map(|cli| cli.program), version, login, image_tool, problems })
}

/// The CLI. One on a disk that does not answer cannot be run.
async fn find(request: &Arc<Request>) -> Result<Result<Cli, Cause>, Failure> {
    let sought = Arc::clone(request);
    let found = gate::read(Kind::Programs, searched(request), move || locate(&sought)).await?;
    Ok(found.unwrap_or(Err(Cause::CodexNotFound)))
}

/// What the files in `CODEX_HOME` say, if their disk answers.
async fn read_home(request: &Arc<Request>) -> Result<Option<(Login, Provider)>, Failure> {
    let (asked, home) = (Arc::clone(request), request.codex_home());
    let read = move || {
        let config = Config::read(&Places::here(&home, &asked.env));
        (login::from_file(&home), config.provider(&asked.config))
    };
    gate::read(Kind::Home, request.codex_home(), read).await
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
    let told = ask(cli, request, &login::STATUS, marker()?, given_up.cancelled()).await.unwrap_or_default();
    Ok(login::from_status(&told))
}

fn about_login(login: Login, could_ask: bool) -> Option<Problem> {
    let fix = "Run `codex login` and sign in with ChatGPT.".to_owned();
    let problem = |code, message: &str, blocking| Problem { code, message: message.into(), fix: fix.clone(), blocking };
    match login {
        Login::ChatGpt => None,
        Login::None => Some(problem("NOT_SIGNED_IN", "Codex is not signed in.", true)),
        Login::Programmatic => Some(problem(
            "API_KEY_LOGIN",
            "Codex is signed in with an API key or another programmatic login, which cannot draw images.",
            true,
        )),
        // Without a CLI there was nobody to ask, and that is a problem of its own already.
        Login::Unknown => {
            could_ask.then(|| problem("LOGIN_UNKNOWN", "It could not be found out how Codex is signed in.", false))
        }
    }
}

fn about_provider(provider: &Provider) -> Option<Problem> {
    match provider {
        Provider::OpenAi => None,
        Provider::Relay(relay) => Some(Problem {
            code: "CUSTOM_PROVIDER",
            message: format!(
                "config.toml selects the model provider `{}`, which may or may not pass the image tool on.",
                name(relay)
            ),
            fix: "If drawing fails, select OpenAI's own provider.".into(),
            blocking: false,
        }),
        Provider::Without(relay) => Some(Problem {
            code: "IMAGE_GEN_UNAVAILABLE",
            message: format!(
                "config.toml selects the model provider `{}`, which does not offer the image tool.",
                name(relay)
            ),
            fix:
                "Select OpenAI's own provider, or set requires_openai_auth = true for a relay that passes the tool on."
                    .into(),
            blocking: true,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::sentences::{assert_names_no_option, assert_sentence};

    #[test]
    fn every_problem_and_its_fix_is_fit_for_its_readers() {
        let clis = [Cause::CodexNotFound, Cause::CodexForWindows, Cause::CodexUnusable("it is a directory")];
        let logins = [Login::None, Login::Programmatic, Login::Unknown];
        let evil = format!("x\u{202e}\n\u{1b}[31m`{}", "y".repeat(100_000));
        let providers = [Provider::Relay(evil.clone()), Provider::Without(evil)];
        let problems: Vec<_> = [home_unanswered()]
            .into_iter()
            .chain(clis.iter().map(about_cli))
            .chain(logins.into_iter().filter_map(|login| about_login(login, true)))
            .chain(providers.iter().filter_map(about_provider))
            .collect();
        assert_eq!(problems.len(), 9);
        for Problem { message, fix, .. } in problems {
            for text in [message, fix] {
                assert_sentence(&text);
                assert_names_no_option(&text);
            }
        }
    }
}
