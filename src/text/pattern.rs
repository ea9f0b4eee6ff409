//! Regular expressions that are constants of this package.

use regex::Regex;

/// Compiles a constant pattern. A test of each module that has one compiles it.
///
/// # Panics
/// If the pattern is none.
#[expect(clippy::expect_used, reason = "the patterns are constants, and tests compile all of them")]
#[must_use]
pub fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}
