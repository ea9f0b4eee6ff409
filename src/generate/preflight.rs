//! Finds the CLI, checks its login and configuration, and makes the workspace.

use std::sync::Arc;

use crate::blocking::{self, DiskWork};
use crate::codex::ask::{ask, version_of};
use crate::codex::config::Config;
use crate::codex::locate::{Cli, searched};
use crate::codex::login::{self, Login};
use crate::codex::version::Version;
use crate::error::{Cause, Failure, os_error_text};
use crate::limits::Limits;
use crate::obstacles::{Configuration, Installation};
use crate::process::Marker;
use crate::request::Request;
use crate::sweep;
use crate::workspace::{Parent, Workspace};

/// The installed Codex and its configuration.
pub struct Preflight {
    pub cli: Cli,
    pub codex_version: Option<String>,
    pub config: Config,
}

impl Preflight {
    /// Finds the CLI and checks at no cost that it can draw. Fails only if it certainly cannot.
    pub async fn run(request: &Arc<Request>, marker: &Marker, limits: &Limits) -> Result<Self, Failure> {
        let installation = find(request, limits).await?;
        let configuration = read_configuration(request, limits).await?;
        let login = login(&installation.cli, &configuration, request, marker, limits).await?;
        if let Some(cause) = configuration.obstacles(login, None).into_iter().next() {
            return Err(cause.into());
        }
        let codex_version = version_of(&installation.cli, request, marker.clone(), limits.interrupted()).await;
        limits.check()?;
        let version = codex_version.as_deref().and_then(Version::parse);
        let obstacle = configuration.obstacles(login, version).into_iter().next();
        // A model that is named explicitly may not need the code mode host.
        let of_default_model =
            || installation.obstacle(version, &configuration).filter(|_| !configuration.names_model());
        match obstacle.or_else(of_default_model) {
            Some(cause) => Err(cause.into()),
            None => Ok(Self { cli: installation.cli, codex_version, config: configuration.config }),
        }
    }
}

async fn find(request: &Arc<Request>, limits: &Limits) -> Result<Installation, Failure> {
    let (path, request) = (searched(request), Arc::clone(request));
    let finding = blocking::on_disk(DiskWork::ProgramSearch, path, move || Installation::find(&request));
    Ok(limits.unless_interrupted(finding).await??)
}

async fn read_configuration(request: &Arc<Request>, limits: &Limits) -> Result<Configuration, Failure> {
    let (path, request) = (request.codex_home(), Arc::clone(request));
    let reading = blocking::on_disk(DiskWork::HomeFiles, path, move || Configuration::read(&request));
    limits.unless_interrupted(reading).await
}

/// Reads from Codex's files how it is signed in, otherwise runs `codex login status`.
async fn login(
    cli: &Cli,
    configuration: &Configuration,
    request: &Request,
    marker: &Marker,
    limits: &Limits,
) -> Result<Login, Failure> {
    let login = configuration.login();
    if login != Login::Unknown {
        return Ok(login);
    }
    let answer = ask(cli, request, login::status_args(&request.config), marker.clone(), limits.interrupted()).await;
    let answer = answer.map_err(|error| Cause::SpawnFailed(os_error_text(&error)))?;
    limits.check()?;
    Ok(login::from_status(&answer))
}

/// Makes the workspace, after removing those of dead daemons in the same directory.
pub async fn make_workspace(request: &Request, marker: &Marker, limits: &Limits) -> Result<Workspace, Failure> {
    let (parent, run) = (request.env.temp_dir(), marker.value.clone());
    let sweep = move || {
        let parent = Parent::open(&parent)?;
        sweep::once(&parent);
        Ok::<_, Cause>(parent)
    };
    // If the call ends first, the sweep continues in the background.
    let parent = limits.unless_interrupted(blocking::run(sweep)).await??;
    let workspace = blocking::run(move || Workspace::create(parent, &run)).await?;
    Ok(workspace.map_err(|error| Cause::WorkspaceFailed(os_error_text(&error)))?)
}
