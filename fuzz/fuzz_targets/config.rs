//! Fuzzes the parsing of the user's `config.toml` and `auth.json`, and the settings made from them.

#![no_main]

use codex_image::codex::config::{Config, Provider};
use codex_image::codex::{lean, login};
use libfuzzer_sys::fuzz_target;
use toml::{Table, Value};

/// Parses a `-c` as Codex does.
fn parsed((key, value): &(String, String)) -> Table {
    let Ok(table) = format!("{key} = {value}").parse::<Table>() else { panic!("{key}={value} is no TOML") };
    table
}

fuzz_target!(|bytes: &[u8]| {
    let _ = login::from_auth(bytes);
    let text = String::from_utf8_lossy(bytes);
    let _ = login::from_status(&text);

    let config = text.parse::<Table>().unwrap_or_default();
    let defined = |of: &str| config.get(of).and_then(Value::as_table).cloned().unwrap_or_default();
    // Uses the first line as the value of a setting on the command line, too.
    let line = text.lines().next().unwrap_or_default().to_owned();
    let overrides = [("model_provider".to_owned(), line.clone())];
    let layers = Config::of_user(&text);
    for overrides in [&[], overrides.as_slice()] {
        let is_defined = |name: &str| defined("model_providers").get(name).is_some_and(Value::is_table);
        match layers.provider(overrides) {
            Provider::OpenAi => {}
            Provider::Relay(name) => assert!(is_defined(&name) && name != "openai", "{name:?} is not defined"),
            Provider::WithoutImageTool(name) => assert!(name != "openai"),
            Provider::Undefined(name) => assert!(!is_defined(&name), "{name:?} is defined"),
        }
        let _ = layers.login_rules(overrides);
        let _ = layers.feature("image_generation", overrides);
    }

    let mut settings = lean::settings(&layers, true, None);
    assert!(!layers.outranks(&settings), "the user's own file never outranks the call");
    let off = settings.iter().map(parsed).find_map(|mut table| table.remove("mcp_servers"));
    let off = off.as_ref().and_then(Value::as_table).cloned().unwrap_or_default();
    assert!(off.keys().eq(defined("mcp_servers").keys()), "every server is switched off by its name");
    assert!(off.values().all(|server| server["enabled"].as_bool() == Some(false)));

    let selected = config.get("profile").and_then(Value::as_str);
    let from_user = layers.profile_override(&settings);
    assert_eq!(from_user.is_some(), selected.is_some());
    // A setting of the caller may have any value.
    settings.push(("model".to_owned(), line));
    let with_caller = layers.profile_override(&settings);
    for (setting, name) in from_user.into_iter().chain(with_caller).zip(selected.into_iter().cycle()) {
        let profiles = &parsed(&setting)["profiles"];
        assert_eq!(profiles.as_table().map(Table::len), Some(1));
        assert_eq!(profiles[name]["notify"].as_array().map(Vec::len), Some(0), "the profile contains the settings");
    }
});
