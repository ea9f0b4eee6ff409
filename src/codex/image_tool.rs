//! The features that offer the image tool to the model.

use super::config::{Config, Setting};
use super::version::Version;

/// Offers the tool (0.132.0 to 0.171.0).
const FEATURE: &str = "image_generation";
/// Earlier name: see [`Version::RENAMES_IMAGE_FEATURE`].
const EARLIER_FEATURE: &str = "imagegenext";

/// Returns the switched-off feature that disables the tool, if there is one.
#[must_use]
pub fn switched_off(config: &Config, settings: &[Setting], version: Option<Version>) -> Option<&'static str> {
    let is_renamed = version >= Some(Version::RENAMES_IMAGE_FEATURE);
    match (config.feature(FEATURE, settings), config.feature(EARLIER_FEATURE, settings)) {
        // A feature that is forbidden by either name stays off (0.144.6 and 0.171.0).
        _ if is_renamed && config.required_feature(EARLIER_FEATURE) == Some(false) => Some(EARLIER_FEATURE),
        (Some(false), Some(true)) if !is_renamed => None,
        (Some(false), _) => Some(FEATURE),
        (None, Some(false)) if is_renamed => Some(EARLIER_FEATURE),
        _ => None,
    }
}
