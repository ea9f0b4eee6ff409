//! Whether the model provider that `config.toml` selects can have the image tool at all.
//!
//! All versions mount `image_gen` for OpenAI's own provider, for a custom one with `requires_openai_auth = true`, and for one
//! that sends the actor header; a custom provider without either certainly lacks it. Only what is certain is refused: a
//! file that cannot be read or does not parse, a provider that is not defined, or an unknown built-in one is Codex's own
//! business.
//!
//! Measured: with a ChatGPT login, 0.132.0 and 0.140.0 declare the hosted tool to such a provider too, and hand it the ChatGPT
//! token along with it; from 0.144.6 on the tool is gone. A relay that answers the hosted tool for an old CLI is refused here
//! all the same: what would work today stops with the user's next update.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use toml::Table;

/// The header that makes Codex treat a provider like OpenAI's own (in the binary of 0.169.0, not in that of 0.132.0).
const ACTOR_HEADER: &str = "x-openai-actor-authorization";
/// Codex's own provider, which a user's table of the same name does not change.
const OPENAI: &str = "openai";

/// The provider that a run would use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provider {
    /// OpenAI's own, or one that Codex alone can judge.
    OpenAi,
    /// A custom one of this name, which may have the image tool: some gateways pass it on, others do not.
    Relay(String),
    /// A custom one of this name, which certainly has no image tool.
    Without(String),
}

#[derive(Deserialize)]
struct Config {
    model_provider: Option<String>,
    profile: Option<String>,
    #[serde(default)]
    profiles: HashMap<String, Profile>,
    #[serde(default)]
    model_providers: HashMap<String, Custom>,
}

#[derive(Deserialize)]
struct Profile {
    model_provider: Option<String>,
}

#[derive(Deserialize)]
struct Custom {
    #[serde(default)]
    requires_openai_auth: bool,
    #[serde(default)]
    http_headers: Table,
    #[serde(default)]
    env_http_headers: Table,
}

impl Custom {
    fn mounts_image_gen(&self) -> bool {
        let mut headers = self.http_headers.keys().chain(self.env_http_headers.keys());
        self.requires_openai_auth || headers.any(|name| name.eq_ignore_ascii_case(ACTOR_HEADER))
    }
}

/// The provider that `config.toml` selects, with the `-c` settings of the run on top.
#[must_use]
pub fn selected(codex_home: &Path, overrides: &[(String, String)]) -> Provider {
    let text = std::fs::read_to_string(codex_home.join("config.toml")).unwrap_or_default();
    judge(&text, overrides).unwrap_or(Provider::OpenAi)
}

/// [`selected`] of the text of a `config.toml`; none where there is nothing to judge.
#[must_use]
pub fn judge(text: &str, overrides: &[(String, String)]) -> Option<Provider> {
    let config: Config = toml::from_str(text).ok()?;
    let given = |name: &str| overrides.iter().rev().find(|(key, _)| key == name).map(|(_, value)| unquote(value));
    let profile = given("profile").or(config.profile).and_then(|name| config.profiles.get(&name));
    let selected = given("model_provider")
        .or_else(|| profile.and_then(|profile| profile.model_provider.clone()))
        .or(config.model_provider)?;
    let provider = config.model_providers.get(&selected).filter(|_| selected != OPENAI)?;
    // A `-c` below `model_providers` may complete what the file lacks.
    let completed = overrides.iter().any(|(key, _)| key.starts_with("model_providers"));
    Some(if completed || provider.mounts_image_gen() { Provider::Relay(selected) } else { Provider::Without(selected) })
}

/// The value of a `-c` setting, which is TOML where it parses as such and plain text otherwise.
fn unquote(value: &str) -> String {
    let value = value.trim();
    let quoted = |quote| value.strip_prefix(quote).and_then(|rest: &str| rest.strip_suffix(quote));
    quoted('"').or_else(|| quoted('\'')).unwrap_or(value).to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Provider, judge};

    const RELAY: &str =
        "model_provider = 'relay'\n[model_providers.relay]\nname = 'Relay'\nbase_url = 'http://127.0.0.1/v1'\n";

    fn judged(text: &str) -> Option<Provider> {
        judge(text, &[])
    }

    fn without() -> Provider {
        Provider::Without("relay".into())
    }

    fn relay() -> Provider {
        Provider::Relay("relay".into())
    }

    #[test]
    fn a_relay_without_openai_login_is_certain() {
        assert_eq!(judged(RELAY), Some(without()));
        assert_eq!(judged(&format!("{RELAY}requires_openai_auth = false\n")), Some(without()));
    }

    #[test]
    fn a_relay_that_passes_the_login_on_is_not() {
        assert_eq!(judged(&format!("{RELAY}requires_openai_auth = true\n")), Some(relay()));
        assert_eq!(
            judged(&format!("{RELAY}http_headers = {{ 'X-OpenAI-Actor-Authorization' = 'x' }}\n")),
            Some(relay())
        );
        assert_eq!(
            judged(&format!("{RELAY}env_http_headers = {{ x-openai-actor-authorization = 'X' }}\n")),
            Some(relay())
        );
    }

    #[test]
    fn doubt_passes() {
        for text in
            ["", "model = 'x'", "model_provider = 'openai'", "model_provider = 'nowhere'", "this is = = not toml"]
        {
            assert_eq!(judged(text), None, "{text}");
        }
        assert_eq!(judged("model_provider = 'openai'\n[model_providers.openai]\nname = 'x'\n"), None);
        assert_eq!(judged("[model_providers.relay]\nname = 'defined, not selected'\n"), None);
    }

    #[test]
    fn a_profile_and_the_run_itself_select_too() {
        let text = "profile = 'p'\n[profiles.p]\nmodel_provider = 'relay'\n[model_providers.relay]\nname = 'r'\n";
        assert_eq!(judged(text), Some(without()));
        let with = |key: &str, value: &str| judge(text, &[(key.to_owned(), value.to_owned())]);
        assert_eq!(with("model_provider", "openai"), None);
        assert_eq!(with("model_provider", "\"openai\""), None);
        assert_eq!(with("model_providers.relay.requires_openai_auth", "true"), Some(relay()));
        assert_eq!(with("model", "x"), Some(without()));
    }
}
