//! Asks the terminal of the command line for what Node has no API: the size of a character cell,
//! and the features that it says it has.

/// Size of a character cell in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// Not always a whole number: some terminals count their border.
    pub width: f64,
    /// As for the width.
    pub height: f64,
}

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub use unix::{attributes, cell};

/// Returns None: consoles of Windows report no size in pixels.
#[cfg(not(unix))]
#[must_use]
pub fn cell() -> Option<Cell> {
    None
}

/// Returns nothing: not implemented for consoles of Windows.
#[cfg(not(unix))]
#[must_use]
pub fn attributes() -> Vec<u16> {
    Vec::new()
}
