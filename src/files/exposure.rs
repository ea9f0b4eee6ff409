//! How other users could exchange what lies in a directory.

/// In what way other users can exchange what lies in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// It, or a directory above it, belongs to one of them.
    Owned,
    /// They can write in it, or in a directory above it, and its sticky bit is not set.
    Writable,
}
