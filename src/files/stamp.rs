//! Size and time of a file.

/// Tells one state of a file from another: its size and when it last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// In bytes.
    pub size: u64,
    /// Of the last change, in nanoseconds since 1970.
    pub modified: i128,
}
