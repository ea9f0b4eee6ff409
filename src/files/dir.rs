//! A directory that is held open, and what is done in it by handle.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::platform;
use super::read_error::ReadError;
use super::requests::{InRequests, request};
use super::stamp::Stamp;

/// A directory, held open since it was known to be the right one.
#[derive(Debug)]
pub struct Dir(platform::Handle);

/// How long removing a directory may take, for that another process may keep adding to it. 30,000
/// levels, or 200,000 entries, take 4 s on a busy machine, and a minute where another process keeps
/// the disk busy.
const REMOVAL_LIMIT: Duration = Duration::from_secs(300);

impl Dir {
    /// Opens the directory `path`. A symbolic link in the last place is refused.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn open(path: &Path) -> io::Result<Self> {
        request(|| platform::open_dir(path)).map(Self)
    }

    /// Opens the directory `path` in order to make, open and remove entries by their names. It need
    /// not be one that can be listed. A symbolic link in the last place is refused.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn open_unlisted(path: &Path) -> io::Result<Self> {
        platform::open_unlisted(path).map(Self)
    }

    /// Opens the directory `name` in this one. A symbolic link is refused.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn open_dir(&self, name: &OsStr) -> io::Result<Self> {
        platform::open_dir_at(&self.0, name).map(Self)
    }

    /// Makes the directory `name` in this one. On Unix it is its owner's alone (0700).
    ///
    /// # Errors
    /// The operating system's error, such as for a name that is taken.
    pub fn create_dir(&self, name: &OsStr) -> io::Result<Self> {
        platform::create_dir(&self.0, name).map(Self)
    }

    /// Makes the file `name` in this directory. On Unix it is its owner's alone (0600).
    ///
    /// # Errors
    /// The operating system's error, such as for a name that is taken.
    pub fn create_file(&self, name: &OsStr, bytes: &[u8]) -> io::Result<()> {
        platform::create_file(&self.0, name, bytes)
    }

    /// What the directory is known by in its file system, whatever its name. A copy of it has
    /// another.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn id(&self) -> io::Result<u64> {
        platform::id(&self.0)
    }

    /// A path that leads to this very directory, whatever lies at the path by which it was opened.
    /// It is valid for as long as the handle is open, for this process, and for a child until that
    /// executes its program. Only Linux has one.
    #[must_use]
    pub fn held_path(&self) -> Option<PathBuf> {
        platform::held_path(&self.0)
    }

    /// Removes the directory `name` in this one, which is open as `dir`, with everything in it. Its
    /// entry `last` is removed after all others. Blocks for as long as that takes, but no longer
    /// than five minutes.
    ///
    /// # Errors
    /// The first thing that could not be removed, after all that could.
    pub fn remove(&self, name: &OsStr, dir: Self, last: &OsStr) -> io::Result<()> {
        platform::remove(&self.0, name, dir.0, last, Instant::now() + REMOVAL_LIMIT)
    }

    /// Takes the directory's advisory lock, for as long as this handle lives.
    ///
    /// # Errors
    /// If another handle holds the lock, or the file system has none.
    pub fn lock(&self) -> io::Result<()> {
        platform::lock(&self.0)
    }

    /// Whether the directory is the user's own.
    #[must_use]
    pub fn is_own(&self) -> bool {
        platform::is_own(&self.0)
    }

    /// The names in the directory, in no particular order.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn names(&self) -> io::Result<Vec<std::ffi::OsString>> {
        request(|| platform::names(&self.0))
    }

    /// The stamp of the entry `name`, without opening it. Links are not followed.
    #[must_use]
    pub fn stamp(&self, name: &OsStr) -> Option<Stamp> {
        request(|| platform::stamp(&self.0, name))
    }

    /// Opens the regular file `name`, for streaming reads.
    ///
    /// # Errors
    /// Why it was not opened.
    pub fn file(&self, name: &OsStr) -> Result<InRequests<File>, ReadError> {
        request(|| platform::open_file(&self.0, name)).map(|(file, _)| InRequests(file))
    }

    /// Reads the regular file `name`, if it is not larger than `limit` bytes.
    ///
    /// # Errors
    /// Why it was not read.
    pub fn read(&self, name: &OsStr, limit: u64) -> Result<Vec<u8>, ReadError> {
        let (file, size) = request(|| platform::open_file(&self.0, name))?;
        if size > limit {
            return Err(ReadError::TooLarge);
        }
        read_bounded(file, size, limit)
    }
}

/// Reads to the end even if the file grows meanwhile, but never more than `limit` bytes.
fn read_bounded(file: File, size: u64, limit: u64) -> Result<Vec<u8>, ReadError> {
    // One byte more than the limit, to notice a file that is larger.
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(limit)).unwrap_or(0) + 1);
    InRequests(file)
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|_| ReadError::NotRegular("it cannot be read"))?;
    if bytes.len() as u64 > limit { Err(ReadError::TooLarge) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, Dir) {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open(place.path()).unwrap();
        (place, dir)
    }

    fn refusal(dir: &Dir, name: &str) -> String {
        match dir.read(name.as_ref(), 1000) {
            Ok(_) => "read".into(),
            Err(ReadError::Absent) => "absent".into(),
            Err(ReadError::TooLarge) => "too large".into(),
            Err(ReadError::NotRegular(what)) => what.into(),
        }
    }

    #[test]
    fn only_a_plain_file_is_read() {
        let (place, dir) = place();
        std::fs::write(place.path().join("plain"), b"hello").unwrap();
        assert_eq!(dir.read("plain".as_ref(), 5).unwrap(), b"hello");

        std::fs::create_dir(place.path().join("dir")).unwrap();
        assert!(refusal(&dir, "dir").contains("directory"));
        assert_eq!(refusal(&dir, "nothing"), "absent");

        std::fs::hard_link(place.path().join("plain"), place.path().join("twin")).unwrap();
        assert!(refusal(&dir, "twin").contains("hard link"));
    }

    #[cfg(unix)]
    #[test]
    fn what_leads_elsewhere_or_hangs_is_not_read() {
        let (place, dir) = place();
        std::fs::write(place.path().join("plain"), b"hello").unwrap();
        std::os::unix::fs::symlink("plain", place.path().join("link")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(place.path().join("fifo")).status().unwrap();
        assert!(made.success());
        assert!(refusal(&dir, "link").contains("symbolic link"));
        assert!(refusal(&dir, "fifo").contains("FIFO"));
    }

    #[test]
    fn the_limit_is_exact_and_a_sparse_giant_costs_nothing() {
        let (place, dir) = place();
        std::fs::write(place.path().join("a"), vec![1; 1000]).unwrap();
        std::fs::write(place.path().join("b"), vec![1; 1001]).unwrap();
        File::create(place.path().join("sparse")).unwrap().set_len(3 << 30).unwrap();
        assert_eq!(dir.read("a".as_ref(), 1000).unwrap().len(), 1000);
        assert_eq!(refusal(&dir, "b"), "too large");
        assert_eq!(refusal(&dir, "sparse"), "too large");
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_reached_through_a_link_is_refused() {
        let (place, _) = place();
        std::fs::create_dir(place.path().join("real")).unwrap();
        std::os::unix::fs::symlink("real", place.path().join("alias")).unwrap();
        assert!(Dir::open(&place.path().join("real")).is_ok());
        assert!(Dir::open(&place.path().join("alias")).is_err());
    }

    #[test]
    fn a_file_is_no_directory() {
        let (place, _) = place();
        std::fs::write(place.path().join("file"), b"").unwrap();
        assert!(Dir::open(&place.path().join("file")).is_err());
        assert_eq!(Dir::open(&place.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_renamed_directory_stays_the_one_that_was_opened() {
        let (place, _) = place();
        let first = place.path().join("first");
        std::fs::create_dir(&first).unwrap();
        let dir = Dir::open(&first).unwrap();
        std::fs::write(first.join("x"), b"mine").unwrap();
        std::fs::rename(&first, place.path().join("moved")).unwrap();
        std::fs::create_dir(&first).unwrap();
        std::fs::write(first.join("x"), b"planted").unwrap();
        assert_eq!(dir.read("x".as_ref(), 100).unwrap(), b"mine");
        assert_eq!(dir.names().unwrap(), ["x"]);
    }

    #[test]
    fn every_name_is_told_each_time() {
        let (place, dir) = place();
        let mut expected: Vec<_> =
            (0..500).map(|number| format!("a file with a long name, number {number:03}")).collect();
        for name in &expected {
            std::fs::write(place.path().join(name), b"").unwrap();
        }
        expected.sort();
        for more in ["x", "y"] {
            std::fs::write(place.path().join(more), b"").unwrap();
            expected.push(more.to_owned());
            let mut names = dir.names().unwrap();
            names.sort();
            assert_eq!(names, expected.iter().map(std::ffi::OsString::from).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_stamp_tells_size_and_time() {
        let (place, dir) = place();
        let path = place.path().join("a");
        std::fs::write(&path, b"12345").unwrap();
        let when = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
        File::options().write(true).open(&path).unwrap().set_modified(when).unwrap();
        let expected = Stamp { size: 5, modified: 1_700_000_000_000_000_000 };
        assert_eq!(dir.stamp("a".as_ref()), Some(expected));
        assert_eq!(dir.stamp("none".as_ref()), None);
    }

    #[test]
    fn a_lock_is_nobody_elses_until_its_handle_is_closed() {
        let (place, dir) = place();
        assert!(dir.is_own());
        dir.lock().unwrap();
        let another = Dir::open(place.path()).unwrap();
        assert!(another.lock().is_err());
        drop(dir);
        another.lock().unwrap();
    }

    #[test]
    fn what_is_made_is_new_and_what_is_removed_goes_whole() {
        let (place, dir) = place();
        let made = dir.create_dir("made".as_ref()).unwrap();
        made.create_file("file".as_ref(), b"hello").unwrap();
        assert_eq!(made.read("file".as_ref(), 5).unwrap(), b"hello");
        assert_eq!(made.create_file("file".as_ref(), b"").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(dir.create_dir("made".as_ref()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(dir.open_dir("made".as_ref()).unwrap().id().unwrap(), made.id().unwrap());
        assert_ne!(dir.id().unwrap(), made.id().unwrap());
        assert!(made.open_dir("file".as_ref()).is_err());
        assert_eq!(dir.open_dir("none".as_ref()).unwrap_err().kind(), io::ErrorKind::NotFound);

        std::fs::create_dir_all(place.path().join("made/a/b")).unwrap();
        dir.remove("made".as_ref(), made, "file".as_ref()).unwrap();
        assert!(dir.names().unwrap().is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_made_through_a_link() {
        let (place, dir) = place();
        std::os::unix::fs::symlink("elsewhere", place.path().join("link")).unwrap();
        assert_eq!(dir.create_file("link".as_ref(), b"").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(dir.create_dir("link".as_ref()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        std::fs::create_dir(place.path().join("elsewhere")).unwrap();
        assert!(dir.open_dir("link".as_ref()).is_err());
    }
}
