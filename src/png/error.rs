//! Why bytes are not a picture.

/// Why bytes are not a picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PngError {
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// Something else, named.
    #[error("it is {0}")]
    Other(&'static str),
    /// The beginning of a PNG. It may still be growing.
    #[error("it ends too early")]
    Truncated,
    /// A PNG that contradicts itself.
    #[error("it is damaged ({0})")]
    Damaged(&'static str),
    /// A PNG that would cost too much to look at.
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
