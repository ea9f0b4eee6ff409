//! Opens and reads regular files at paths that the user chose.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::fs_requests::{RequestCountingReader, fs_request};
use super::platform;

/// Opens the regular file at `path` without blocking, and follows links. For files that the user
/// chose, such as `config.toml` or a reference image. Refuses a FIFO, a device or a directory.
///
/// # Errors
/// Any error of the operating system; [`io::ErrorKind::InvalidInput`] if it is not a regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let file = fs_request(|| platform::open_followed(path))?;
    if fs_request(|| file.metadata())?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// Reads the regular file at `path` of at most `max_bytes`, as [`open_regular`] opens it.
///
/// # Errors
/// Those of [`open_regular`]; [`io::ErrorKind::FileTooLarge`] if it is larger.
pub fn read_regular(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    RequestCountingReader(open_regular(path)?).take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn reads_a_chosen_file_through_a_link_but_never_blocks() {
        let temp = tempfile::tempdir().unwrap();
        let path = |name: &str| temp.path().join(name);
        std::fs::write(path("plain"), b"hello").unwrap();
        std::os::unix::fs::symlink("plain", path("link")).unwrap();
        assert_eq!(read_regular(&path("link"), 5).unwrap(), b"hello");
        assert_eq!(read_regular(&path("plain"), 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert!(std::process::Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
        assert_eq!(read_regular(&path("fifo"), 5).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(read_regular(Path::new("/dev/zero"), 5).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn refuses_a_directory_as_a_chosen_file() {
        let temp = tempfile::tempdir().unwrap();
        assert_eq!(read_regular(temp.path(), 5).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
