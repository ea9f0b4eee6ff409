//! The name of a run: unguessable, and carried by all of its processes.

use std::path::PathBuf;

use crate::error::{Cause, Failure};
use crate::process::Marker;

/// What the processes of a new run are recognised by.
///
/// # Errors
/// [`Cause::Internal`] if the system has no random numbers.
pub fn marker() -> Result<Marker, Failure> {
    Ok(marker_of(random_hex()?, None))
}

/// What the processes of the run of that name are recognised by.
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
