//! Directories and files on Unix, relative to the descriptor of a directory.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::io::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::read_error::ReadError;
use super::stamp::Stamp;

#[cfg(target_os = "linux")]
mod proc_path;
mod removal;

pub type Handle = OwnedFd;

/// Flag for opening a directory without permission to list it.
#[cfg(target_os = "linux")]
const UNLISTED: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const UNLISTED: OFlags = OFlags::RDONLY;

pub fn open_dir(path: &Path) -> io::Result<Handle> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

pub fn open_unlisted(path: &Path) -> io::Result<Handle> {
    let flags = UNLISTED | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

pub fn open_dir_at(dir: &Handle, name: &OsStr) -> io::Result<Handle> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(dir, name.as_bytes(), flags, Mode::empty())?)
}

pub fn create_dir(dir: &Handle, name: &OsStr) -> io::Result<Handle> {
    rustix::fs::mkdirat(dir, name.as_bytes(), Mode::RWXU)?;
    open_dir_at(dir, name).inspect_err(|_| {
        // Reports the first error, not that of the clean-up.
        let _ = rustix::fs::unlinkat(dir, name.as_bytes(), AtFlags::REMOVEDIR);
    })
}

pub fn create_file(dir: &Handle, name: &OsStr, bytes: &[u8]) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, name.as_bytes(), flags, Mode::RUSR | Mode::WUSR)?;
    File::from(file).write_all(bytes)
}

pub fn id(dir: &Handle) -> io::Result<u64> {
    Ok(rustix::fs::fstat(dir)?.st_ino)
}

/// None if `/proc` is not mounted.
#[cfg(target_os = "linux")]
pub fn fd_path(dir: &Handle) -> Option<PathBuf> {
    let path = proc_path::proc_path(dir);
    let (found, open) = (rustix::fs::stat(&path).ok()?, rustix::fs::fstat(dir).ok()?);
    ((found.st_dev, found.st_ino) == (open.st_dev, open.st_ino)).then_some(path)
}

#[cfg(not(target_os = "linux"))]
pub const fn fd_path(_dir: &Handle) -> Option<PathBuf> {
    None
}

pub fn remove(parent: &Handle, name: &OsStr, dir: Handle, last: &OsStr, deadline: Instant) -> io::Result<()> {
    removal::remove(parent.as_fd(), name, dir, last, deadline)
}

pub fn open_followed(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

/// The lock is on the directory itself and needs no name.
pub fn lock(dir: &Handle, _name: &str) -> io::Result<()> {
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
    #[allow(clippy::unnecessary_cast, clippy::cast_lossless, reason = "field types differ between platforms")]
    let modified = stat.st_mtime as i128 * 1_000_000_000 + stat.st_mtime_nsec as i128;
    Stamp { size: u64::try_from(stat.st_size).unwrap_or(0), modified }
}

pub fn open_file(dir: &Handle, name: &OsStr) -> Result<(File, u64), ReadError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = match rustix::fs::openat(dir, name.as_bytes(), flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Err(ReadError::Absent),
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

fn refuse<T>(what: &'static str) -> Result<T, ReadError> {
    Err(ReadError::NotRegular(what))
}
