//! Reads all layers of the user's Codex configuration and merges them as Codex does.
//!
//! From lowest to highest: the system's `config.toml`, the user's, the call's `-c` settings, the
//! administrator's `managed_config.toml` and macOS's managed preferences (0.132.0 to 0.171.0: run
//! on Linux, read in the source for macOS and Windows). `requirements.toml` constrains the result.
//! Settings that an organisation delivers over the network are not read.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::environment::{Environment, Platform};
use crate::files::read_regular;

/// `-c` setting: its dotted key and its value.
pub type Setting = (String, String);

/// Largest file that is read, in bytes. Large `config.toml` files have some tens of kilobytes.
const MAX_BYTES: u64 = 1 << 20;

/// Paths of the layers.
#[derive(Debug, Clone)]
pub struct ConfigFiles {
    /// `config.toml` of the user.
    pub user: PathBuf,
    /// `config.toml` of the system.
    pub system: PathBuf,
    /// Administrator's settings, which override `-c`.
    pub managed: PathBuf,
    /// Administrator's constraints.
    pub requirements: PathBuf,
    /// Managed preferences of macOS. Only their existence is checked.
    pub preferences: Vec<PathBuf>,
}

impl ConfigFiles {
    /// Returns the paths on the environment's platform (codex-rs `config/src/loader`).
    #[must_use]
    pub fn of(codex_home: &Path, env: &Environment) -> Self {
        let user = codex_home.join("config.toml");
        if env.platform() == Platform::Windows {
            let data = env.get("ProgramData").unwrap_or(r"C:\ProgramData");
            let system = PathBuf::from(data).join("OpenAI").join("Codex");
            return Self {
                user,
                system: system.join("config.toml"),
                managed: codex_home.join("managed_config.toml"),
                requirements: system.join("requirements.toml"),
                preferences: Vec::new(),
            };
        }
        let system = Path::new("/etc/codex");
        let preferences = Path::new("/Library/Managed Preferences");
        let preferences = match (env.platform(), env.get("USER")) {
            (Platform::MacOs, Some(user)) => vec![preferences.join(user), preferences.to_path_buf()],
            (Platform::MacOs, None) => vec![preferences.to_path_buf()],
            _ => Vec::new(),
        };
        Self {
            user,
            system: system.join("config.toml"),
            managed: system.join("managed_config.toml"),
            requirements: system.join("requirements.toml"),
            preferences: preferences.into_iter().map(|dir| dir.join("com.openai.codex.plist")).collect(),
        }
    }
}

/// One configuration file.
#[derive(Debug, Clone, Default, PartialEq)]
enum Layer {
    #[default]
    Absent,
    Parsed(Table),
    /// The file exists, but is not regular, too large, not readable or not TOML.
    Unreadable,
}

impl Layer {
    fn read(path: &Path) -> Self {
        match read_regular(path, MAX_BYTES) {
            Ok(bytes) => Self::parse(&String::from_utf8_lossy(&bytes)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Self::Absent
            }
            Err(_) => Self::Unreadable,
        }
    }

    fn parse(text: &str) -> Self {
        text.parse().map_or(Self::Unreadable, Self::Parsed)
    }

    fn is_unreadable(&self) -> bool {
        *self == Self::Unreadable
    }

    const fn table(&self) -> Option<&Table> {
        match self {
            Self::Parsed(table) => Some(table),
            Self::Absent | Self::Unreadable => None,
        }
    }
}

/// Settings of all layers.
#[derive(Debug, Clone, Default)]
pub struct Config {
    system: Layer,
    user: Layer,
    managed: Layer,
    requirements: Layer,
    has_preferences: bool,
}

impl Config {
    /// Reads all layers. Blocks on the disk.
    #[must_use]
    pub fn read(files: &ConfigFiles) -> Self {
        Self {
            system: Layer::read(&files.system),
            user: Layer::read(&files.user),
            managed: Layer::read(&files.managed),
            requirements: Layer::read(&files.requirements),
            has_preferences: files.preferences.iter().any(|path| path.exists()),
        }
    }

    /// Creates a configuration of the user's `config.toml` alone.
    #[must_use]
    pub fn of_user(text: &str) -> Self {
        Self { user: Layer::parse(text), ..Self::default() }
    }

    /// Returns the layers below the command line, lowest first.
    fn below(&self) -> impl Iterator<Item = &Table> {
        [&self.system, &self.user].into_iter().filter_map(Layer::table)
    }

    /// Merges all layers with the call's `-c` settings as Codex does.
    fn effective(&self, settings: &[Setting]) -> Table {
        let mut merged = Table::new();
        self.below().for_each(|layer| merge(&mut merged, layer));
        merge(&mut merged, &table_of(settings));
        self.managed.table().into_iter().for_each(|layer| merge(&mut merged, layer));
        merged
    }

    /// Returns the names of all MCP servers that any layer defines.
    #[must_use]
    pub fn mcp_servers(&self) -> BTreeSet<&str> {
        let layers = self.below().chain(self.managed.table());
        let servers = layers.filter_map(|layer| layer.get("mcp_servers")?.as_table());
        servers.flat_map(Table::keys).map(String::as_str).collect()
    }

    /// Returns the value that `of` finds in the highest layer, for settings that a legacy profile
    /// may contain. The profile overrides the files, and `-c` overrides the profile.
    fn lookup<T>(&self, settings: &[Setting], of: impl Fn(&Table) -> Option<T>) -> Option<T> {
        let (effective, commanded) = (self.effective(settings), table_of(settings));
        let profile = || effective.get("profiles")?.get(effective.get("profile")?.as_str()?)?.as_table();
        let layers = [self.managed.table(), Some(&commanded), profile(), Some(&effective)];
        layers.into_iter().flatten().find_map(of)
    }

    /// Whether there is a layer that cannot be read and thus may contain anything.
    fn has_unread_layer(&self) -> bool {
        self.has_preferences || [&self.system, &self.user, &self.managed].into_iter().any(Layer::is_unreadable)
    }

    /// Returns the model provider of a call with these `-c` settings.
    #[must_use]
    pub fn provider(&self, settings: &[Setting]) -> Provider {
        let selected = self.lookup(settings, |layer| layer.get("model_provider")?.as_str().map(str::to_owned));
        let Some(name) = selected.filter(|name| name != OPENAI) else { return Provider::OpenAi };
        let effective = self.effective(settings);
        match effective.get("model_providers").and_then(|defined| defined.get(&name)?.as_table()) {
            // Codex ignores or refuses a user's table of such a name.
            _ if BUILT_IN.contains(&name.as_str()) => Provider::WithoutImageTool(name),
            Some(provider) if mounts_image_gen(provider) => Provider::Relay(name),
            Some(_) => Provider::WithoutImageTool(name),
            None if self.has_unread_layer() => Provider::OpenAi,
            None => Provider::Undefined(name),
        }
    }

    /// Returns the state of `feature` in a call with these `-c` settings, if a layer sets it.
    #[must_use]
    pub fn feature(&self, feature: &str, settings: &[Setting]) -> Option<bool> {
        self.required_feature(feature).or_else(|| self.lookup(settings, |layer| switched(layer, "features", feature)))
    }

    /// Returns the state of `feature` that `requirements.toml` enforces against every layer, if
    /// any.
    #[must_use]
    pub fn required_feature(&self, feature: &str) -> Option<bool> {
        let required = self.requirements.table()?;
        REQUIRED_FEATURES.iter().find_map(|table| switched(required, table, feature))
    }

    /// Whether a layer or the call names the model. Assumes so if a layer cannot be read.
    #[must_use]
    pub fn names_model(&self, settings: &[Setting]) -> bool {
        self.has_unread_layer() || self.lookup(settings, |layer| layer.get("model").cloned()).is_some()
    }

    /// Returns which logins a call with these `-c` settings accepts, and where they are stored.
    #[must_use]
    pub fn login_rules(&self, settings: &[Setting]) -> LoginRules {
        let effective = self.effective(settings);
        let required = self.requirements.table();
        let store = required.and_then(|layer| layer.get(STORE)).or_else(|| effective.get(STORE));
        let forced = effective.get("forced_login_method").map(|method| vec![method.clone()]);
        let forced_workspaces = effective.get("forced_chatgpt_workspace_id").map(|ids| match ids {
            Value::Array(ids) => strings(ids),
            id => strings(std::slice::from_ref(id)),
        });
        let listed = |key: &str| required?.get(key)?.as_array().map(|listed| strings(listed));
        LoginRules {
            is_in_file: !self.has_preferences && store.is_none_or(|store| store.as_str() == Some("file")),
            methods: intersection(forced.map(|methods| strings(&methods)), listed("allowed_login_methods")),
            workspaces: intersection(forced_workspaces, listed("allowed_chatgpt_workspaces")),
        }
    }

    /// Returns a `-c` setting by which `settings` override a legacy `profile`, if one is selected.
    /// Of several settings with the same key the last wins.
    ///
    /// In 0.132.0 a profile overrides `-c` and `--disable`: with `shell_tool = true` among its
    /// features even `read-only` has a shell. But `-c` can set keys within the profile, so the
    /// settings are repeated there. From 0.140.0 on Codex refuses such profiles in any case.
    #[must_use]
    pub fn profile_override(&self, settings: &[Setting]) -> Option<Setting> {
        let selected = settings.iter().rev().find(|(key, _)| key == "profile").map(|(_, value)| value_of(value));
        let selected = selected.or_else(|| {
            let mut layers: Vec<&Table> = self.below().collect();
            layers.reverse();
            layers.into_iter().find_map(|layer| layer.get("profile").cloned())
        })?;
        let name = selected.as_str()?.to_owned();
        let (mut own, mut features) = (Table::new(), Table::new());
        for (key, value) in settings {
            match key.strip_prefix("features.") {
                Some(feature) if !feature.contains('.') => features.insert(feature.to_owned(), value_of(value)),
                None if !key.contains('.') && !NOT_IN_PROFILES.contains(&key.as_str()) => {
                    own.insert(key.clone(), value_of(value))
                }
                _ => None,
            };
        }
        own.insert("features".to_owned(), features.into());
        let profiles = Table::from_iter([(name, Value::from(own))]);
        Some(("profiles".to_owned(), Value::from(profiles).to_string()))
    }

    /// Whether the administrator's layers may override these `-c` settings about programs, tools
    /// and files. The sandbox, approvals and permissions are not checked here, but in the thread's
    /// rollout: see [`super::confinement`].
    #[must_use]
    pub fn outranks(&self, settings: &[Setting]) -> bool {
        let ours = table_of(settings);
        let managed = match &self.managed {
            Layer::Absent => false,
            Layer::Unreadable => true,
            Layer::Parsed(managed) => contradicts(managed, &ours),
        };
        let required = match &self.requirements {
            Layer::Absent => false,
            Layer::Unreadable => true,
            Layer::Parsed(required) => adds(required, &ours),
        };
        managed || required || self.has_preferences
    }
}

/// Keys that give the agent no further access to the disk, or whose effect the rollout shows.
const HARMLESS: [&str; 33] = [
    "analytics",
    "approval_policy",
    "approvals_reviewer",
    "chatgpt_base_url",
    "check_for_update_on_startup",
    "cli_auth_credentials_store",
    "default_permissions",
    "feedback",
    "file_opener",
    "forced_chatgpt_workspace_id",
    "forced_login_method",
    "hide_agent_reasoning",
    "history",
    "mcp_oauth_credentials_store",
    "model",
    "model_context_window",
    "model_provider",
    "model_providers",
    "model_reasoning_effort",
    "model_reasoning_summary",
    "model_verbosity",
    "notice",
    "openai_base_url",
    "otel",
    "permissions",
    "personality",
    "review_model",
    "sandbox_mode",
    "sandbox_workspace_write",
    "service_tier",
    "show_raw_agent_reasoning",
    "tui",
    "web_search",
];

/// Keys of `requirements.toml` that only restrict, or whose effect the rollout shows.
const HARMLESS_REQUIREMENTS: [&str; 19] = [
    "allow_managed_hooks_only",
    "allowed_approval_policies",
    "allowed_approvals_reviewers",
    "allowed_chatgpt_workspaces",
    "allowed_login_methods",
    "allowed_permission_profiles",
    "allowed_sandbox_modes",
    "allowed_web_search_modes",
    "chatgpt_base_url",
    "cli_auth_credentials_store",
    "default_permissions",
    "enforce_residency",
    "experimental_network",
    "guardian_policy_config",
    "mcp_servers",
    "network",
    "permissions",
    "remote_sandbox_config",
    "rules",
];

/// Returns the state of `feature` in this table of `layer`, if the table sets it.
fn switched(layer: &Table, table: &str, feature: &str) -> Option<bool> {
    layer.get(table)?.get(feature)?.as_bool()
}

/// Both names of the table of features in `requirements.toml` (0.132.0 to 0.171.0).
const REQUIRED_FEATURES: [&str; 2] = ["features", "feature_requirements"];

/// Whether merging `managed` over `ours` changes anything but [`HARMLESS`] keys.
fn contradicts(managed: &Table, ours: &Table) -> bool {
    managed.iter().any(|(key, value)| match ours.get(key) {
        _ if HARMLESS.contains(&key.as_str()) => false,
        Some(own) => changes(value, own),
        // MCP servers do not come here: `ours` disables each server of `managed` by its name.
        None => true,
    })
}

/// Whether merging `over` over `own` changes anything that has an effect.
fn changes(over: &Value, own: &Value) -> bool {
    match (over, own) {
        (Value::Table(over), Value::Table(own)) => over.iter().any(|(key, value)| match own.get(key) {
            Some(own) => changes(value, own),
            // Other keys of a disabled MCP server, such as its command, have no effect.
            None => own.get("enabled").and_then(Value::as_bool) != Some(false),
        }),
        _ => over != own,
    }
}

/// Whether `required` adds anything to a turn with the settings `ours`.
fn adds(required: &Table, ours: &Table) -> bool {
    let switched_on = |features: &Value| {
        let features = features.as_table().into_iter().flatten();
        let own = |name: &str| ours.get("features")?.get(name)?.as_bool();
        features.into_iter().any(|(name, value)| value.as_bool() != Some(false) && own(name) != value.as_bool())
    };
    required.iter().any(|(key, value)| match key.as_str() {
        key if REQUIRED_FEATURES.contains(&key) => switched_on(value),
        key => !HARMLESS_REQUIREMENTS.contains(&key),
    })
}

/// Logins that Codex accepts. It deletes any other login and exits with 1 (0.132.0 to 0.171.0), so
/// these rules have to be checked before it is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginRules {
    /// Whether the login is stored in `auth.json` only. `keyring` and `auto` store it in the
    /// system's keyring, `ephemeral` in the memory of one process.
    pub is_in_file: bool,
    /// Accepted methods: `chatgpt`, `api`. `None` accepts all.
    pub methods: Option<Vec<String>>,
    /// Accepted ChatGPT workspaces. `None` accepts all.
    pub workspaces: Option<Vec<String>>,
}

/// Key that selects where Codex stores the login.
const STORE: &str = "cli_auth_credentials_store";

/// Returns the strings among `values`, trimmed and without empty ones, as Codex does.
fn strings(values: &[Value]) -> Vec<String> {
    let texts = values.iter().filter_map(Value::as_str).map(str::trim);
    texts.filter(|text| !text.is_empty()).map(str::to_owned).collect()
}

/// Returns the names in both lists. Codex ignores an empty list of the configuration, but not an
/// empty list of `requirements.toml`.
fn intersection(forced: Option<Vec<String>>, allowed: Option<Vec<String>>) -> Option<Vec<String>> {
    match (forced.filter(|forced| !forced.is_empty()), allowed) {
        (Some(forced), Some(allowed)) => Some(forced.into_iter().filter(|name| allowed.contains(name)).collect()),
        (forced, allowed) => forced.or(allowed),
    }
}

/// Model provider of a call.
///
/// All versions offer `image_gen` with OpenAI's own provider, with a custom one that has
/// `requires_openai_auth = true`, and with one that sends the actor header. Other custom providers
/// and the other built-in ones certainly lack it. Codex does not start with a provider that is
/// neither built in nor defined (all versions). If a configuration file cannot be read, an
/// undefined provider is not refused, since that file may define it.
///
/// Measured: with a ChatGPT login, 0.132.0 and 0.140.0 offer the hosted tool to the custom
/// providers that lack it, too, and send them the ChatGPT token; from 0.144.6 on Codex does
/// neither. A relay that supports the hosted tool of an old CLI is refused nevertheless, since it
/// stops working with the next update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provider {
    /// OpenAI's own, or one that only Codex can find.
    OpenAi,
    /// Custom provider of this name. It may have the image tool, which some gateways support.
    Relay(String),
    /// Provider of this name that certainly has no image tool.
    WithoutImageTool(String),
    /// Provider of this name that does not exist.
    Undefined(String),
}

/// Default provider of Codex. A user's table of the same name does not change it.
const OPENAI: &str = "openai";
/// Other built-in providers.
const BUILT_IN: [&str; 3] = ["amazon-bedrock", "lmstudio", "ollama"];
/// Header that makes Codex treat a provider like OpenAI's own (in the binary of 0.169.0, not in
/// that of 0.132.0).
const ACTOR_HEADER: &str = "x-openai-actor-authorization";

fn mounts_image_gen(provider: &Table) -> bool {
    let names = |key: &str| provider.get(key).and_then(Value::as_table).into_iter().flat_map(Table::keys);
    let mut headers = names("http_headers").chain(names("env_http_headers"));
    provider.get("requires_openai_auth").and_then(Value::as_bool).unwrap_or_default()
        || headers.any(|name| name.eq_ignore_ascii_case(ACTOR_HEADER))
}

/// Keys that a profile cannot contain.
const NOT_IN_PROFILES: [&str; 4] = ["mcp_servers", "profile", "profiles", "projects"];

/// Parses the settings into one table. Codex splits keys at every dot, quoted or not.
fn table_of(settings: &[Setting]) -> Table {
    let mut table = Table::new();
    for (key, value) in settings.iter().filter(|(key, _)| key.split('.').count() <= MAX_KEY_PARTS) {
        insert(&mut table, key.trim(), value_of(value));
    }
    table
}

/// Deepest key that is parsed. Codex has none as deep; deeper tables could overflow the stack.
const MAX_KEY_PARTS: usize = 32;

fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => _ = table.insert(key.to_owned(), value),
        Some((first, rest)) => {
            let mut inner = match table.remove(first) {
                Some(Value::Table(inner)) => inner,
                _ => Table::new(),
            };
            insert(&mut inner, rest, value);
            table.insert(first.to_owned(), inner.into());
        }
    }
}

/// Parses the value of a `-c` setting, which is a string if it is not valid TOML.
fn value_of(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| text.trim().trim_matches(['"', '\'']).into())
}

/// Merges `over` into `base`, table by table.
fn merge(base: &mut Table, over: &Table) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(Value::Table(base)), Value::Table(over)) => merge(base, over),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELAY: &str =
        "model_provider = 'relay'\n[model_providers.relay]\nname = 'Relay'\nbase_url = 'http://127.0.0.1/v1'\n";

    fn pairs(settings: &[(&str, &str)]) -> Vec<Setting> {
        settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn provider(text: &str) -> Provider {
        Config::of_user(text).provider(&[])
    }

    fn without() -> Provider {
        Provider::WithoutImageTool("relay".into())
    }

    fn relay() -> Provider {
        Provider::Relay("relay".into())
    }

    fn system(text: &str) -> Config {
        Config { system: Layer::parse(text), ..Config::default() }
    }

    fn managed(text: &str) -> Config {
        Config { managed: Layer::parse(text), ..Config::default() }
    }

    fn required(text: &str) -> Config {
        Config { requirements: Layer::parse(text), ..Config::default() }
    }

    #[test]
    fn each_platform_has_the_paths_that_codex_reads() {
        let variables = [("USER", "u"), ("ProgramData", "D:\\Data")];
        let on = |platform| {
            let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            ConfigFiles::of(Path::new("/home/u/.codex"), &Environment::on(platform, variables))
        };
        let linux = on(Platform::Linux);
        assert_eq!(linux.user, Path::new("/home/u/.codex/config.toml"));
        assert_eq!(linux.system, Path::new("/etc/codex/config.toml"));
        assert_eq!(linux.managed, Path::new("/etc/codex/managed_config.toml"));
        assert_eq!(linux.requirements, Path::new("/etc/codex/requirements.toml"));
        assert!(linux.preferences.is_empty());
        let mac = on(Platform::MacOs);
        assert_eq!(mac.managed, linux.managed);
        assert_eq!(mac.preferences[0], Path::new("/Library/Managed Preferences/u/com.openai.codex.plist"));
        assert_eq!(mac.preferences[1], Path::new("/Library/Managed Preferences/com.openai.codex.plist"));
        let windows = on(Platform::Windows);
        assert_eq!(windows.system, PathBuf::from("D:\\Data").join("OpenAI").join("Codex").join("config.toml"));
        assert_eq!(windows.managed, Path::new("/home/u/.codex/managed_config.toml"));
    }

    #[test]
    fn every_layer_is_read_and_an_unreadable_one_is_not_absent() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        let files = ConfigFiles {
            user: file("user"),
            system: file("system"),
            managed: file("managed"),
            requirements: file("requirements"),
            preferences: vec![file("preferences")],
        };
        std::fs::write(&files.user, "a = 1").unwrap();
        std::fs::write(&files.system, "not = = toml").unwrap();
        std::fs::create_dir(&files.managed).unwrap();
        let config = Config::read(&files);
        assert_eq!(config.user, Layer::parse("a = 1"));
        assert_eq!((config.system, config.managed), (Layer::Unreadable, Layer::Unreadable));
        assert_eq!((config.requirements, config.has_preferences), (Layer::Absent, false));
        std::fs::write(&files.preferences[0], "").unwrap();
        assert!(Config::read(&files).has_preferences);
    }

    #[test]
    fn a_relay_without_openai_login_has_no_image_tool() {
        assert_eq!(provider(RELAY), without());
        assert_eq!(provider(&format!("{RELAY}requires_openai_auth = false\n")), without());
    }

    #[test]
    fn a_relay_that_forwards_the_login_may_have_the_image_tool() {
        assert_eq!(provider(&format!("{RELAY}requires_openai_auth = true\n")), relay());
        let header = "http_headers = { 'X-OpenAI-Actor-Authorization' = 'x' }\n";
        assert_eq!(provider(&format!("{RELAY}{header}")), relay());
        let header = "env_http_headers = { x-openai-actor-authorization = 'X' }\n";
        assert_eq!(provider(&format!("{RELAY}{header}")), relay());
    }

    #[test]
    fn openai_is_the_provider_if_no_readable_layer_selects_another() {
        for text in [
            "",
            "model = 'x'",
            "model_provider = 'openai'",
            "this is = = not toml",
            "model_provider = 'openai'\n[model_providers.openai]\nname = 'x'\n",
            "[model_providers.relay]\nname = 'defined, not selected'\n",
        ] {
            assert_eq!(provider(text), Provider::OpenAi, "{text}");
        }
    }

    #[test]
    fn a_provider_that_is_neither_defined_nor_built_in_does_not_exist() {
        let undefined = |name: &str| Provider::Undefined(name.into());
        assert_eq!(provider("model_provider = 'nowhere'"), undefined("nowhere"));
        assert_eq!(provider("model_provider = ''"), undefined(""));
        assert_eq!(Config::of_user("").provider(&pairs(&[("model_provider", "nowhere")])), undefined("nowhere"));
        for built_in in BUILT_IN {
            let text =
                format!("model_provider = '{built_in}'\n[model_providers.{built_in}]\nrequires_openai_auth = true");
            assert_eq!(provider(&text), Provider::WithoutImageTool(built_in.into()));
        }
        let selecting = system("model_provider = 'relay'");
        let unreadable = Config { user: Layer::Unreadable, ..selecting.clone() };
        assert_eq!(unreadable.provider(&[]), Provider::OpenAi, "the file that cannot be read may define it");
        let preferences = Config { has_preferences: true, ..selecting };
        assert_eq!(preferences.provider(&[]), Provider::OpenAi);
    }

    #[test]
    fn the_highest_layer_that_sets_a_feature_wins() {
        const OFF: &str = "[features]\nimage_generation = false";
        const ON: &str = "[features]\nimage_generation = true";
        let is_off =
            |config: &Config, settings: &[_]| config.feature("image_generation", &pairs(settings)) == Some(false);
        let by_call = [("features.image_generation", "true")];
        assert!(!is_off(&Config::default(), &[]) && !is_off(&Config::of_user("features = 5"), &[]));
        for config in [Config::of_user(OFF), system(OFF)] {
            assert!(is_off(&config, &[]) && !is_off(&config, &by_call), "the call overrides the files");
        }
        assert!(is_off(&Config::default(), &[("features", "{image_generation=false}")]));
        assert!(
            is_off(&Config::default(), &[by_call[0], ("features.image_generation", "false")]),
            "the last setting wins"
        );
        let profile =
            "profile = 'p'\n[profiles.p.features]\nimage_generation = false\n[features]\nimage_generation = true";
        assert!(is_off(&Config::of_user(profile), &[]) && !is_off(&Config::of_user(profile), &by_call));
        assert!(
            is_off(&managed(OFF), &by_call) && is_off(&required(OFF), &by_call),
            "the administrator overrides the call"
        );
        let renamed = OFF.replace("features", "feature_requirements");
        assert!(
            is_off(&required(&renamed), &by_call) && !is_off(&managed(&renamed), &[]),
            "an earlier name of the table"
        );
        assert!(!is_off(&Config { user: Layer::parse(OFF), ..required(ON) }, &[]));
        assert_eq!(Config::of_user(ON).feature("another", &[]), None);
    }

    #[test]
    fn a_model_is_named_by_a_file_a_profile_or_the_call() {
        assert!(!Config::of_user("model_provider = 'openai'").names_model(&[]));
        assert!(Config::of_user("model = 'x'").names_model(&[]) && system("model = 'x'").names_model(&[]));
        assert!(Config::of_user("profile = 'p'\n[profiles.p]\nmodel = 'x'").names_model(&[]));
        assert!(Config::default().names_model(&pairs(&[("model", "x")])));
        assert!(
            Config { has_preferences: true, ..Config::default() }.names_model(&[]),
            "managed preferences cannot be read"
        );
    }

    #[test]
    fn the_login_is_in_a_file_unless_a_layer_selects_another_store() {
        let in_file = |config: &Config, settings: &[(&str, &str)]| config.login_rules(&pairs(settings)).is_in_file;
        assert!(in_file(&Config::default(), &[]));
        assert!(in_file(&Config::of_user("cli_auth_credentials_store = 'file'"), &[]));
        for store in ["keyring", "auto", "ephemeral", "new"] {
            let text = format!("cli_auth_credentials_store = '{store}'");
            for config in [Config::of_user(&text), system(&text), managed(&text), required(&text)] {
                assert!(!in_file(&config, &[]), "{store}");
            }
            assert!(!in_file(&Config::default(), &[("cli_auth_credentials_store", store)]));
        }
        let user = Layer::parse("cli_auth_credentials_store = 'keyring'");
        assert!(in_file(&Config { user, ..required("cli_auth_credentials_store = 'file'") }, &[]));
        assert!(!in_file(&Config { has_preferences: true, ..Config::default() }, &[]));
    }

    #[test]
    fn logins_are_narrowed_by_the_configuration_and_the_requirements() {
        let rules = |config: &Config| {
            let LoginRules { methods, workspaces, .. } = config.login_rules(&[]);
            (methods, workspaces)
        };
        let list = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(rules(&Config::default()), (None, None));
        let one = "forced_login_method = 'api'\nforced_chatgpt_workspace_id = ' a '";
        assert_eq!(rules(&Config::of_user(one)), (list(&["api"]), list(&["a"])));
        let several = "forced_chatgpt_workspace_id = ['a', '', 'b']";
        assert_eq!(rules(&system(several)), (None, list(&["a", "b"])));
        for none in ["forced_chatgpt_workspace_id = ' '", "forced_chatgpt_workspace_id = []"] {
            assert_eq!(rules(&Config::of_user(none)), (None, None), "{none}");
        }
        let allowed = "allowed_login_methods = ['chatgpt']\nallowed_chatgpt_workspaces = ['b', 'c']";
        assert_eq!(rules(&required(allowed)), (list(&["chatgpt"]), list(&["b", "c"])));
        let both = Config { user: Layer::parse(several), ..required(allowed) };
        assert_eq!(rules(&both), (list(&["chatgpt"]), list(&["b"])));
        assert_eq!(rules(&required("allowed_chatgpt_workspaces = []")), (None, list(&[])));
    }

    #[test]
    fn a_profile_or_the_call_may_select_the_provider() {
        let text = "profile = 'p'\n[profiles.p]\nmodel_provider = 'relay'\n[model_providers.relay]\nname = 'r'\n";
        assert_eq!(provider(text), without());
        let with = |key: &str, value: &str| Config::of_user(text).provider(&pairs(&[(key, value)]));
        assert_eq!(with("model_provider", "openai"), Provider::OpenAi);
        assert_eq!(with("model_provider", "\"openai\""), Provider::OpenAi);
        assert_eq!(with("model_providers.relay.requires_openai_auth", "true"), relay());
        assert_eq!(with("model", "x"), without());
    }

    #[test]
    fn layers_are_merged_as_codex_merges_them() {
        assert_eq!(system(RELAY).provider(&[]), without(), "the relay of the system layer");
        let user = Layer::parse("model_provider = 'openai'");
        assert_eq!(Config { user, ..system(RELAY) }.provider(&[]), Provider::OpenAi, "the user overrides the system");
        let user = Layer::parse("[model_providers.relay]\nrequires_openai_auth = true");
        assert_eq!(Config { user, ..system(RELAY) }.provider(&[]), relay(), "tables are merged");
        let commanded = pairs(&[("model_provider", "openai")]);
        assert_eq!(managed(RELAY).provider(&commanded), without(), "the administrator overrides `-c`");
    }

    #[test]
    fn the_mcp_servers_of_all_layers_are_listed() {
        let config = Config {
            system: Layer::parse("[mcp_servers.a]\ncommand = 'x'"),
            user: Layer::parse("[mcp_servers.'b.c d']\nurl = 'y'"),
            managed: Layer::parse("[mcp_servers.e]\nurl = 'z'\n[mcp_servers.a]\nenabled = true"),
            ..Config::default()
        };
        assert!(config.mcp_servers().into_iter().eq(["a", "b.c d", "e"]));
        for text in ["", "mcp_servers = 5", "[mcp_servers]\n", "not = = toml"] {
            assert!(Config::of_user(text).mcp_servers().is_empty(), "{text}");
        }
    }

    fn profile(config: &Config, settings: &[(&str, &str)]) -> Table {
        let (key, value) = config.profile_override(&pairs(settings)).unwrap();
        let table: Table = format!("{key} = {value}").parse().unwrap();
        table["profiles"].as_table().unwrap().clone()
    }

    #[test]
    fn the_settings_are_repeated_within_the_profile() {
        let settings = [
            ("features.apps", "false"),
            ("features.multi_agent_v2.enabled", "false"),
            ("web_search", "\"disabled\""),
            ("sandbox_workspace_write.writable_roots", "[]"),
            ("projects", "{}"),
            ("web_search", "live"),
        ];
        let selecting = "profile = 'a \"b\".c'";
        for config in [Config::of_user(selecting), system(selecting)] {
            let profiles = profile(&config, &settings);
            let expected = "web_search = 'live'\n[features]\napps = false".parse::<Table>().unwrap();
            assert_eq!(profiles["a \"b\".c"].as_table(), Some(&expected));
        }
        assert!(profile(&Config::of_user("profile = 'a'"), &[("profile", "b")]).contains_key("b"));
    }

    #[test]
    fn there_is_no_profile_override_without_a_profile() {
        for text in ["", "profile = 5", "[profiles.a]", "not = = toml"] {
            assert_eq!(Config::of_user(text).profile_override(&pairs(&[("notify", "[]")])), None, "{text}");
        }
    }

    #[test]
    fn a_key_of_any_depth_does_not_overflow_the_stack() {
        let deep = format!("{}a", "a.".repeat(200_000));
        assert_eq!(Config::of_user(&format!("{deep} = 1")).provider(&pairs(&[(&deep, "1")])), Provider::OpenAi);
        assert_eq!(table_of(&pairs(&[("a", "1"), ("a.b", "2")])), "a.b = 2".parse::<Table>().unwrap());
    }

    #[test]
    fn an_administrator_outranks_the_call_only_by_keys_that_are_not_harmless() {
        let ours = pairs(&[
            ("features.hooks", "false"),
            ("notify", "[]"),
            ("mcp_servers", "{s={enabled=false}}"),
            ("approval_policy", "\"never\""),
        ]);
        for harmless in [
            "",
            "model = 'x'\nsandbox_mode = 'danger-full-access'\napproval_policy = 'on-request'",
            "notify = []\n[features]\nhooks = false",
            "[mcp_servers.s]\ncommand = 'x'\nargs = ['y']",
        ] {
            assert!(!managed(harmless).outranks(&ours), "{harmless}");
        }
        for outranking in [
            "notify = ['x']",
            "[features]\nhooks = true",
            "[features]\nsomething_new = true",
            "[mcp_servers.s]\ncommand = 'x'\nenabled = true",
            "[mcp_servers.another]\ncommand = 'x'",
            "[hooks]\nx = 1",
            "something_new = 1",
            "not = = toml",
        ] {
            assert!(managed(outranking).outranks(&ours), "{outranking}");
        }
        assert!(Config { has_preferences: true, ..Config::default() }.outranks(&ours));
        assert!(!Config { user: Layer::parse("notify = ['x']"), ..Config::default() }.outranks(&ours));
    }

    #[test]
    fn requirements_outrank_the_call_only_if_they_add_something() {
        let ours = pairs(&[("features.hooks", "false"), ("features.shell_snapshot", "false")]);
        for restricting in [
            "",
            "default_permissions = ':danger-full-access'\n[allowed_permission_profiles]\n':workspace' = true",
            "allowed_sandbox_modes = ['read-only']\n[features]\nhooks = false\nplugins = false",
            "[mcp_servers.a.identity]\ncommand = 'x'",
            "allowed_login_methods = ['chatgpt']\nallowed_chatgpt_workspaces = ['a']\ncli_auth_credentials_store = 'file'",
        ] {
            assert!(!required(restricting).outranks(&ours), "{restricting}");
        }
        for adding in ["[features]\nhooks = true", "[features]\nnew = true", "[hooks]\nx = 1", "new = 1", "= ="] {
            assert!(required(adding).outranks(&ours), "{adding}");
        }
    }
}
