//! Compiles constant regular expressions.

use regex::Regex;

/// Compiles a constant pattern. Every module with patterns has a test that compiles them.
///
/// # Panics
/// If the pattern is invalid.
#[expect(clippy::expect_used, reason = "the patterns are constants, and tests compile all of them")]
#[must_use]
pub fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}
