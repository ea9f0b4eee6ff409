//! Helpers for the fuzz targets.

pub mod memory;
pub mod png;
