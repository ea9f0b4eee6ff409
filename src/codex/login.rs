//! Finds out how Codex is signed in, at no cost and without keeping any token.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};

use super::config::Setting;
use crate::files::{fs_request, read_regular};
use crate::request::CodexHome;

/// Kind of login of Codex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// With ChatGPT. Codex has the image tool.
    ChatGpt,
    /// With a key or another programmatic credential. Codex has no image tool.
    Programmatic,
    /// Not signed in.
    None,
    /// Not known from the files.
    Unknown,
}

impl Login {
    /// Returns the name in the JavaScript API.
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

/// Content of `auth.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Kind of login.
    pub login: Login,
    /// Workspace of the login.
    pub workspace: AccountWorkspace,
}

/// ChatGPT workspace of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountWorkspace {
    /// The workspace with this id.
    Of(String),
    /// The login names none.
    None,
    /// Not known from the files.
    Unknown,
}

impl Account {
    const UNKNOWN: Self = Self { login: Login::Unknown, workspace: AccountWorkspace::Unknown };
}

/// Parsed part of `auth.json`: which credentials exist, and the workspace's id.
#[derive(Deserialize)]
struct Auth {
    #[serde(rename = "auth_mode")]
    mode: Option<String>,
    #[serde(rename = "OPENAI_API_KEY", default, deserialize_with = "present")]
    api_key: bool,
    #[serde(default)]
    tokens: Option<Tokens>,
}

fn present<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    Ok(Option::<IgnoredAny>::deserialize(value)?.is_some())
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(default, rename = "id_token", deserialize_with = "workspace")]
    workspace: Option<AccountWorkspace>,
}

/// Deserializes the workspace from an ID token. All versions compare this claim with
/// `forced_chatgpt_workspace_id`. The signature is not checked; the backend does that.
fn workspace<'de, D: Deserializer<'de>>(token: D) -> Result<Option<AccountWorkspace>, D::Error> {
    #[derive(Default, Deserialize)]
    struct Claims {
        #[serde(default, rename = "https://api.openai.com/auth")]
        auth: Auth,
    }
    #[derive(Default, Deserialize)]
    struct Auth {
        chatgpt_account_id: Option<String>,
    }
    let token = serde_json::Value::deserialize(token)?;
    let payload = token.as_str().and_then(|token| BASE64.decode(token.split('.').nth(1)?).ok());
    let claims = payload.and_then(|payload| serde_json::from_slice::<Claims>(&payload).ok());
    Ok(claims.map(|claims| claims.auth.chatgpt_account_id.map_or(AccountWorkspace::None, AccountWorkspace::Of)))
}

/// Whether Codex cannot start with this home, which has to be a directory in which this process may
/// open files. The default home need not exist, since Codex creates it (0.132.0 and 0.171.0).
/// Blocks on the disk.
#[must_use]
pub fn is_unusable_home(codex_home: &CodexHome) -> bool {
    // The dot requires search permission for the directory.
    match fs_request(|| codex_home.path.join(".").metadata()) {
        Ok(metadata) => !metadata.is_dir(),
        Err(error) => codex_home.is_named || error.kind() != io::ErrorKind::NotFound,
    }
}

/// Largest `auth.json` that is read, in bytes. A real one has some kilobytes.
const MAX_BYTES: u64 = 1 << 20;

/// Reads `auth.json`. The account is unknown if the credentials are in the system's keyring, or if
/// the file is not regular. Blocks on the disk.
#[must_use]
pub fn from_file(codex_home: &Path) -> Account {
    read_regular(&codex_home.join("auth.json"), MAX_BYTES).map_or(Account::UNKNOWN, |bytes| from_auth(&bytes))
}

/// Parses the bytes of an `auth.json`.
#[must_use]
pub fn from_auth(bytes: &[u8]) -> Account {
    let Ok(auth) = serde_json::from_slice::<Auth>(bytes) else { return Account::UNKNOWN };
    let login = match auth.mode.as_deref() {
        Some("apikey" | "agentIdentity" | "personalAccessToken" | "bedrockApiKey") => Login::Programmatic,
        // Before `auth_mode` existed, a key took precedence over tokens.
        None if auth.api_key => Login::Programmatic,
        Some("chatgpt") | None if auth.tokens.is_some() => Login::ChatGpt,
        _ => Login::Unknown,
    };
    Account { login, workspace: auth.tokens.and_then(|tokens| tokens.workspace).unwrap_or(AccountWorkspace::Unknown) }
}

/// Returns the arguments of `codex login status` with these `-c` settings. The CLI also reads the
/// system's keyring.
#[must_use]
pub fn status_args(settings: &[Setting]) -> Vec<OsString> {
    let settings = settings.iter().flat_map(|(key, value)| ["-c".to_owned(), format!("{key}={value}")]);
    ["login", "status"].map(str::to_owned).into_iter().chain(settings).map(OsString::from).collect()
}

/// Parses the output of `codex login status`, which all versions print to stderr. Recognises the
/// whole lines "Logged in using ChatGPT" and "Not logged in", and the beginnings of the lines about
/// programmatic logins of 0.132.0 to 0.169.0. A login that cannot be loaded, such as one in a
/// keyring that does not answer, counts as none, since a turn could not load it either (0.132.0 to
/// 0.171.0).
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
        line if line.starts_with("Error checking login status: ") => Some(Login::None),
        line if PROGRAMMATIC.iter().any(|text| line.starts_with(text)) => Some(Login::Programmatic),
        _ => None,
    };
    output.lines().find_map(known).unwrap_or(Login::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codex::home::home_of;
    use crate::environment::Environment;

    fn auth(text: &str) -> Login {
        from_auth(text.as_bytes()).login
    }

    #[test]
    fn a_chatgpt_login_is_recognised_by_its_tokens() {
        assert_eq!(auth(r#"{"auth_mode":"chatgpt","OPENAI_API_KEY":null,"tokens":{"id_token":"x"}}"#), Login::ChatGpt);
        assert_eq!(auth(r#"{"OPENAI_API_KEY":null,"tokens":{"id_token":"x"},"last_refresh":"…"}"#), Login::ChatGpt);
    }

    #[test]
    fn a_key_is_a_programmatic_login() {
        assert_eq!(auth(r#"{"auth_mode":"apikey","OPENAI_API_KEY":"sk-x"}"#), Login::Programmatic);
        assert_eq!(auth(r#"{"OPENAI_API_KEY":"sk-x"}"#), Login::Programmatic);
        assert_eq!(auth(r#"{"auth_mode":"agentIdentity"}"#), Login::Programmatic);
    }

    #[test]
    fn the_workspace_of_a_login_is_read_from_its_id_token() {
        let workspace = |token: &str| {
            let auth = format!(r#"{{"auth_mode":"chatgpt","tokens":{{"id_token":{token}}}}}"#);
            let account = from_auth(auth.as_bytes());
            assert_eq!(account.login, Login::ChatGpt, "{token}");
            account.workspace
        };
        let token = |claims: &str| format!(r#""e30.{}.c2ln""#, BASE64.encode(claims));
        let named = r#"{"email":"x","https://api.openai.com/auth":{"chatgpt_account_id":"one"}}"#;
        assert_eq!(workspace(&token(named)), AccountWorkspace::Of("one".into()));
        for claims in ["{}", r#"{"https://api.openai.com/auth":{}}"#] {
            assert_eq!(workspace(&token(claims)), AccountWorkspace::None, "{claims}");
        }
        for unreadable in ["null", "5", r#""""#, r#""e30""#, r#""e30.!.c2ln""#, &token("[")] {
            assert_eq!(workspace(unreadable), AccountWorkspace::Unknown, "{unreadable}");
        }
    }

    #[test]
    fn a_usable_home_is_a_directory_that_exists_or_the_default_one() {
        let dir = tempfile::tempdir().unwrap();
        let is_unusable_home = |path: &Path| super::is_unusable_home(&CodexHome::named(path.to_path_buf()));
        let is_unusable_default = |path: &Path| {
            let home = vec![("HOME".to_owned(), path.to_str().unwrap().to_owned())];
            super::is_unusable_home(&home_of(&Environment::new(home)).unwrap())
        };
        assert!(!is_unusable_home(dir.path()));
        let file = dir.path().join("file");
        assert!(is_unusable_home(&file));
        if cfg!(unix) {
            assert!(!is_unusable_default(&file) && !is_unusable_default(dir.path()));
        }
        std::fs::write(&file, "").unwrap();
        assert!(is_unusable_home(&file) && is_unusable_home(&file.join("below")));
        #[cfg(unix)]
        {
            assert!(is_unusable_default(&file));
            let link = dir.path().join("loop");
            std::os::unix::fs::symlink(&link, &link).unwrap();
            assert!(is_unusable_home(&link) && is_unusable_default(&link));
            std::fs::write(dir.path().join(".codex"), "").unwrap();
            assert!(is_unusable_default(dir.path()));
        }
    }

    #[test]
    fn an_auth_json_of_unknown_content_leaves_the_login_unknown() {
        for text in
            ["", "{", "{}", "[]", r#"{"auth_mode":"chatgpt","tokens":null}"#, r#"{"auth_mode":"new","tokens":{}}"#]
        {
            assert_eq!(auth(text), Login::Unknown, "{text}");
        }
        assert_eq!(from_file(Path::new("/nonexistent")), Account::UNKNOWN);
    }

    #[cfg(unix)]
    #[test]
    fn an_auth_json_that_is_not_a_regular_file_is_not_read() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("auth.json");
        assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
        assert_eq!(from_file(home.path()), Account::UNKNOWN);
        std::fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
        assert_eq!(from_file(home.path()), Account::UNKNOWN);
    }

    #[test]
    fn only_known_lines_of_the_login_status_are_recognised() {
        assert_eq!(from_status("Logged in using ChatGPT\n"), Login::ChatGpt);
        assert_eq!(from_status("WARNING: x\nLogged in using ChatGPT\n"), Login::ChatGpt);
        assert_eq!(from_status("Logged in using an API key - sk-abc***xyz"), Login::Programmatic);
        assert_eq!(from_status("API key configured - sk-abc***xyz"), Login::Programmatic);
        assert_eq!(from_status("Not logged in"), Login::None);
        assert_eq!(
            from_status("Error checking login status: failed to load CLI auth from keyring: no session"),
            Login::None
        );
        for text in
            ["", "Logged in using ChatGPT (maybe)", "logged in using chatgpt", "You are Not logged in", "error: x"]
        {
            assert_eq!(from_status(text), Login::Unknown, "{text}");
        }
    }
}
