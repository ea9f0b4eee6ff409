//! Switches off for a turn what an image does not need.
//!
//! Every setting was tried with every version of COMPATIBILITY.md, 0.132.0 to 0.171.0, on every
//! route. All use `-c features.X=false`, because `--disable X` refuses unknown names. Settings of
//! the login, the provider, proxies and certificates stay. BENCHMARKS.md has the savings.

use toml::{Table, Value};

use super::config::{Config, Setting};
use super::version::Version;

/// Features that bring tools, instructions, side requests or programs of their own.
const FEATURES: [&str; 20] = [
    "apps",
    "browser_use",
    "browser_use_external",
    "computer_use",
    // What each part of a message is, repeated beside it (0.153.4 and newer).
    "content_item_kinds",
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
    "unified_exec_tty",
    "view_image",
    "workspace_dependencies",
    "worktrees",
];

/// Instructions, tools and habits. Not among them, because it breaks pictures:
/// `features.code_mode_host`, without which code mode cannot draw (0.150.1, 0.169.0). Replacing the
/// base instructions (`model_instructions_file`, `model_catalog_json`) would save most of what is
/// left of the request, but the backend has refused foreign ones, and the model might behave
/// differently.
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

/// Sub-agents, on in spite of `features.multi_agent*` where the model's entry in the catalogue asks
/// for them (0.144.6 to 0.171.0). Their pictures go to threads of their own, and their description
/// takes 6 to 7 KB of the request.
const AGENTS: (&str, &str) = ("agents.enabled", "false");

/// Tools that code mode describes in its own: a clock, and where there is no shell also those for
/// editing files and for MCP servers, which are in the shell's namespace. That of image_gen is
/// another.
const fn excluded(has_shell: bool) -> (&'static str, &'static str) {
    let namespaces = if has_shell { "[\"clock\"]" } else { "[\"clock\", \"functions\"]" };
    ("features.code_mode.excluded_tool_namespaces", namespaces)
}

/// The `-c` settings of a lean turn, whose agent has a shell or not.
///
/// What 0.171.0 still sends at first is 40 KB: the base instructions (21.5 KB, one text of the
/// model's entry in the catalogue), code mode's tool `exec` with those that it describes (13 KB),
/// two more tools (2.3 KB; the catalogue asks for one of them), the prompt, and metadata. Excluding
/// the shell from code mode as well would save 5 KB, and leave the agent nothing to copy the
/// picture with.
///
/// No setting of any version keeps `$CODEX_HOME/AGENTS.md` out of the request, so the prompt asks
/// the agent to ignore it. (A home made of links to the user's own, but for that file, works with
/// 0.132.0 to 0.169.0. It was not built: a version that replaced `auth.json` by renaming would
/// leave the renewed token, which is good for one use, in a directory that is about to be removed.)
#[must_use]
pub fn settings(config: &Config, has_shell: bool, version: Option<Version>) -> Vec<Setting> {
    let features = FEATURES.iter().map(|name| (format!("features.{name}"), "false".to_owned()));
    let agents = (version >= Some(Version::SWITCHES_AGENTS)).then_some(AGENTS);
    let excluded = (version >= Some(Version::EXCLUDES_TOOLS)).then_some(excluded(has_shell));
    let fixed = SETTINGS.into_iter().chain(agents).chain(excluded);
    let fixed = fixed.map(|(key, value)| (key.to_owned(), value.to_owned()));
    features.chain(fixed).chain(without_servers(config)).collect()
}

/// Switches the user's MCP servers off, each by its name: an empty `mcp_servers` does not clear
/// those of the files. They would be started for every picture, outside of the sandbox.
fn without_servers(config: &Config) -> Option<Setting> {
    let off = Table::from_iter([("enabled".to_owned(), Value::from(false))]);
    // One inline table: a dotted key of `-c` cannot hold a name with a dot.
    let servers = config.mcp_servers().into_iter().map(|name| (name.to_owned(), Value::from(off.clone())));
    let servers = servers.collect::<Table>();
    (!servers.is_empty()).then(|| ("mcp_servers".to_owned(), Value::from(servers).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_is_switched_off_by_its_name() {
        let config = "[mcp_servers.plain]\ncommand = 'x'\n[mcp_servers.'a.b c\"']\nurl = 'y'\n[mcp_servers.\"two\\nlines\"]\nurl = 'z'\n";
        let (key, value) = without_servers(&Config::of_user(config)).unwrap();
        assert_eq!(key, "mcp_servers");
        let table: Table = format!("{key} = {value}").parse().unwrap();
        let servers = table["mcp_servers"].as_table().unwrap();
        assert!(servers.keys().eq(["a.b c\"", "plain", "two\nlines"]));
        assert!(servers.values().all(|server| server["enabled"].as_bool() == Some(false)));
    }

    #[test]
    fn without_servers_nothing_is_said_about_them() {
        assert_eq!(without_servers(&Config::default()), None);
    }

    #[test]
    fn sub_agents_are_switched_off_where_the_version_heeds_it() {
        let switches = |version: Option<&str>| {
            let settings = settings(&Config::default(), true, version.and_then(Version::parse));
            settings.iter().any(|(key, value)| key == "agents.enabled" && value == "false")
        };
        assert!(switches(Some("0.147.0")) && switches(Some("0.171.0")));
        assert!(!switches(Some("0.144.6")) && !switches(None));
    }

    #[test]
    fn code_mode_excludes_tools_where_the_version_tolerates_it() {
        let excluded = |has_shell, version: Option<&str>| {
            let settings = settings(&Config::default(), has_shell, version.and_then(Version::parse));
            let is_it = |(key, _): &Setting| key == "features.code_mode.excluded_tool_namespaces";
            settings.into_iter().find(is_it).map(|(_, value)| value)
        };
        assert_eq!(excluded(true, Some("0.171.0")).as_deref(), Some("[\"clock\"]"));
        assert_eq!(excluded(false, Some("0.140.0")).as_deref(), Some("[\"clock\", \"functions\"]"));
        assert_eq!(excluded(true, Some("0.132.0")), None);
        assert_eq!(excluded(true, None), None);
    }

    #[test]
    fn every_value_is_toml() {
        let version = Version::parse("0.171.0");
        for (key, value) in settings(&Config::default(), false, version) {
            assert!(format!("{key} = {value}").parse::<Table>().is_ok(), "{key}={value}");
        }
    }
}
