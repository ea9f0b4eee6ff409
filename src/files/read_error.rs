//! Reasons why a file was not read.

/// Reason why a file was not read.
#[derive(Debug)]
pub enum ReadError {
    /// There is no such file.
    Absent,
    /// Another program uses the file, so that a later attempt may succeed. Windows only.
    InUse,
    /// Not a plain file of the user's own, or not readable. Holds the reason.
    NotRegular(&'static str),
    /// The file is larger than the limit.
    TooLarge,
}
