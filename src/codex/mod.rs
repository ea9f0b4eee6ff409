//! Facts about the Codex CLI, and the code that depends on them.
//!
//! None of them is a contract of Codex. Each comment names the versions in which a fact was seen;
//! "all versions" means every version tried, 0.132.0 to 0.171.0.

pub mod ask;
pub mod code_mode;
pub mod command;
pub mod config;
pub mod confinement;
pub mod events;
pub mod failure;
pub mod home;
pub mod image_tool;
pub mod launcher;
pub mod lean;
mod line_sink;
pub mod locate;
pub mod login;
pub mod prompt;
pub mod quota;
pub mod rollout;
pub mod store;
pub mod turn;
pub mod version;

use std::fmt;
use std::sync::Arc;

/// Id of a Codex thread: a UUID, and thus safe as a file name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadId(Arc<str>);

impl ThreadId {
    /// Parses a UUID as Codex prints it (all versions). Returns `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hyphen = |at: usize| matches!(at, 8 | 13 | 18 | 23);
        let well_formed = text.len() == 36
            && text
                .bytes()
                .enumerate()
                .all(|(at, byte)| if hyphen(at) { byte == b'-' } else { byte.is_ascii_hexdigit() });
        well_formed.then(|| Self(text.into()))
    }

    /// Returns the id as text.
    #[must_use]
    pub const fn as_arc(&self) -> &Arc<str> {
        &self.0
    }
}

impl fmt::Display for ThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::ThreadId;

    #[test]
    fn only_a_uuid_is_a_thread_id() {
        assert!(ThreadId::parse("019e5f2a-7c44-7bb0-9d3e-0123456789ab").is_some());
        for bad in [
            "",
            ".",
            "..",
            "019e5f2a-7c44-7bb0-9d3e-0123456789a",
            "../../../../../etc/passwd/xxxxxxxxxxx",
            "019e5f2a-7c44-7bb0-9d3e-0123456789a/",
        ] {
            assert!(ThreadId::parse(bad).is_none(), "{bad}");
        }
    }
}
