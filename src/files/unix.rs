//! Directories and files on Unix: everything relative to a descriptor of the directory.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt as _;
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

pub fn open_followed(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
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

/// Removes the directory with everything in it.
pub fn remove_dir_all(path: &Path) -> io::Result<()> {
    std::fs::remove_dir_all(path)
}

/// Gives the owner every right to the directories below `path`. Links are not followed.
pub fn open_up(path: &Path) {
    // What cannot be changed shows when it is removed.
    let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700));
    let Ok(entries) = std::fs::read_dir(path) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}
