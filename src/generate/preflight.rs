//! Finds the CLI and checks its login and configuration.

use std::sync::Arc;

use crate::blocking::{self, DiskWork};
use crate::codex::ask::{ask, version_of};
use crate::codex::config::Config;
use crate::codex::locate::{Cli, searched};
use crate::codex::login::{self, Login};
use crate::codex::version::Version;
use crate::error::Failure;
use crate::interrupts::Interrupts;
use crate::obstacles::{Configuration, Installation};
use crate::process::RunTag;
use crate::request::Request;

/// The installed Codex and its configuration.
pub struct Preflight {
    pub cli: Cli,
    pub codex_version: Option<String>,
    pub config: Config,
}

impl Preflight {
    /// Finds the CLI and checks at no cost that it can draw. Fails only if it certainly cannot.
    pub async fn run(request: &Arc<Request>, tag: &RunTag, interrupts: &Interrupts) -> Result<Self, Failure> {
        let installation = find(request, interrupts).await?;
        let configuration = read_configuration(request, interrupts).await?;
        let login = read_login(&installation.cli, &configuration, request, tag, interrupts).await?;
        if let Some(cause) = configuration.obstacles(login, None).into_iter().next() {
            return Err(cause.into());
        }
        let codex_version = version_of(&installation.cli, request, tag.clone(), interrupts.interrupted()).await;
        interrupts.check()?;
        let version = codex_version.as_deref().and_then(Version::parse);
        let obstacle = configuration.obstacles(login, version).into_iter().next();
        // A model that is named explicitly may not need the code mode host.
        let needs_host = !configuration.names_model();
        let of_installation = || installation.obstacle(version, &configuration).filter(|_| needs_host);
        match obstacle.or_else(of_installation) {
            Some(cause) => Err(cause.into()),
            None => Ok(Self { cli: installation.cli, codex_version, config: configuration.config }),
        }
    }
}

async fn find(request: &Arc<Request>, interrupts: &Interrupts) -> Result<Installation, Failure> {
    let (path, request) = (searched(request), Arc::clone(request));
    let finding = blocking::on_disk(DiskWork::ProgramSearch, path, move || Installation::find(&request));
    Ok(interrupts.unless_interrupted(finding).await??)
}

async fn read_configuration(request: &Arc<Request>, interrupts: &Interrupts) -> Result<Configuration, Failure> {
    let (path, request) = (request.home_path(), Arc::clone(request));
    let reading = blocking::on_disk(DiskWork::HomeFiles, path, move || Configuration::read(&request));
    interrupts.unless_interrupted(reading).await
}

/// Reads from Codex's files how it is signed in, otherwise runs `codex login status`.
async fn read_login(
    cli: &Cli,
    configuration: &Configuration,
    request: &Request,
    tag: &RunTag,
    interrupts: &Interrupts,
) -> Result<Login, Failure> {
    let login = configuration.login();
    if login != Login::Unknown {
        return Ok(login);
    }
    let answer = ask(cli, request, login::status_args(&request.config), tag.clone(), interrupts.interrupted()).await?;
    interrupts.check()?;
    Ok(login::from_status(&answer))
}
