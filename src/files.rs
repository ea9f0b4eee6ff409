//! Reading a file that somebody else wrote, without being led elsewhere and without hanging.
//!
//! The agent's shell can write into the workspace, so whatever lies there may be a symbolic link to a secret, a FIFO
//! that blocks for ever, or a sparse file of terabytes. A file is therefore opened relative to a directory handle, never
//! through a link, never blocking, and is accepted only as a regular file with one name, of the user's own, and not
//! larger than allowed.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::png::Flaw;

#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as platform;

/// A directory, held open since it was known to be the right one.
#[derive(Debug)]
pub struct Dir(platform::Handle);

/// What tells one state of a file from another: its size in bytes and when it last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// In bytes.
    pub size: u64,
    /// Of the last change, in nanoseconds since 1970.
    pub modified: i128,
}

/// Why a file was not read.
#[derive(Debug)]
pub enum Refusal {
    /// There is none.
    Absent,
    /// There is something that is not a picture whatever its bytes are.
    Flawed(Flaw),
    /// It is larger than allowed.
    TooLarge,
}

impl Dir {
    /// Opens the directory `path`. A symbolic link in the last place is refused.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        platform::open_dir(path).map(Self)
    }

    /// Locks the directory against everybody who asks, for as long as this handle lives.
    ///
    /// # Errors
    /// If somebody else holds the lock, or the file system has none.
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
    /// Whatever the operating system says.
    pub fn names(&self) -> io::Result<Vec<std::ffi::OsString>> {
        platform::names(&self.0)
    }

    /// The stamp of the entry `name`, without opening it. Links are not followed.
    #[must_use]
    pub fn stamp(&self, name: &std::ffi::OsStr) -> Option<Stamp> {
        platform::stamp(&self.0, name)
    }

    /// Opens the regular file `name`, for whoever cannot hold all of it.
    ///
    /// # Errors
    /// Why it was not opened.
    pub fn file(&self, name: &std::ffi::OsStr) -> Result<File, Refusal> {
        platform::open_file(&self.0, name).map(|(file, _)| file)
    }

    /// Reads the regular file `name`, if it is not larger than `limit` bytes.
    ///
    /// # Errors
    /// Why it was not read.
    pub fn read(&self, name: &std::ffi::OsStr, limit: u64) -> Result<Vec<u8>, Refusal> {
        let (file, size) = platform::open_file(&self.0, name)?;
        if size > limit {
            return Err(Refusal::TooLarge);
        }
        read_bounded(file, size, limit)
    }
}

/// Reads to the end even if the file grows meanwhile, but never more than `limit` bytes.
fn read_bounded(file: File, size: u64, limit: u64) -> Result<Vec<u8>, Refusal> {
    // One byte more than the limit tells a file that is just as large as allowed from one that is larger.
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(limit)).unwrap_or(0) + 1);
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|_| Refusal::Flawed(Flaw::NotRegular("it cannot be read")))?;
    if bytes.len() as u64 > limit { Err(Refusal::TooLarge) } else { Ok(bytes) }
}

#[cfg(unix)]
mod unix {
    use std::ffi::{OsStr, OsString};
    use std::fs::File;
    use std::io;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::Path;

    use rustix::fd::OwnedFd;
    use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
    use rustix::io::Errno;

    use super::{Flaw, Refusal, Stamp};

    pub type Handle = OwnedFd;

    pub fn open_dir(path: &Path) -> io::Result<Handle> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::open(path, flags, Mode::empty())?)
    }

    pub fn lock(dir: &Handle) -> io::Result<()> {
        Ok(rustix::fs::flock(dir, FlockOperation::NonBlockingLockExclusive)?)
    }

    pub fn is_own(dir: &Handle) -> bool {
        rustix::fs::fstat(dir).is_ok_and(|stat| is_mine(&stat))
    }

    fn is_mine(stat: &rustix::fs::Stat) -> bool {
        stat.st_uid == rustix::process::geteuid().as_raw()
    }

    pub fn names(dir: &Handle) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(dir)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        Ok(names)
    }

    pub fn stamp(dir: &Handle, name: &OsStr) -> Option<Stamp> {
        rustix::fs::statat(dir, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW).ok().map(|stat| stamp_of(&stat))
    }

    fn stamp_of(stat: &rustix::fs::Stat) -> Stamp {
        // The fields' types differ between platforms; all of them fit.
        #[allow(clippy::unnecessary_cast, clippy::cast_lossless, reason = "field types differ between platforms")]
        let modified = stat.st_mtime as i128 * 1_000_000_000 + stat.st_mtime_nsec as i128;
        Stamp { size: u64::try_from(stat.st_size).unwrap_or(0), modified }
    }

    pub fn open_file(dir: &Handle, name: &OsStr) -> Result<(File, u64), Refusal> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let file = match rustix::fs::openat(dir, name.as_bytes(), flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Err(Refusal::Absent),
            Err(Errno::LOOP) => return refuse("a symbolic link"),
            Err(Errno::NXIO) => return refuse("a socket"),
            Err(_) => return refuse("it cannot be opened"),
        };
        let Ok(stat) = rustix::fs::fstat(&file) else { return refuse("it cannot be examined") };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => return refuse("a directory"),
            FileType::Fifo => return refuse("a FIFO"),
            _ => return refuse("a device"),
        }
        if stat.st_nlink != 1 {
            return refuse("a hard link");
        }
        if !is_mine(&stat) {
            return refuse("another user's file");
        }
        Ok((File::from(file), stamp_of(&stat).size))
    }

    fn refuse<T>(what: &'static str) -> Result<T, Refusal> {
        Err(Refusal::Flawed(Flaw::NotRegular(what)))
    }
}

#[cfg(windows)]
mod windows {
    use std::ffi::{OsStr, OsString};
    use std::fs::{File, OpenOptions};
    use std::io;
    use std::os::windows::fs::OpenOptionsExt;
    use std::path::{Path, PathBuf};
    use std::time::UNIX_EPOCH;

    use super::{Flaw, Refusal, Stamp};

    /// Open the link itself, not what it points to.
    const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;

    /// Windows has no handle-relative open in std; the private directory's own permissions guard the path instead.
    pub type Handle = PathBuf;

    pub fn open_dir(path: &Path) -> io::Result<Handle> {
        let metadata = std::fs::symlink_metadata(path)?;
        if metadata.is_dir() { Ok(path.to_path_buf()) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }

    pub fn names(dir: &Handle) -> io::Result<Vec<OsString>> {
        std::fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    pub fn stamp(dir: &Handle, name: &OsStr) -> Option<Stamp> {
        let metadata = std::fs::symlink_metadata(dir.join(name)).ok()?;
        let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Stamp { size: metadata.len(), modified: i128::try_from(since.as_nanos()).ok()? })
    }

    pub fn open_file(dir: &Handle, name: &OsStr) -> Result<(File, u64), Refusal> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
        let file = match options.open(dir.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Refusal::Absent),
            Err(_) => return refuse("it cannot be opened"),
        };
        let Ok(metadata) = file.metadata() else { return refuse("it cannot be examined") };
        if metadata.file_type().is_symlink() {
            return refuse("a symbolic link");
        }
        if !metadata.is_file() {
            return refuse("not a plain file");
        }
        Ok((file, metadata.len()))
    }

    fn refuse<T>(what: &'static str) -> Result<T, Refusal> {
        Err(Refusal::Flawed(Flaw::NotRegular(what)))
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn place() -> (tempfile::TempDir, Dir) {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open(place.path()).unwrap();
        (place, dir)
    }

    fn refusal(dir: &Dir, name: &str) -> String {
        match dir.read(name.as_ref(), 1000) {
            Ok(_) => "read".into(),
            Err(Refusal::Absent) => "absent".into(),
            Err(Refusal::TooLarge) => "too large".into(),
            Err(Refusal::Flawed(flaw)) => flaw.to_string(),
        }
    }

    #[test]
    fn only_a_plain_file_is_read() {
        let (place, dir) = place();
        std::fs::write(place.path().join("plain"), b"hello").unwrap();
        assert_eq!(dir.read("plain".as_ref(), 5).unwrap(), b"hello");

        symlink("plain", place.path().join("link")).unwrap();
        std::fs::create_dir(place.path().join("dir")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, place.path().join("fifo"), 0o600.into()).unwrap();
        assert!(refusal(&dir, "link").contains("symbolic link"));
        assert!(refusal(&dir, "dir").contains("directory"));
        assert!(refusal(&dir, "fifo").contains("FIFO"));
        assert_eq!(refusal(&dir, "nothing"), "absent");

        std::fs::hard_link(place.path().join("plain"), place.path().join("twin")).unwrap();
        assert!(refusal(&dir, "twin").contains("hard link"));
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

    #[test]
    fn a_directory_reached_through_a_link_is_refused() {
        let (place, _) = place();
        std::fs::create_dir(place.path().join("real")).unwrap();
        symlink("real", place.path().join("alias")).unwrap();
        assert!(Dir::open(&place.path().join("real")).is_ok());
        assert!(Dir::open(&place.path().join("alias")).is_err());
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
    }
}
