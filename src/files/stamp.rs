//! What tells one state of a file from another.

/// What tells one state of a file from another: its size in bytes and when it last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// In bytes.
    pub size: u64,
    /// Of the last change, in nanoseconds since 1970.
    pub modified: i128,
}
