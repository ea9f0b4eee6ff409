//! Open directory, and operations on its entries.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::fs_requests::{RequestCountingReader, fs_request};
use super::in_use::is_in_use;
use super::platform;
use super::read_error::ReadError;
use super::stamp::Stamp;

/// Open directory. Renaming or replacing its path does not change which directory this is.
#[derive(Debug)]
pub struct Dir(platform::Handle);

/// Time limit for removing a directory, since another process may keep adding entries. 30,000
/// levels or 200,000 entries take 4 s on a busy machine, and a minute if another process keeps the
/// disk busy.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(300);

impl Dir {
    /// Opens the directory `path`. Refuses a symbolic link as the last component.
    ///
    /// # Errors
    /// Any error of the operating system.
    pub fn open(path: &Path) -> io::Result<Self> {
        fs_request(|| platform::open_dir(path)).map(Self)
    }

    /// Opens the directory `path` for creating, opening and removing entries by name. Needs no
    /// permission to list it. Refuses a symbolic link as the last component.
    ///
    /// # Errors
    /// Any error of the operating system.
    pub fn open_unlisted(path: &Path) -> io::Result<Self> {
        platform::open_unlisted(path).map(Self)
    }

    /// Opens the directory `name` in this one. Refuses a symbolic link.
    ///
    /// # Errors
    /// Any error of the operating system.
    pub fn open_dir(&self, name: &OsStr) -> io::Result<Self> {
        platform::open_dir_at(&self.0, name).map(Self)
    }

    /// Creates the directory `name` in this one, which only the user may use: on Unix with mode
    /// 0700, on Windows with an access control list that inherits nothing.
    ///
    /// # Errors
    /// Any error of the operating system, such as that the name is taken.
    pub fn create_dir(&self, name: &OsStr) -> io::Result<Self> {
        platform::create_dir(&self.0, name).map(Self)
    }

    /// Creates the file `name` with this content, on Unix with mode 0600. On Windows it inherits
    /// the access control list of the directory.
    ///
    /// # Errors
    /// Any error of the operating system, such as that the name is taken.
    pub fn create_file(&self, name: &OsStr, bytes: &[u8]) -> io::Result<()> {
        platform::create_file(&self.0, name, bytes)
    }

    /// Returns the directory's inode number, or its file index on Windows. A rename keeps it, a
    /// copy has another.
    ///
    /// # Errors
    /// Any error of the operating system.
    pub fn id(&self) -> io::Result<u64> {
        platform::id(&self.0)
    }

    /// Returns a path that leads to the open directory even if another one took its place. Linux
    /// only (`/proc/self/fd`). The path is valid while the handle is open: for this process, and
    /// for a child until it executes its program.
    #[must_use]
    pub fn fd_path(&self) -> Option<PathBuf> {
        platform::fd_path(&self.0)
    }

    /// Removes the directory `name` in this one, which is open as `dir`, with its content. Removes
    /// its entry `last` after all others. Blocks for up to five minutes.
    ///
    /// # Errors
    /// The first failure. Everything else is removed.
    pub fn remove(&self, name: &OsStr, dir: Self, last: &OsStr) -> io::Result<()> {
        platform::remove(&self.0, name, dir.0, last, Instant::now() + REMOVAL_TIMEOUT)
    }

    /// Takes the directory's advisory lock until this handle is dropped. On Windows, which has no
    /// locks on directories, it is a lock of the machine with this name.
    ///
    /// # Errors
    /// If another handle holds the lock, or the file system has none.
    pub fn lock(&self, name: &str) -> io::Result<()> {
        platform::lock(&self.0, name)
    }

    /// Whether the directory belongs to the user.
    #[must_use]
    pub fn is_own(&self) -> bool {
        platform::is_own(&self.0)
    }

    /// Lists the names in the directory, in no particular order.
    ///
    /// # Errors
    /// Any error of the operating system.
    pub fn names(&self) -> io::Result<Vec<std::ffi::OsString>> {
        fs_request(|| platform::names(&self.0))
    }

    /// Returns the stamp of the entry `name`. Does not follow links.
    #[must_use]
    pub fn stamp(&self, name: &OsStr) -> Option<Stamp> {
        fs_request(|| platform::stamp(&self.0, name))
    }

    /// Opens the regular file `name` for streaming reads.
    ///
    /// # Errors
    /// The reason why it was not opened.
    pub fn file(&self, name: &OsStr) -> Result<RequestCountingReader<File>, ReadError> {
        fs_request(|| platform::open_file(&self.0, name)).map(|(file, _)| RequestCountingReader(file))
    }

    /// Reads the regular file `name` of at most `max_bytes`.
    ///
    /// # Errors
    /// The reason why it was not read.
    pub fn read(&self, name: &OsStr, max_bytes: u64) -> Result<Vec<u8>, ReadError> {
        let (file, size) = fs_request(|| platform::open_file(&self.0, name))?;
        if size > max_bytes {
            return Err(ReadError::TooLarge);
        }
        read_bounded(file, size, max_bytes)
    }
}

/// Reads to the end, even of a file that grows meanwhile, but at most `max_bytes`.
fn read_bounded(file: File, size: u64, max_bytes: u64) -> Result<Vec<u8>, ReadError> {
    // One byte more than the limit shows that the file is larger.
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(max_bytes)).unwrap_or(0) + 1);
    RequestCountingReader(file).take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(
        |error| match error {
            error if is_in_use(&error) => ReadError::InUse,
            _ => ReadError::NotRegular("it cannot be read"),
        },
    )?;
    if bytes.len() as u64 > max_bytes { Err(ReadError::TooLarge) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn temp_dir() -> (tempfile::TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        (temp, dir)
    }

    fn read_result(dir: &Dir, name: &str) -> String {
        match dir.read(name.as_ref(), 1000) {
            Ok(_) => "read".into(),
            Err(ReadError::Absent) => "absent".into(),
            Err(ReadError::InUse) => "in use".into(),
            Err(ReadError::TooLarge) => "too large".into(),
            Err(ReadError::NotRegular(what)) => what.into(),
        }
    }

    #[test]
    fn reads_only_a_plain_file() {
        let (temp, dir) = temp_dir();
        std::fs::write(temp.path().join("plain"), b"hello").unwrap();
        assert_eq!(dir.read("plain".as_ref(), 5).unwrap(), b"hello");

        std::fs::create_dir(temp.path().join("dir")).unwrap();
        assert!(read_result(&dir, "dir").contains("directory"));
        assert_eq!(read_result(&dir, "nothing"), "absent");

        std::fs::hard_link(temp.path().join("plain"), temp.path().join("twin")).unwrap();
        assert!(read_result(&dir, "twin").contains("hard link"));
    }

    #[cfg(unix)]
    #[test]
    fn refuses_a_link_and_a_fifo() {
        let (temp, dir) = temp_dir();
        std::fs::write(temp.path().join("plain"), b"hello").unwrap();
        std::os::unix::fs::symlink("plain", temp.path().join("link")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(temp.path().join("fifo")).status().unwrap();
        assert!(made.success());
        assert!(read_result(&dir, "link").contains("symbolic link"));
        assert!(read_result(&dir, "fifo").contains("FIFO"));
    }

    #[test]
    fn the_size_limit_is_exact_and_a_sparse_file_is_not_read() {
        let (temp, dir) = temp_dir();
        std::fs::write(temp.path().join("a"), vec![1; 1000]).unwrap();
        std::fs::write(temp.path().join("b"), vec![1; 1001]).unwrap();
        File::create(temp.path().join("sparse")).unwrap().set_len(3 << 30).unwrap();
        assert_eq!(dir.read("a".as_ref(), 1000).unwrap().len(), 1000);
        assert_eq!(read_result(&dir, "b"), "too large");
        assert_eq!(read_result(&dir, "sparse"), "too large");
    }

    #[cfg(unix)]
    #[test]
    fn refuses_a_directory_behind_a_link() {
        let (temp, _) = temp_dir();
        std::fs::create_dir(temp.path().join("real")).unwrap();
        std::os::unix::fs::symlink("real", temp.path().join("alias")).unwrap();
        assert!(Dir::open(&temp.path().join("real")).is_ok());
        assert!(Dir::open(&temp.path().join("alias")).is_err());
    }

    #[test]
    fn refuses_a_file_as_a_directory() {
        let (temp, _) = temp_dir();
        std::fs::write(temp.path().join("file"), b"").unwrap();
        assert!(Dir::open(&temp.path().join("file")).is_err());
        assert_eq!(Dir::open(&temp.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_renamed_directory_stays_open() {
        let (temp, _) = temp_dir();
        let first = temp.path().join("first");
        std::fs::create_dir(&first).unwrap();
        let dir = Dir::open(&first).unwrap();
        std::fs::write(first.join("x"), b"mine").unwrap();
        std::fs::rename(&first, temp.path().join("moved")).unwrap();
        std::fs::create_dir(&first).unwrap();
        std::fs::write(first.join("x"), b"planted").unwrap();
        assert_eq!(dir.read("x".as_ref(), 100).unwrap(), b"mine");
        assert_eq!(dir.names().unwrap(), ["x"]);
    }

    #[test]
    fn lists_every_name_each_time() {
        let (temp, dir) = temp_dir();
        let mut expected: Vec<_> =
            (0..500).map(|number| format!("a file with a long name, number {number:03}")).collect();
        for name in &expected {
            std::fs::write(temp.path().join(name), b"").unwrap();
        }
        expected.sort();
        for more in ["x", "y"] {
            std::fs::write(temp.path().join(more), b"").unwrap();
            expected.push(more.to_owned());
            let mut names = dir.names().unwrap();
            names.sort();
            assert_eq!(names, expected.iter().map(std::ffi::OsString::from).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_stamp_holds_size_and_modification_time() {
        let (temp, dir) = temp_dir();
        let path = temp.path().join("a");
        std::fs::write(&path, b"12345").unwrap();
        let when = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
        File::options().write(true).open(&path).unwrap().set_modified(when).unwrap();
        let expected = Stamp { size: 5, modified: 1_700_000_000_000_000_000 };
        assert_eq!(dir.stamp("a".as_ref()), Some(expected));
        assert_eq!(dir.stamp("none".as_ref()), None);
    }

    /// wine reads the file in spite of the lock.
    #[cfg(windows)]
    #[test]
    fn a_file_of_which_another_handle_has_locked_a_range_is_in_use() {
        let (temp, dir) = temp_dir();
        let path = temp.path().join("locked");
        std::fs::write(&path, b"hello").unwrap();
        let locked = File::open(&path).unwrap();
        locked.lock().unwrap();
        let expected = if std::fs::read(&path).is_ok() { "read" } else { "in use" };
        assert_eq!(read_result(&dir, "locked"), expected);
        drop(locked);
        assert_eq!(read_result(&dir, "locked"), "read");
    }

    #[test]
    fn a_lock_is_exclusive_until_its_handle_is_closed() {
        let (temp, dir) = temp_dir();
        assert!(dir.is_own());
        let name = temp.path().file_name().unwrap().to_str().unwrap();
        dir.lock(name).unwrap();
        let another = Dir::open(temp.path()).unwrap();
        assert!(another.lock(name).is_err());
        drop(dir);
        another.lock(name).unwrap();
    }

    #[test]
    fn creates_only_new_entries_and_removes_a_whole_directory() {
        let (temp, dir) = temp_dir();
        let made = dir.create_dir("made".as_ref()).unwrap();
        made.create_file("file".as_ref(), b"hello").unwrap();
        assert_eq!(made.read("file".as_ref(), 5).unwrap(), b"hello");
        assert_eq!(made.create_file("file".as_ref(), b"").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(dir.create_dir("made".as_ref()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(dir.open_dir("made".as_ref()).unwrap().id().unwrap(), made.id().unwrap());
        assert_ne!(dir.id().unwrap(), made.id().unwrap());
        assert!(made.open_dir("file".as_ref()).is_err());
        assert_eq!(dir.open_dir("none".as_ref()).unwrap_err().kind(), io::ErrorKind::NotFound);

        std::fs::create_dir_all(temp.path().join("made/a/b")).unwrap();
        dir.remove("made".as_ref(), made, "file".as_ref()).unwrap();
        assert!(dir.names().unwrap().is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn creates_nothing_through_a_link() {
        let (temp, dir) = temp_dir();
        std::os::unix::fs::symlink("elsewhere", temp.path().join("link")).unwrap();
        assert_eq!(dir.create_file("link".as_ref(), b"").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(dir.create_dir("link".as_ref()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        std::fs::create_dir(temp.path().join("elsewhere")).unwrap();
        assert!(dir.open_dir("link".as_ref()).is_err());
    }
}
