//! Settings of a lean turn: they disable everything that drawing an image does not need.
//!
//! Each was tried with every version of COMPATIBILITY.md, 0.132.0 to 0.171.0, on every route.
//! Features are disabled by `-c features.X=false`, because `--disable X` refuses unknown names.
//! Settings of the login, the provider, proxies and certificates remain. For the savings see
//! BENCHMARKS.md.

use toml::{Table, Value};

use super::config::{Config, Setting};
use super::version::Version;

/// Disabled features, which add tools, instructions, side requests or programs.
const FEATURES: [&str; 20] = [
    "apps",
    "browser_use",
    "browser_use_external",
    "computer_use",
    // Sends the kind of each part of a message along with it (0.153.4 and newer).
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

/// Other settings of lean turns.
///
/// `features.code_mode_host` remains, since without it code mode cannot draw (0.150.1, 0.169.0). So
/// do the base instructions (`model_instructions_file`, `model_catalog_json`). Replacing them would
/// save most of the remaining request, but the backend has refused other instructions, and the
/// model might behave differently.
const SETTINGS: [(&str, &str); 18] = [
    // Starting the agent's shell as a login shell takes 100 ms and more.
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
    // Program that Codex runs after the turn.
    ("notify", "[]"),
    ("personality", "\"none\""),
    ("project_doc_max_bytes", "0"),
    ("skills.bundled.enabled", "false"),
    ("skills.include_instructions", "false"),
    ("tools.experimental_request_user_input.enabled", "false"),
    ("tools.update_plan.enabled", "false"),
    ("web_search", "\"disabled\""),
];

/// Disables sub-agents. The model's catalogue entry may enable them in spite of
/// `features.multi_agent*` (0.144.6 to 0.171.0). Their images go to other threads, and their
/// description takes 6 to 7 KB of the request.
const AGENTS: (&str, &str) = ("agents.enabled", "false");

/// Excludes tools from code mode's description: a clock, and without a shell also the namespace
/// `functions`, which contains the shell and the tools for editing files and for MCP servers.
/// image_gen is in another namespace.
const fn excluded(has_shell: bool) -> (&'static str, &'static str) {
    let namespaces = if has_shell { "[\"clock\"]" } else { "[\"clock\", \"functions\"]" };
    ("features.code_mode.excluded_tool_namespaces", namespaces)
}

/// Returns the `-c` settings of a lean turn. `has_shell`: whether its agent has a shell.
///
/// The first request of 0.171.0 then has 40 KB: the base instructions (21.5 KB, one text of the
/// model's catalogue entry), code mode's tool `exec` with the tools that it describes (13 KB), two
/// more tools (2.3 KB; the catalogue enables one of them), the prompt, and metadata. Excluding the
/// shell from code mode as well would save 5 KB, but the agent could not copy the image.
///
/// No setting of any version keeps `$CODEX_HOME/AGENTS.md` out of the request, so the prompt asks
/// the agent to ignore it. (A temporary home with links to all other files of the user's home works
/// with 0.132.0 to 0.169.0, but is not used. If a version replaced `auth.json` by renaming, the
/// renewed single-use token would be deleted with the temporary home.)
#[must_use]
pub fn settings(config: &Config, has_shell: bool, version: Option<Version>) -> Vec<Setting> {
    let features = FEATURES.iter().map(|name| (format!("features.{name}"), "false".to_owned()));
    let agents = (version >= Some(Version::SWITCHES_AGENTS)).then_some(AGENTS);
    let excluded = (version >= Some(Version::EXCLUDES_TOOLS)).then_some(excluded(has_shell));
    let fixed = SETTINGS.into_iter().chain(agents).chain(excluded);
    let fixed = fixed.map(|(key, value)| (key.to_owned(), value.to_owned()));
    features.chain(fixed).chain(without_servers(config)).collect()
}

/// Disables each of the user's MCP servers by its name: an empty `mcp_servers` does not remove
/// those of the files. Codex would start them for every image, outside the sandbox.
fn without_servers(config: &Config) -> Option<Setting> {
    let off = Table::from_iter([("enabled".to_owned(), Value::from(false))]);
    // One inline table, because `-c` splits its key at every dot, even in a server's name.
    let servers = config.mcp_servers().into_iter().map(|name| (name.to_owned(), Value::from(off.clone())));
    let servers = servers.collect::<Table>();
    (!servers.is_empty()).then(|| ("mcp_servers".to_owned(), Value::from(servers).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_is_disabled_by_its_name() {
        let config = "[mcp_servers.plain]\ncommand = 'x'\n[mcp_servers.'a.b c\"']\nurl = 'y'\n[mcp_servers.\"two\\nlines\"]\nurl = 'z'\n";
        let (key, value) = without_servers(&Config::of_user(config)).unwrap();
        assert_eq!(key, "mcp_servers");
        let table: Table = format!("{key} = {value}").parse().unwrap();
        let servers = table["mcp_servers"].as_table().unwrap();
        assert!(servers.keys().eq(["a.b c\"", "plain", "two\nlines"]));
        assert!(servers.values().all(|server| server["enabled"].as_bool() == Some(false)));
    }

    #[test]
    fn there_is_no_setting_for_servers_if_there_are_none() {
        assert_eq!(without_servers(&Config::default()), None);
    }

    #[test]
    fn sub_agents_are_disabled_in_versions_that_support_it() {
        let switches = |version: Option<&str>| {
            let settings = settings(&Config::default(), true, version.and_then(Version::parse));
            settings.iter().any(|(key, value)| key == "agents.enabled" && value == "false")
        };
        assert!(switches(Some("0.147.0")) && switches(Some("0.171.0")));
        assert!(!switches(Some("0.144.6")) && !switches(None));
    }

    #[test]
    fn code_mode_excludes_tools_in_versions_that_support_it() {
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
