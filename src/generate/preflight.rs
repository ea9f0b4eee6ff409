//! Finds the CLI, checks its login and configuration, and makes the workspace.

use std::sync::Arc;

use crate::blocking::{self, Kind, blocking};
use crate::codex::ask::ask;
use crate::codex::config::Config;
use crate::codex::locate::{Cli, searched};
use crate::codex::login::{self, Login};
use crate::codex::version::{Version, version_of};
use crate::error::{Cause, Failure, os_words};
use crate::limits::Limits;
use crate::obstacles::{Configuration, Installation};
use crate::process::Marker;
use crate::request::Request;
use crate::sweep;
use crate::workspace::{Parent, Workspace};

/// What was found before anything is spent.
pub struct Found {
    pub cli: Cli,
    pub codex_version: Option<String>,
    pub config: Config,
}

/// Finds the CLI and makes sure, without spending anything, that it can draw. Only certainty
/// refuses; doubt passes.
pub async fn preflight(request: &Arc<Request>, run: &Marker, limits: &Limits) -> Result<Found, Failure> {
    let (sought, asked) = (Arc::clone(request), Arc::clone(request));
    let search = blocking::read_patiently(Kind::Programs, searched(request), move || Installation::find(&sought));
    let installation = limits.unless_interrupted(search).await???;
    let files = blocking::read_patiently(Kind::Home, request.codex_home(), move || Configuration::read(&asked));
    let configuration = limits.unless_interrupted(files).await??;
    let cli = &installation.cli;
    let mut login = configuration.login();
    if login == Login::Unknown {
        let args = login::status_args(&request.config);
        let told = ask(cli, request, args, run.clone(), limits.interrupted()).await;
        login = login::from_status(&told.map_err(|error| Cause::SpawnFailed(os_words(&error)))?);
        limits.check()?;
    }
    let obstacle = |version| configuration.obstacles(login, version).into_iter().next();
    if let Some(cause) = obstacle(None) {
        return Err(cause.into());
    }
    let codex_version = version_of(cli, request, run.clone(), limits.interrupted()).await;
    limits.check()?;
    let version = codex_version.as_deref().and_then(Version::parse);
    let of_model = || installation.obstacle(version, &configuration);
    // Another model may do without.
    if let Some(cause) = obstacle(version).or_else(|| of_model().filter(|_| !configuration.names_model())) {
        return Err(cause.into());
    }
    Ok(Found { cli: installation.cli, codex_version, config: configuration.config })
}

pub async fn make_workspace(request: &Request, run: &Marker, limits: &Limits) -> Result<Workspace, Failure> {
    let (parent, run) = (request.env.temp_dir(), run.value.clone());
    let sweep = move || {
        let parent = Parent::open(&parent)?;
        sweep::once(&parent);
        Ok::<_, Cause>(parent)
    };
    // A sweep that takes longer than the call goes on without it.
    let parent = limits.unless_interrupted(blocking(sweep)).await???;
    let workspace = blocking(move || Workspace::create(parent, &run)).await?;
    Ok(workspace.map_err(|error| Cause::WorkspaceFailed(os_words(&error)))?)
}
