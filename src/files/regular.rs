//! Regular files at a path of the user's own choosing.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::platform;
use super::requests::{InRequests, request};

/// Opens the regular file at `path` without blocking, and follows links: for files of the user's
/// own choosing, such as `config.toml` or a reference image. A FIFO, a device or a directory is
/// refused instead of waited for.
///
/// # Errors
/// The operating system's error; [`io::ErrorKind::InvalidInput`] if it is not a regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let file = request(|| platform::open_followed(path))?;
    if request(|| file.metadata())?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// Reads what [`open_regular`] opens, if it is not larger than `limit` bytes.
///
/// # Errors
/// As there; [`io::ErrorKind::FileTooLarge`] if it is larger.
pub fn read_regular(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    InRequests(open_regular(path)?).take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_file_of_the_users_own_choosing_may_be_a_link_but_never_blocks() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        std::fs::write(path("plain"), b"hello").unwrap();
        std::os::unix::fs::symlink("plain", path("link")).unwrap();
        assert_eq!(read_regular(&path("link"), 5).unwrap(), b"hello");
        assert_eq!(read_regular(&path("plain"), 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert!(std::process::Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
        assert_eq!(read_regular(&path("fifo"), 5).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(read_regular(Path::new("/dev/zero"), 5).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_directory_is_not_read_as_a_file_of_the_users_own_choosing() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(read_regular(place.path(), 5).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
