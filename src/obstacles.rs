//! Obstacles that certainly keep Codex from drawing, as far as they show before anything is spent.
//!
//! A call fails with the first one; a readiness check reports all of them. What is uncertain is no
//! obstacle: Codex decides.

use crate::codex::code_mode;
use crate::codex::command::callers_settings;
use crate::codex::config::{Config, ConfigFiles, LoginRules, Provider, Setting};
use crate::codex::locate::{Cli, locate};
use crate::codex::login::{self, Account, AccountWorkspace, Login};
use crate::codex::version::Version;
use crate::error::{Cause, Demand, ToolUnavailable};
use crate::files;
use crate::request::Request;

/// The CLI, as it is installed.
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

    /// What keeps the model that this version chooses by itself from drawing.
    #[must_use]
    pub fn obstacle(&self, version: Option<Version>, configuration: &Configuration) -> Option<Cause> {
        let unmounted = match () {
            () if version < Some(Version::NEEDS_CODE_MODE_HOST) => return None,
            () if configuration.feature(code_mode::FEATURE) == Some(false) => {
                ToolUnavailable::SwitchedOff(code_mode::FEATURE)
            }
            () if self.lacks_host => ToolUnavailable::Incomplete,
            () => return None,
        };
        Some(Cause::ImageGenUnavailable(unmounted))
    }
}

/// The feature that mounts the image tool (0.132.0 to 0.171.0).
const IMAGE_GENERATION: &str = "image_generation";
/// Its earlier name: see [`Version::RENAMES_IMAGE_FEATURE`].
const IMAGEGENEXT: &str = "imagegenext";

/// What is configured: in the home of Codex, by the administrator, and by the call itself.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// All layers of files.
    pub config: Config,
    has_no_home: bool,
    account: Account,
    rules: LoginRules,
    settings: Vec<Setting>,
    names_model: bool,
}

impl Configuration {
    /// Reads it. Blocks on the disk.
    #[must_use]
    pub fn read(request: &Request) -> Self {
        let home = request.codex_home();
        let config = Config::read(&ConfigFiles::here(&home, &request.env));
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

    /// How Codex is signed in, as far as the files show it.
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

    /// Whether the call or the configuration chooses the model. Which tools it needs is not known
    /// then.
    #[must_use]
    pub const fn names_model(&self) -> bool {
        self.names_model
    }

    fn feature(&self, name: &str) -> Option<bool> {
        self.config.feature(name, &self.settings)
    }

    /// The feature whose being switched off leaves no image tool.
    fn switched_off(&self, version: Option<Version>) -> Option<&'static str> {
        let is_renamed = version >= Some(Version::RENAMES_IMAGE_FEATURE);
        match (self.feature(IMAGE_GENERATION), self.feature(IMAGEGENEXT)) {
            // What is forbidden by either name stays off (0.144.6 and 0.171.0).
            _ if is_renamed && self.config.required_feature(IMAGEGENEXT) == Some(false) => Some(IMAGEGENEXT),
            (Some(false), Some(true)) if !is_renamed => None,
            (Some(false), _) => Some(IMAGE_GENERATION),
            (None, Some(false)) if is_renamed => Some(IMAGEGENEXT),
            _ => None,
        }
    }

    /// Everything that keeps Codex from drawing if it is signed in like this, and of this version,
    /// if that is known.
    #[must_use]
    pub fn obstacles(&self, login: Login, version: Option<Version>) -> Vec<Cause> {
        if self.has_no_home {
            return vec![Cause::HomeUnusable];
        }
        let unmounted = match self.provider() {
            Provider::WithoutImageTool(name) => Some(ToolUnavailable::Provider(name)),
            Provider::Undefined(name) => Some(ToolUnavailable::Undefined(name)),
            Provider::OpenAi | Provider::Relay(_) => None,
        };
        let off = self.switched_off(version).map(ToolUnavailable::SwitchedOff);
        let unmounted = unmounted.into_iter().chain(off).map(Cause::ImageGenUnavailable);
        self.login_obstacle(login).into_iter().chain(unmounted).collect()
    }

    fn login_obstacle(&self, login: Login) -> Option<Cause> {
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
