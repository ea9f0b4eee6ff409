//! Directories and files on Windows.

mod handle;
mod removal;
mod security;

pub use handle::{
    Handle, create_dir, create_file, fd_path, id, is_own, lock, names, open_dir, open_dir_at, open_file, open_followed,
    open_unlisted, stamp,
};
pub use removal::remove;
