//! The id of a run: random, and carried by all of its processes.

use std::path::PathBuf;

use crate::error::{Cause, Failure};
use crate::process::RunTag;

/// Creates the tag of a new run.
///
/// # Errors
/// [`Cause::Internal`] if the system has no random numbers.
pub fn new_tag() -> Result<RunTag, Failure> {
    Ok(tag_of(random_hex()?, None))
}

/// Returns the tag of the run with the id `run`.
#[must_use]
pub const fn tag_of(run: String, dir: Option<PathBuf>) -> RunTag {
    RunTag { name: "OD_CODEX_IMAGE_RUN", value: run, dir }
}

/// Returns eight random bytes in hexadecimal.
///
/// # Errors
/// [`Cause::Internal`] if the system has no random numbers.
pub fn random_hex() -> Result<String, Failure> {
    let number = getrandom::u64().map_err(|_| Cause::Internal)?;
    Ok(format!("{number:016x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_gets_another_id_of_16_hexadecimal_digits() {
        let (first, second) = (random_hex().unwrap(), random_hex().unwrap());
        for id in [&first, &second] {
            assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        }
        assert_ne!(first, second);
        assert_ne!(new_tag().unwrap().value, new_tag().unwrap().value);
    }
}
