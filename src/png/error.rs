//! Reasons why bytes are not a PNG image.

/// Reason why bytes are not a PNG image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PngError {
    /// There are no bytes.
    #[error("the file is empty")]
    Empty,
    /// Another format, with its name.
    #[error("it is {0}")]
    Other(&'static str),
    /// The beginning of a PNG, which may still be growing.
    #[error("it ends too early")]
    Truncated,
    /// A PNG that contradicts itself.
    #[error("it is damaged ({0})")]
    Damaged(&'static str),
    /// A PNG that would take too long to decode.
    #[error("it claims {width} × {height} pixels, more than is plausible")]
    TooManyPixels {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
    },
    /// Not a plain file of the user's own.
    #[error("it is not a regular file of the user's own ({0})")]
    NotRegular(&'static str),
}
