//! Removes a directory with everything in it, whatever an agent has made of it.
//!
//! A subdirectory that is not empty is moved up into the directory that is being removed, under a
//! number as its name, and is emptied there. That takes three descriptors, one buffer and linear
//! time at any depth. Links are removed, never followed. Mount points stay: `rmdir` refuses them
//! with EBUSY before anything of theirs is opened.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Instant;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fchmod, fstat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

/// Removes the directory `name` of `parent`, which is open as `dir`. The entry `last` goes after
/// all others.
///
/// # Errors
/// The first thing that could not be removed, after all that could; [`io::ErrorKind::TimedOut`] if
/// entries still appear at the deadline.
pub fn remove(parent: BorrowedFd<'_>, name: &OsStr, dir: OwnedFd, last: &OsStr, deadline: Instant) -> io::Result<()> {
    // The descriptor itself is read from: a process that has no other left can still remove what is
    // empty.
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

    /// Removes every entry of `root` but `last`. Passes over it until one finds nothing, or fails
    /// and removes nothing.
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

/// Gives the owner every right to the directory `name` of `dir`, and never to what a link leads to.
/// Linux changes modes without following links only from 6.6 on (`fchmodat2`), but has names for
/// open files.
#[cfg(target_os = "linux")]
fn make_accessible(dir: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(dir, name, flags, Mode::empty())?;
    rustix::fs::chmod(super::fd_path::fd_path(&opened), Mode::RWXU)
}

#[cfg(not(target_os = "linux"))]
fn make_accessible(dir: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    rustix::fs::chmodat(dir, name, Mode::RWXU, AtFlags::SYMLINK_NOFOLLOW)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::Duration;

    use rustix::fd::AsFd as _;
    use rustix::fs::mkdirat;

    use super::*;

    const LAST: &str = "last";

    /// A directory `tree` with the entry that goes last, in a place that nothing of is outside of.
    fn place() -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("tree")).unwrap();
        fs::write(place.path().join("tree").join(LAST), b"").unwrap();
        place
    }

    fn open(path: &Path) -> OwnedFd {
        rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap()
    }

    fn remove_tree(place: &Path, limit: Duration) -> io::Result<()> {
        let (parent, tree) = (open(place), open(&place.join("tree")));
        remove(parent.as_fd(), OsStr::new("tree"), tree, OsStr::new(LAST), Instant::now() + limit)
    }

    const PATIENCE: Duration = Duration::from_secs(300);

    #[test]
    fn removes_deep_and_wide_trees_with_any_names() {
        let place = place();
        let mut dir = open(&place.path().join("tree"));
        for level in 0..3000 {
            // As those that directories get when they are moved up.
            for name in ["0", "1", "2999"] {
                mkdirat(&dir, name, Mode::RWXU).unwrap();
            }
            mkdirat(&dir, "0/x", Mode::RWXU).unwrap();
            openat(&dir, [b'f', 0xff, b'\n'].as_slice(), OFlags::WRONLY | OFlags::CREATE, Mode::RUSR).unwrap();
            let next = if level % 2 == 0 { "1" } else { "2999" };
            dir = openat(&dir, next, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        }
        remove_tree(place.path(), PATIENCE).unwrap();
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn removes_links_and_leaves_what_they_lead_to() {
        let place = place();
        let outside = place.path().join("outside");
        fs::create_dir_all(outside.join("a")).unwrap();
        fs::write(outside.join("file"), b"of value").unwrap();
        fs::set_permissions(&outside, fs::Permissions::from_mode(0o500)).unwrap();
        let deep = place.path().join("tree/x/y");
        fs::create_dir_all(&deep).unwrap();
        for (number, target) in
            [&outside, &outside.join("file"), &outside.join("a"), Path::new("..")].into_iter().enumerate()
        {
            symlink(target, deep.join(number.to_string())).unwrap();
            symlink(target, place.path().join("tree").join(number.to_string())).unwrap();
        }
        fs::set_permissions(&deep, fs::Permissions::from_mode(0o000)).unwrap();
        remove_tree(place.path(), PATIENCE).unwrap();
        assert_eq!(fs::read(outside.join("file")).unwrap(), b"of value");
        assert!(outside.join("a").is_dir());
        assert_eq!(fs::metadata(&outside).unwrap().permissions().mode() & 0o777, 0o500);
        fs::set_permissions(&outside, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn never_gives_rights_to_what_a_link_leads_to() {
        let place = place();
        let target = place.path().join("target");
        fs::create_dir(&target).unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o500)).unwrap();
        symlink("target", place.path().join("link")).unwrap();
        let dir = open(place.path());
        // On macOS the link's own mode changes.
        let _ = make_accessible(dir.as_fd(), c"link");
        assert!(open_up(dir.as_fd(), c"link").is_err());
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o500);
        make_accessible(dir.as_fd(), c"target").unwrap();
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn reports_what_cannot_be_removed_and_removes_the_rest() {
        use rustix::fs::{IFlags, ioctl_setflags};

        let place = place();
        let stays = place.path().join("tree/a/b/stays");
        fs::create_dir_all(stays.join("of value")).unwrap();
        for other in ["a/x", "a/b/x", "z/x", "x"] {
            fs::create_dir_all(place.path().join("tree").join(other)).unwrap();
        }
        // Takes root, and a file system that has such a flag.
        let held = open(&stays);
        if ioctl_setflags(&held, IFlags::IMMUTABLE).is_err() {
            return;
        }
        let error = remove_tree(place.path(), PATIENCE).unwrap_err();
        ioctl_setflags(&held, IFlags::empty()).unwrap();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(statat(&held, "of value", AtFlags::empty()).is_ok());
        let left = |path: &Path| fs::read_dir(path).unwrap().count();
        assert_eq!(left(&place.path().join("tree")), 2, "the directory around it, and what goes last");
        remove_tree(place.path(), PATIENCE).unwrap();
        assert_eq!(left(place.path()), 0);
    }

    #[test]
    fn ends_though_a_process_keeps_writing() {
        let place = place();
        let deep = place.path().join("tree/a");
        fs::create_dir(&deep).unwrap();
        let (dir, is_over) = (open(&deep), AtomicBool::new(false));
        let removed = thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0_u64.. {
                    // By its descriptor, wherever it is moved, and for as long as it is there.
                    let _ = mkdirat(&dir, number.to_string(), Mode::RWXU);
                    let _ = mkdirat(&dir, format!("{number}/x"), Mode::RWXU);
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
            let removed = remove_tree(place.path(), Duration::from_millis(300));
            is_over.store(true, Ordering::Relaxed);
            removed
        });
        assert_eq!(removed.is_ok(), !place.path().join("tree").exists());
    }

    #[test]
    fn what_goes_last_stays_while_anything_else_does() {
        let place = place();
        fs::create_dir_all(place.path().join("tree/a/b")).unwrap();
        let error = remove_tree(place.path(), Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(place.path().join("tree").join(LAST).exists());
    }
}
