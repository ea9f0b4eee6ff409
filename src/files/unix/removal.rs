//! Removing a directory with everything in it, whatever an agent has made of it.
//!
//! Nothing recurses and no path is resolved: a subdirectory that is not empty is moved up into the directory that is
//! being removed, under a number as its name, and is taken apart there. That takes three descriptors, one buffer and
//! linear time at any depth. Links are removed, never followed. Mount points stay: `rmdir` refuses them with EBUSY
//! before anything of theirs is opened.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Instant;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fchmod, fstat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

/// Removes the directory `name` of `parent`, which is open as `dir`. The entry `last` goes after all others.
///
/// # Errors
/// The first thing that could not be removed, after all that could; [`io::ErrorKind::TimedOut`] if entries still
/// appear at the deadline.
pub fn remove(
    parent: BorrowedFd<'_>,
    name: &OsStr,
    dir: OwnedFd,
    last: &OsStr,
    deadline: Instant,
) -> io::Result<()> {
    // The descriptor itself is read from: a process that has no other left can still remove what is empty.
    let mut root = Dir::new(dir)?;
    // Fails for a directory of another user's, and then whatever needs it fails, too.
    let _ = fchmod(root.fd()?, Mode::RWXU);
    Removal::until(deadline).empty(&mut root, last)?;
    gone(unlinkat(root.fd()?, last.as_bytes(), AtFlags::empty()))?;
    gone(unlinkat(parent, name.as_bytes(), AtFlags::REMOVEDIR))?;
    Ok(())
}

struct Removal {
    deadline: Instant,
    /// How many directories have been moved up; the next one's name.
    moved: u64,
    /// How many of them have been taken apart.
    taken: u64,
    /// How many entries are where they were no more.
    removed: u64,
    /// How many of this pass could not be removed, and why the first of them could not.
    failed: u64,
    error: Option<Errno>,
}

impl Removal {
    const fn until(deadline: Instant) -> Self {
        Self { deadline, moved: 0, taken: 0, removed: 0, failed: 0, error: None }
    }

    /// Removes every entry of `root` but `last`. Passes over it until one finds nothing, or fails and removes nothing.
    fn empty(&mut self, root: &mut Dir, last: &OsStr) -> io::Result<()> {
        loop {
            let removed = self.removed;
            let mut is_empty = true;
            (self.failed, self.error) = (0, None);
            root.rewind();
            while let Some(entry) = root.read() {
                let entry = entry?;
                let name = entry.file_name();
                if is_dots(name) || name.to_bytes() == last.as_bytes() {
                    continue;
                }
                is_empty = false;
                let root = root.fd()?;
                if self.unlink(root, name, entry.file_type()) == Entry::Full {
                    self.take_apart(root, name);
                }
                while self.taken < self.moved && !self.is_over() {
                    let name = number(self.taken);
                    self.taken += 1;
                    self.take_apart(root, &name);
                }
                if self.is_over() {
                    return Err(self.error.map_or(io::ErrorKind::TimedOut.into(), io::Error::from));
                }
            }
            match self.error {
                _ if is_empty => return Ok(()),
                Some(error) if self.removed == removed => return Err(error.into()),
                _ => {}
            }
        }
    }

    /// Removes the directory `name` of `root`, whose own directories are moved up into `root`.
    fn take_apart(&mut self, root: BorrowedFd<'_>, name: &CStr) {
        let mut dir = match open_up(root, name).and_then(Dir::new) {
            Ok(dir) => dir,
            Err(Errno::NOENT) => return,
            Err(error) => return self.fail(error),
        };
        loop {
            let (removed, failed) = (self.removed, self.failed);
            while let Some(entry) = dir.read() {
                let (entry, dir) = match entry.and_then(|entry| Ok((entry, dir.fd()?))) {
                    Ok(both) => both,
                    Err(error) => return self.fail(error),
                };
                let name = entry.file_name();
                if !is_dots(name) && self.unlink(dir, name, entry.file_type()) == Entry::Full {
                    self.move_up(dir, name, root);
                }
                if self.is_over() {
                    return;
                }
            }
            match gone(unlinkat(root, name, AtFlags::REMOVEDIR)) {
                Ok(()) => {
                    self.removed += 1;
                    return;
                }
                // Something was added meanwhile, or the listing passed something over.
                Err(Errno::NOTEMPTY | Errno::EXIST)
                    if (self.removed > removed || self.failed == failed) && !self.is_over() =>
                {
                    dir.rewind();
                }
                Err(error) => return self.fail(error),
            }
        }
    }

    /// Removes the entry, unless it is a directory that is not empty.
    fn unlink(&mut self, dir: BorrowedFd<'_>, name: &CStr, kind: FileType) -> Entry {
        let is_dir = match kind {
            FileType::Unknown => statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir()),
            kind => kind.is_dir(),
        };
        let flags = if is_dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        match gone(unlinkat(dir, name, flags)) {
            Ok(()) => self.removed += 1,
            Err(Errno::NOTEMPTY | Errno::EXIST) if is_dir => return Entry::Full,
            Err(error) => self.fail(error),
        }
        Entry::SeenTo
    }

    /// Moves the directory `name` of `dir` into `root`.
    fn move_up(&mut self, dir: BorrowedFd<'_>, name: &CStr, root: BorrowedFd<'_>) {
        let mut is_opened_up = false;
        while !self.is_over() {
            match renameat(dir, name, root, number(self.moved)) {
                Ok(()) => {
                    self.moved += 1;
                    self.removed += 1;
                    return;
                }
                // The number is taken; what has it goes, too.
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR | Errno::ISDIR) => self.moved += 1,
                // A directory whose `..` changes has to be writable itself.
                Err(Errno::ACCESS | Errno::PERM) if !is_opened_up => {
                    is_opened_up = true;
                    if let Err(error) = make_accessible(dir, name) {
                        return self.fail(error);
                    }
                }
                Err(Errno::NOENT) => return,
                Err(error) => return self.fail(error),
            }
        }
    }

    fn fail(&mut self, error: Errno) {
        self.failed += 1;
        self.error.get_or_insert(error);
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }
}

/// What became of an entry.
#[derive(PartialEq, Eq)]
enum Entry {
    /// It is gone, or counted as a failure.
    SeenTo,
    /// It is a directory with entries of its own.
    Full,
}

fn is_dots(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

fn number(number: u64) -> CString {
    // Digits hold no NUL.
    CString::new(number.to_string()).unwrap_or_default()
}

/// What is not there need not be removed.
fn gone(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::NOENT) => Ok(()),
        result => result,
    }
}

/// Opens the directory `name` of `dir`, with every right for its owner.
fn open_up(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || openat(dir, name, flags, Mode::empty());
    let opened = match open() {
        Err(Errno::ACCESS) => {
            make_accessible(dir, name)?;
            open()?
        }
        result => result?,
    };
    if !Mode::from_raw_mode(fstat(&opened)?.st_mode).contains(Mode::RWXU) {
        // Fails for a directory of another user's, and then whatever needs it fails, too.
        let _ = fchmod(&opened, Mode::RWXU);
    }
    Ok(opened)
}

/// Gives the owner every right to the directory `name` of `dir`, and never to what a link leads to. Linux changes modes
/// without following links only from 6.6 on (`fchmodat2`), but has names for open files.
#[cfg(target_os = "linux")]
fn make_accessible(dir: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(dir, name, flags, Mode::empty())?;
    rustix::fs::chmod(super::name_of(&opened), Mode::RWXU)
}

#[cfg(not(target_os = "linux"))]
fn make_accessible(dir: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    rustix::fs::chmodat(dir, name, Mode::RWXU, AtFlags::SYMLINK_NOFOLLOW)
}
