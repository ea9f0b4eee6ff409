//! What a picture does not need, switched off for the turn.
//!
//! Every setting here was tried with 0.132.0, 0.140.0, 0.144.6, 0.150.1 and 0.169.0, through every way they draw. `-c
//! features.X=false` is used throughout, because `--disable X` refuses what it does not know. Login, provider, proxy and
//! certificate settings are not touched.
//!
//! How much smaller and faster a turn becomes stands in BENCHMARKS.md.
//!
//! Not possible this way: no setting of any version keeps `$CODEX_HOME/AGENTS.md` out of the request, so the prompt asks the agent to
//! leave it aside. (A home made of links to the user's own, but for that file, works with all five versions. It was not built: a
//! version that replaced `auth.json` by renaming would leave the renewed token, which is good for one use, in a directory that is
//! about to be removed.)

use toml::{Table, Value};

/// Features that bring tools, instructions, side requests or programs of their own.
const FEATURES: [&str; 18] = [
    "apps",
    "browser_use",
    "browser_use_external",
    "computer_use",
    "goals",
    "hooks",
    "in_app_browser",
    "memories",
    "multi_agent",
    "plugins",
    "skill_mcp_dependency_install",
    "skill_search",
    "sleep_tool",
    "tool_search_always_defer_mcp_tools",
    "tool_suggest",
    "view_image",
    "workspace_dependencies",
    "worktrees",
];

/// Instructions, tools and habits. Not among them, because it breaks pictures: `features.code_mode_host`, without which code
/// mode cannot draw (0.150.1, 0.169.0), and `agents.enabled`, which 0.144.6 and earlier refuse. Replacing the base instructions
/// would save most of what is left of the request, but the backend has refused foreign ones.
const SETTINGS: [(&str, &str); 18] = [
    // Of the agent's shell; 100 ms and more.
    ("allow_login_shell", "false"),
    ("analytics.enabled", "false"),
    ("developer_instructions", "\"\""),
    ("features.multi_agent_v2.enabled", "false"),
    ("features.multi_agent_v2.root_agent_usage_hint_text", "\"\""),
    ("include_apps_instructions", "false"),
    ("include_collaboration_mode_instructions", "false"),
    ("include_environment_context", "false"),
    ("include_permissions_instructions", "false"),
    ("model_reasoning_effort", "\"low\""),
    // A program that Codex runs after the turn.
    ("notify", "[]"),
    ("personality", "\"none\""),
    ("project_doc_max_bytes", "0"),
    ("skills.bundled.enabled", "false"),
    ("skills.include_instructions", "false"),
    ("tools.experimental_request_user_input.enabled", "false"),
    ("tools.update_plan.enabled", "false"),
    ("web_search", "\"disabled\""),
];

/// The settings of a lean turn, as keys and values of `-c`. `config` is the text of the user's `config.toml`.
#[must_use]
pub fn settings(config: &str) -> Vec<(String, String)> {
    let features = FEATURES.iter().map(|name| (format!("features.{name}"), "false".to_owned()));
    let fixed = SETTINGS.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    features.chain(fixed).chain(without_servers(config)).collect()
}

/// Switches the user's MCP servers off, each by its name: an empty `mcp_servers` does not clear those of the file. They would be
/// started for every picture, outside of the sandbox.
fn without_servers(config: &str) -> Option<(String, String)> {
    let config: Table = config.parse().ok()?;
    let names = config.get("mcp_servers")?.as_table()?.keys().cloned();
    let off = Table::from_iter([("enabled".to_owned(), Value::from(false))]);
    // One inline table: a dotted key of `-c` cannot hold a name with a dot.
    let servers: Table = names.map(|name| (name, Value::from(off.clone()))).collect();
    (!servers.is_empty()).then(|| ("mcp_servers".to_owned(), Value::from(servers).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_is_switched_off_by_its_name() {
        let config = "[mcp_servers.plain]\ncommand = 'x'\n[mcp_servers.'a.b c\"']\nurl = 'y'\n[mcp_servers.\"two\\nlines\"]\nurl = 'z'\n";
        let (key, value) = without_servers(config).unwrap();
        assert_eq!(key, "mcp_servers");
        let table: Table = format!("{key} = {value}").parse().unwrap();
        let servers = table["mcp_servers"].as_table().unwrap();
        assert!(servers.keys().eq(["a.b c\"", "plain", "two\nlines"]));
        assert!(servers.values().all(|server| server["enabled"].as_bool() == Some(false)));
    }

    #[test]
    fn without_servers_nothing_is_said_about_them() {
        for config in ["", "mcp_servers = 5", "[mcp_servers]\n", "not = = toml"] {
            assert_eq!(without_servers(config), None, "{config}");
        }
    }

    #[test]
    fn every_value_is_toml() {
        for (key, value) in SETTINGS {
            assert!(format!("{key} = {value}").parse::<Table>().is_ok(), "{key}={value}");
        }
    }
}
