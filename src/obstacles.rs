//! Finds what certainly keeps Codex from drawing, before a turn is paid for.
//!
//! A call fails with the first obstacle; a readiness check reports all of them. If drawing may
//! succeed, there is no obstacle, and Codex decides.

use crate::codex::command::callers_settings;
use crate::codex::config::{Config, ConfigFiles, LoginRules, Provider, Setting};
use crate::codex::locate::{Cli, locate};
use crate::codex::login::{self, Account, AccountWorkspace, Login};
use crate::codex::version::Version;
use crate::codex::{code_mode, image_tool};
use crate::error::{Cause, Demand, ToolUnavailable};
use crate::files;
use crate::request::Request;

/// The installed CLI.
#[derive(Debug, Clone)]
pub struct Installation {
    /// The CLI.
    pub cli: Cli,
    lacks_host: bool,
}

impl Installation {
    /// Finds the CLI. Blocks on the disk.
    ///
    /// # Errors
    /// Those of [`locate`].
    pub fn find(request: &Request) -> Result<Self, Cause> {
        let cli = locate(request)?;
        let lacks_host = files::fs_request(|| code_mode::lacks_host(&cli));
        Ok(Self { cli, lacks_host })
    }

    /// Returns the obstacle for the model that this version chooses by default.
    #[must_use]
    pub fn obstacle(&self, version: Option<Version>, configuration: &Configuration) -> Option<Cause> {
        let reason = match () {
            () if version < Some(Version::NEEDS_CODE_MODE_HOST) => return None,
            () if configuration.feature(code_mode::FEATURE) == Some(false) => {
                ToolUnavailable::SwitchedOff(code_mode::FEATURE)
            }
            () if self.lacks_host => ToolUnavailable::Incomplete,
            () => return None,
        };
        Some(Cause::ImageGenUnavailable(reason))
    }
}

/// The configuration of the user, the administrator and the call, with the login.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// All layers of configuration files.
    pub config: Config,
    has_no_home: bool,
    account: Account,
    rules: LoginRules,
    settings: Vec<Setting>,
    names_model: bool,
}

impl Configuration {
    /// Reads the configuration files and `auth.json`. Blocks on the disk.
    #[must_use]
    pub fn read(request: &Request) -> Self {
        let home = request.home_path();
        let config = Config::read(&ConfigFiles::of(&home, &request.env));
        let settings = callers_settings(request);
        Self {
            has_no_home: login::is_unusable_home(&request.codex_home),
            account: login::from_file(&home),
            rules: config.login_rules(&settings),
            names_model: request.model.is_some() || config.names_model(&settings),
            config,
            settings,
        }
    }

    /// The login, as far as the files determine it.
    #[must_use]
    pub const fn login(&self) -> Login {
        match self.account.login {
            _ if self.has_no_home => Login::None,
            login if self.rules.is_in_file => login,
            _ => Login::Unknown,
        }
    }

    /// The model provider of the call.
    #[must_use]
    pub fn provider(&self) -> Provider {
        self.config.provider(&self.settings)
    }

    /// Whether the call or the configuration chooses the model. It is then unknown which tools that
    /// model needs.
    #[must_use]
    pub const fn names_model(&self) -> bool {
        self.names_model
    }

    fn feature(&self, name: &str) -> Option<bool> {
        self.config.feature(name, &self.settings)
    }

    /// Returns everything that keeps Codex from drawing, given its login and its version, if known.
    #[must_use]
    pub fn obstacles(&self, login: Login, version: Option<Version>) -> Vec<Cause> {
        let account = self.account_obstacle(login);
        if self.has_no_home {
            return account.into_iter().collect();
        }
        let provider = match self.provider() {
            Provider::WithoutImageTool(name) => Some(ToolUnavailable::Provider(name)),
            Provider::Undefined(name) => Some(ToolUnavailable::Undefined(name)),
            Provider::OpenAi | Provider::Relay(_) => None,
        };
        let feature = image_tool::switched_off(&self.config, &self.settings, version).map(ToolUnavailable::SwitchedOff);
        let unavailable = provider.into_iter().chain(feature).map(Cause::ImageGenUnavailable);
        account.into_iter().chain(unavailable).collect()
    }

    /// Returns what keeps Codex from using an account, given its login.
    #[must_use]
    pub fn account_obstacle(&self, login: Login) -> Option<Cause> {
        if self.has_no_home {
            return Some(Cause::HomeUnusable);
        }
        let LoginRules { methods, workspaces, .. } = &self.rules;
        let allows = |method: &str| methods.as_ref().is_none_or(|methods| methods.iter().any(|one| one == method));
        if !allows("chatgpt") || workspaces.as_ref().is_some_and(Vec::is_empty) {
            return Some(Cause::LoginRefused(Demand::AnotherMethod));
        }
        match login {
            Login::None => Some(Cause::NotSignedIn),
            Login::Programmatic if !allows("api") => Some(Cause::LoginRefused(Demand::ChatGpt)),
            Login::Programmatic => Some(Cause::ApiKeyLogin),
            Login::ChatGpt if self.rules.is_in_file => {
                let is_demanded = match (workspaces, &self.account.workspace) {
                    (None, _) | (_, AccountWorkspace::Unknown) => true,
                    (Some(_), AccountWorkspace::None) => false,
                    (Some(demanded), AccountWorkspace::Of(id)) => demanded.contains(id),
                };
                (!is_demanded).then_some(Cause::LoginRefused(Demand::AnotherWorkspace))
            }
            Login::ChatGpt | Login::Unknown => None,
        }
    }
}
