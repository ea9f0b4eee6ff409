//! Creates the run directory of a call.

use crate::blocking;
use crate::error::{Cause, Failure, os_error_text};
use crate::interrupts::Interrupts;
use crate::process::RunTag;
use crate::request::Request;
use crate::run_dir::{Parent, RunDir};
use crate::sweep;

/// Creates the run directory, after removing those of dead host processes beside it, the first time
/// in each parent directory.
pub async fn create_run_dir(request: &Request, tag: &RunTag, interrupts: &Interrupts) -> Result<RunDir, Failure> {
    let (parent, run) = (request.env.temp_dir(), tag.value.clone());
    let sweep = move || {
        let parent = Parent::open(&parent)?;
        sweep::once(&parent);
        Ok::<_, Cause>(parent)
    };
    // If the call ends first, the sweep continues in the background.
    let parent = interrupts.unless_interrupted(blocking::run(sweep)).await??;
    let created = blocking::run(move || RunDir::create(parent, &run)).await?;
    Ok(created.map_err(|error| Cause::WorkspaceFailed(os_error_text(&error)))?)
}
