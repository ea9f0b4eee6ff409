//! A `profile` selected in `config.toml`, which in 0.132.0 goes before `-c` and `--disable`.
//!
//! Whatever the profile sets, it sets for good: with `shell_tool = true` among its features even `read-only` has a shell. What the
//! command line says is therefore said once more within the profile itself, where `-c` does win. From 0.140.0 on such profiles are
//! refused with an error of Codex's own, whether or not that is done.

use toml::{Table, Value};

/// The one `-c` that makes `settings` (keys and values of others, the last word on a key last) hold against the profile, if one is
/// selected by `config`, the text of `config.toml`, or by them.
#[must_use]
pub fn override_of(config: &str, settings: &[(String, String)]) -> Option<(String, String)> {
    let selected = settings.iter().rev().find(|(key, _)| key == "profile").map(|(_, value)| value_of(value));
    let selected = selected.or_else(|| config.parse::<Table>().ok()?.remove("profile"))?;
    let name = selected.as_str()?.to_owned();
    let (mut own, mut features) = (Table::new(), Table::new());
    for (key, value) in settings {
        match key.strip_prefix("features.") {
            Some(feature) if !feature.contains('.') => features.insert(feature.to_owned(), value_of(value)),
            None if !key.contains('.') && !ELSEWHERE.contains(&key.as_str()) => {
                own.insert(key.clone(), value_of(value))
            }
            _ => None,
        };
    }
    own.insert("features".to_owned(), features.into());
    let profiles = Table::from_iter([(name, Value::from(own))]);
    Some(("profiles".to_owned(), Value::from(profiles).to_string()))
}

/// What no profile can hold.
const ELSEWHERE: [&str; 4] = ["mcp_servers", "profile", "profiles", "projects"];

/// The value of a `-c`, which is a string if it is no TOML.
fn value_of(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(settings: &[(&str, &str)]) -> Vec<(String, String)> {
        settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn profile(config: &str, settings: &[(&str, &str)]) -> Table {
        let (key, value) = override_of(config, &pairs(settings)).unwrap();
        let table: Table = format!("{key} = {value}").parse().unwrap();
        table["profiles"].as_table().unwrap().clone()
    }

    #[test]
    fn what_the_command_line_says_is_said_within_the_profile() {
        let settings = [
            ("features.apps", "false"),
            ("features.multi_agent_v2.enabled", "false"),
            ("web_search", "\"disabled\""),
            ("sandbox_workspace_write.writable_roots", "[]"),
            ("projects", "{}"),
            ("web_search", "live"),
        ];
        let profiles = profile("profile = 'a \"b\".c'", &settings);
        let expected = "web_search = 'live'\n[features]\napps = false".parse::<Table>().unwrap();
        assert_eq!(profiles["a \"b\".c"].as_table(), Some(&expected));
    }

    #[test]
    fn a_profile_that_the_caller_selects_counts() {
        assert!(profile("profile = 'a'", &[("profile", "b")]).contains_key("b"));
    }

    #[test]
    fn without_a_profile_nothing_is_said() {
        for config in ["", "profile = 5", "[profiles.a]", "not = = toml"] {
            assert_eq!(override_of(config, &pairs(&[("notify", "[]")])), None, "{config}");
        }
    }
}
