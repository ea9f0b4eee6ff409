//! Whether Codex is signed in with ChatGPT, found out without spending anything and without keeping any token.

use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};

use crate::files::read_regular;

/// How Codex is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// With ChatGPT: the image tool is there.
    ChatGpt,
    /// With a key or another programmatic credential: it is not.
    Programmatic,
    /// Not at all.
    None,
    /// Nobody can tell from here.
    Unknown,
}

impl Login {
    /// The name that JavaScript sees.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChatGpt => "chatgpt",
            Self::Programmatic => "api-key",
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }
}

/// `auth.json`, reduced to what is there: no credential is kept, nor even parsed into memory of its own.
#[derive(Deserialize)]
struct Auth {
    #[serde(rename = "auth_mode")]
    mode: Option<String>,
    #[serde(rename = "OPENAI_API_KEY", default, deserialize_with = "present")]
    api_key: bool,
    #[serde(default, deserialize_with = "present")]
    tokens: bool,
}

fn present<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    Ok(Option::<IgnoredAny>::deserialize(value)?.is_some())
}

/// The largest `auth.json` that is read, in bytes. A real one has some kilobytes.
const MAX_BYTES: u64 = 1 << 20;

/// What `auth.json` says. It says nothing where the credentials live in the system's keyring, and
/// where it is no regular file. Blocks on the disk.
#[must_use]
pub fn from_file(codex_home: &Path) -> Login {
    read_regular(&codex_home.join("auth.json"), MAX_BYTES).map_or(Login::Unknown, |bytes| from_auth(&bytes))
}

/// [`from_file`] of the bytes of an `auth.json`.
#[must_use]
pub fn from_auth(bytes: &[u8]) -> Login {
    let Ok(auth) = serde_json::from_slice::<Auth>(bytes) else { return Login::Unknown };
    match auth.mode.as_deref() {
        Some("apikey" | "agentIdentity" | "personalAccessToken" | "bedrockApiKey") => Login::Programmatic,
        // Before `auth_mode` existed, a key went before tokens.
        None if auth.api_key => Login::Programmatic,
        Some("chatgpt") | None if auth.tokens => Login::ChatGpt,
        _ => Login::Unknown,
    }
}

/// The arguments that make the CLI tell how it is signed in; it also knows the system's keyring.
pub const STATUS: [&str; 2] = ["login", "status"];

/// What `codex login status` printed, on stderr in all versions. Only known texts are believed, as whole lines:
/// "Logged in using ChatGPT", "Not logged in", and the programmatic ones of 0.132.0 to 0.169.0.
#[must_use]
pub fn from_status(output: &str) -> Login {
    const PROGRAMMATIC: [&str; 6] = [
        "Logged in using an API key",
        "API key configured",
        "Logged in using access token",
        "Logged in using personal access token",
        "Logged in using workload identity",
        "Logged in using Amazon Bedrock",
    ];
    let known = |line: &str| match line.trim() {
        "Logged in using ChatGPT" => Some(Login::ChatGpt),
        "Not logged in" => Some(Login::None),
        line if PROGRAMMATIC.iter().any(|text| line.starts_with(text)) => Some(Login::Programmatic),
        _ => None,
    };
    output.lines().find_map(known).unwrap_or(Login::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(text: &str) -> Login {
        from_auth(text.as_bytes())
    }

    #[test]
    fn a_chatgpt_login_passes_by_presence() {
        assert_eq!(auth(r#"{"auth_mode":"chatgpt","OPENAI_API_KEY":null,"tokens":{"id_token":"x"}}"#), Login::ChatGpt);
        assert_eq!(auth(r#"{"OPENAI_API_KEY":null,"tokens":{"id_token":"x"},"last_refresh":"…"}"#), Login::ChatGpt);
    }

    #[test]
    fn a_key_fails() {
        assert_eq!(auth(r#"{"auth_mode":"apikey","OPENAI_API_KEY":"sk-x"}"#), Login::Programmatic);
        assert_eq!(auth(r#"{"OPENAI_API_KEY":"sk-x"}"#), Login::Programmatic);
        assert_eq!(auth(r#"{"auth_mode":"agentIdentity"}"#), Login::Programmatic);
    }

    #[test]
    fn doubt_is_left_to_the_cli() {
        for text in
            ["", "{", "{}", "[]", r#"{"auth_mode":"chatgpt","tokens":null}"#, r#"{"auth_mode":"new","tokens":{}}"#]
        {
            assert_eq!(auth(text), Login::Unknown, "{text}");
        }
        assert_eq!(from_file(Path::new("/nonexistent")), Login::Unknown);
    }

    #[cfg(unix)]
    #[test]
    fn an_auth_json_that_is_no_regular_file_says_nothing() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("auth.json");
        assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
        assert_eq!(from_file(home.path()), Login::Unknown);
        std::fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
        assert_eq!(from_file(home.path()), Login::Unknown);
    }

    #[test]
    fn only_known_texts_are_believed() {
        assert_eq!(from_status("Logged in using ChatGPT\n"), Login::ChatGpt);
        assert_eq!(from_status("WARNING: x\nLogged in using ChatGPT\n"), Login::ChatGpt);
        assert_eq!(from_status("Logged in using an API key - sk-abc***xyz"), Login::Programmatic);
        assert_eq!(from_status("API key configured - sk-abc***xyz"), Login::Programmatic);
        assert_eq!(from_status("Not logged in"), Login::None);
        for text in
            ["", "Logged in using ChatGPT (maybe)", "logged in using chatgpt", "You are Not logged in", "error: x"]
        {
            assert_eq!(from_status(text), Login::Unknown, "{text}");
        }
    }
}
