//! Why a file was not read.

/// Why a file was not read.
#[derive(Debug)]
pub enum ReadError {
    /// There is none.
    Absent,
    /// There is something else than a plain file of the user's own, or it cannot be read.
    NotRegular(&'static str),
    /// It is larger than allowed.
    TooLarge,
}
