//! The name of a run, that is, of one started Codex with all of its processes. Unguessable.

use std::path::PathBuf;

use crate::error::{Cause, Failure};
use crate::process::Marker;

/// Marks the processes of a new run.
///
/// # Errors
/// [`Cause::Internal`] if the system has no random numbers.
pub fn new_marker() -> Result<Marker, Failure> {
    Ok(marker_of(random_hex()?, None))
}

/// Marks the processes of the run of that name.
#[must_use]
pub const fn marker_of(run: String, dir: Option<PathBuf>) -> Marker {
    Marker { name: "OD_CODEX_IMAGE_RUN", value: run, dir }
}

/// Eight unguessable bytes, as text.
///
/// # Errors
/// [`Cause::Internal`] if the system has none.
pub fn random_hex() -> Result<String, Failure> {
    let number = getrandom::u64().map_err(|_| Cause::Internal)?;
    Ok(format!("{number:016x}"))
}
