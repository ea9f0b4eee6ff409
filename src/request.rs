//! Defines the validated request of one call, its defaults, and the checks of its values.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::credentials::{OPENAI, Trust};
use crate::environment::Environment;
use crate::sandbox::Sandbox;

/// Event that completes a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completion {
    /// Codex has written the image. Codex is then stopped.
    Image,
    /// Codex has exited with 0, or completed its turn and had to be stopped.
    Exit,
}

/// Check of an image in the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validation {
    /// Decodes every chunk and every pixel.
    Full,
    /// Requires the PNG signature and 128 bytes.
    Signature,
}

/// The home of Codex: its login, configuration, image store and rollouts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodexHome {
    /// Absolute. Links are not resolved, because that needs the disk.
    pub path: PathBuf,
    /// Whether an option or a variable named it. Codex then requires that it exists.
    pub is_named: bool,
}

impl CodexHome {
    /// A home that an option or a variable named.
    #[must_use]
    pub const fn named(path: PathBuf) -> Self {
        Self { path, is_named: true }
    }
}

/// A request without a home of Codex. [`crate::codex::home::complete`] finds the home, which blocks
/// on the user database.
#[derive(Debug)]
pub struct Draft {
    /// The home that the caller named.
    pub named_home: Option<CodexHome>,
    /// The request. Its `codex_home` is a placeholder.
    pub request: Request,
}

impl Draft {
    /// Time limit of the whole call.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.request.timeout
    }
}

/// The validated options of one generation.
#[derive(Debug, Clone)]
pub struct Request {
    /// Description of the image; not blank.
    pub prompt: String,
    /// Width to height, e.g. `16:9`; [`DEFAULT_ASPECT`] if absent.
    pub aspect: Option<String>,
    /// Absolute path of the CLI; searched for if absent.
    pub codex_path: Option<PathBuf>,
    /// The home of Codex.
    pub codex_home: CodexHome,
    /// The child's environment.
    pub env: Environment,
    /// The directory of the running Node, put first on the child's PATH.
    pub node_dir: Option<PathBuf>,
    /// The model to select; Codex's own choice if absent.
    pub model: Option<String>,
    /// Sandbox of the agent's shell.
    pub sandbox: Sandbox,
    /// Event that completes the generation.
    pub completion: Completion,
    /// Extra `-c key=value`, in the caller's order.
    pub config: Vec<(String, String)>,
    /// Extra `--disable NAME`.
    pub disable_features: Vec<String>,
    /// Time limit of the whole call.
    pub timeout: Duration,
    /// Time between SIGTERM and SIGKILL.
    pub kill_grace: Duration,
    /// Size limit of the image file.
    pub max_image_bytes: u64,
    /// Check of an image in the workspace.
    pub validation: Validation,
    /// Whether an unverified image is refused.
    pub require_verified: bool,
    /// Reference images, at most [`crate::reference::MAX_COUNT`].
    pub references: Vec<PathBuf>,
    /// Whether to ask for a transparent background.
    pub transparent: bool,
    /// Whether to switch off features of Codex that drawing does not need.
    pub lean: bool,
    /// Maximum number of reconnects in a row.
    pub max_reconnects: u64,
    /// Whose signature of an image verifies it. OpenAI's, except in tests: no option sets it.
    pub trust: Trust<'static>,
}

/// Aspect ratio that Codex is asked for if the caller names none.
pub const DEFAULT_ASPECT: &str = "1:1";

/// An option that is a boolean.
#[derive(Debug, Clone, Copy)]
pub struct Switch {
    /// Name of the option.
    pub option: &'static str,
    /// Value if the option is absent.
    pub default: bool,
}

/// Whether the agent's shell may use the network.
pub const NETWORK_ACCESS: Switch = Switch { option: "networkAccess", default: true };
/// Whether an unverified image is refused.
pub const REQUIRE_VERIFIED: Switch = Switch { option: "requireVerified", default: false };
/// Whether to ask for a transparent background.
pub const TRANSPARENT: Switch = Switch { option: "transparent", default: false };
/// Whether to switch off features of Codex that drawing does not need.
pub const LEAN: Switch = Switch { option: "lean", default: true };

/// Whether a readiness check asks for the quota.
pub const QUOTA: Switch = Switch { option: "quota", default: false };

/// An option that is a whole number.
#[derive(Debug, Clone, Copy)]
pub struct WholeNumber {
    /// Name of the option.
    pub option: &'static str,
    /// Smallest valid value.
    pub least: u64,
    /// Largest valid value.
    pub most: u64,
    /// Value if the option is absent.
    pub default: u64,
    /// The unit, as a phrase that follows "a whole number"; may be empty.
    pub unit: &'static str,
}

/// Time limit of a call. Its maximum is that of Node's own timers.
pub const TIMEOUT_MS: WholeNumber =
    WholeNumber { option: "timeoutMs", least: 1, most: i32::MAX as u64, default: 600_000, unit: " of milliseconds" };
/// Time between SIGTERM and SIGKILL.
pub const KILL_GRACE_MS: WholeNumber =
    WholeNumber { option: "killGraceMs", least: 0, most: 600_000, default: 2_000, unit: " of milliseconds" };
/// Size limit of the image file.
pub const MAX_IMAGE_BYTES: WholeNumber =
    WholeNumber { option: "maxImageBytes", least: 1, most: 1 << 30, default: 32 << 20, unit: " of bytes" };
/// Maximum number of reconnects in a row. The default exceeds the four attempts that Codex makes
/// over a WebSocket before it falls back to plain requests.
pub const MAX_RECONNECTS: WholeNumber =
    WholeNumber { option: "maxReconnects", least: 0, most: 1_000, default: 6, unit: "" };

impl WholeNumber {
    /// Returns the number as an integer.
    ///
    /// # Errors
    /// The problem, as a clause that completes "Invalid option X: …".
    pub fn check(self, number: f64) -> Result<u64, String> {
        let Self { least, most, unit, .. } = self;
        whole(number, least..=most).ok_or_else(|| format!("it must be a whole number{unit} from {least} to {most}"))
    }
}

/// Returns the problem if `text` is no aspect, as a clause that completes "Invalid option X: …".
#[must_use]
pub fn aspect_problem(text: &str) -> Option<&'static str> {
    let is_side = |text: &str| {
        matches!(text.len(), 1..=4) && text.bytes().all(|b| b.is_ascii_digit()) && text.bytes().any(|b| b != b'0')
    };
    let fits = text.split_once(':').is_some_and(|(width, height)| is_side(width) && is_side(height));
    (!fits).then_some("it must be two positive whole numbers like '16:9'")
}

/// Returns the problem if `text` is no name for an argument of its own, which must not look like a
/// flag.
#[must_use]
pub fn name_problem(text: &str) -> Option<&'static str> {
    let bad = text.trim().is_empty() || text.starts_with('-') || text.contains(char::is_control);
    bad.then_some("it must be a name: not blank, and not beginning with '-'")
}

/// Returns the problem if `text` is no key of a `-c key=value`.
#[must_use]
pub fn config_key_problem(text: &str) -> Option<&'static str> {
    let bad = name_problem(text).is_some() || text.contains('=');
    bad.then_some("its name must be a configuration key such as 'model_reasoning_effort'")
}

/// Returns the problem if `text` cannot be the name of an environment variable.
#[must_use]
pub fn variable_name_problem(text: &str) -> Option<&'static str> {
    let bad = text.is_empty() || text.contains(['=', '\0']);
    bad.then_some("its name must be that of a variable: not empty, without '=' and NUL")
}

/// Returns the problem if neither a command line nor an environment can contain `text`.
#[must_use]
pub fn text_problem(text: &str) -> Option<&'static str> {
    text.contains('\0').then_some("it must not contain NUL characters")
}

/// Returns the number if it is whole and in the range. Checks JavaScript's number before it
/// converts it: a cast would turn -1 and NaN into valid integers.
#[must_use]
pub fn whole(number: f64, range: RangeInclusive<u64>) -> Option<u64> {
    #[expect(clippy::cast_precision_loss, reason = "the bounds are constants far below 2^53")]
    let in_range = number >= *range.start() as f64 && number <= *range.end() as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be whole and in range")]
    (in_range && number.fract() == 0.0).then_some(number as u64)
}

impl Request {
    /// A request with all defaults, an empty environment and no home.
    #[must_use]
    pub fn new(prompt: String) -> Self {
        Self {
            prompt,
            aspect: None,
            codex_path: None,
            codex_home: CodexHome::named(PathBuf::new()),
            env: Environment::new(Vec::new()),
            node_dir: None,
            model: None,
            sandbox: Sandbox::WorkspaceWrite { network: NETWORK_ACCESS.default },
            completion: Completion::Image,
            config: Vec::new(),
            disable_features: Vec::new(),
            timeout: Duration::from_millis(TIMEOUT_MS.default),
            kill_grace: Duration::from_millis(KILL_GRACE_MS.default),
            max_image_bytes: MAX_IMAGE_BYTES.default,
            validation: Validation::Full,
            require_verified: REQUIRE_VERIFIED.default,
            references: Vec::new(),
            transparent: TRANSPARENT.default,
            lean: LEAN.default,
            max_reconnects: MAX_RECONNECTS.default,
            trust: OPENAI,
        }
    }

    /// The aspect ratio that Codex is asked for.
    #[must_use]
    pub fn aspect(&self) -> &str {
        self.aspect.as_deref().unwrap_or(DEFAULT_ASPECT)
    }

    /// Returns a copy of the path of Codex's home.
    #[must_use]
    pub fn home_path(&self) -> PathBuf {
        self.codex_home.path.clone()
    }
}

#[cfg(test)]
impl Request {
    /// A request with the defaults, for tests.
    pub fn example(codex_home: impl Into<PathBuf>) -> Self {
        Self { codex_home: CodexHome::named(codex_home.into()), ..Self::new("a red fox".to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aspect_is_two_positive_whole_numbers() {
        for good in ["1:1", "16:9", "9999:0001"] {
            assert_eq!(aspect_problem(good), None, "{good}");
        }
        for bad in ["", ":", "1", "1:0", "0:1", "1:1:1", "16 : 9", "+1:1", "1:10000", "1:1\n", "١:١"] {
            assert!(aspect_problem(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn a_name_cannot_become_a_flag_nor_a_key_another_key() {
        for bad in ["", " ", "-c", "a\0b", "a\nb"] {
            assert!(name_problem(bad).is_some() && config_key_problem(bad).is_some(), "{bad}");
        }
        assert_eq!(name_problem("a=b"), None);
        assert!(config_key_problem("a=b").is_some());
        assert_eq!(config_key_problem("model_providers.\"a b\".name"), None);
        assert!(variable_name_problem("").is_some() && variable_name_problem("=C:").is_some());
        assert_eq!(variable_name_problem("ProgramFiles(x86)"), None);
    }

    #[test]
    fn a_number_is_checked_before_it_is_converted() {
        assert_eq!(whole(7.0, 1..=7), Some(7));
        assert_eq!(whole(-0.0, 0..=7), Some(0));
        for bad in [-1.0, 0.5, 8.0, 4_294_967_296.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(whole(bad, 0..=7), None, "{bad}");
        }
    }
}
