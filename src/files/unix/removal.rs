//! Removes a directory and its content, of any depth and with hostile entries.
//!
//! Does not recurse and resolves no path: moves each subdirectory that is not empty up into the
//! directory that is being removed, under a number as its name, and empties it there. So it needs
//! three descriptors, one buffer and linear time. Removes links without following them. Leaves
//! mount points: `rmdir` refuses them with EBUSY before anything below them is opened.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Instant;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fchmod, fstat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

/// Removes the directory `name` of `parent`, which is open as `dir`. Removes the entry `last` after
/// all others.
///
/// # Errors
/// The first failure, when everything else is removed; [`io::ErrorKind::TimedOut`] if entries still
/// appear at the deadline.
pub fn remove(parent: BorrowedFd<'_>, name: &OsStr, dir: OwnedFd, last: &OsStr, deadline: Instant) -> io::Result<()> {
    // Lists through the given descriptor, so that a process without free descriptors can still
    // remove an empty directory.
    let mut root = Dir::new(dir)?;
    // Fails for another user's directory. Then the operations that need the permission report it.
    let _ = fchmod(root.fd()?, Mode::RWXU);
    Removal::new(deadline).empty(&mut root, last)?;
    unless_absent(unlinkat(root.fd()?, last.as_bytes(), AtFlags::empty()))?;
    unless_absent(unlinkat(parent, name.as_bytes(), AtFlags::REMOVEDIR))?;
    Ok(())
}

struct Removal {
    deadline: Instant,
    /// Number of directories moved up; the name of the next one.
    moved: u64,
    /// Number of moved directories that have been processed.
    processed: u64,
    /// Number of entries removed or moved away.
    removed: u64,
    /// Number of failures of this pass.
    failed: u64,
    /// First failure of this pass.
    error: Option<Errno>,
}

impl Removal {
    const fn new(deadline: Instant) -> Self {
        Self { deadline, moved: 0, processed: 0, removed: 0, failed: 0, error: None }
    }

    /// Removes every entry of `root` but `last`. Repeats until a pass finds no entry, or removes
    /// none and fails.
    fn empty(&mut self, root: &mut Dir, last: &OsStr) -> io::Result<()> {
        loop {
            let removed = self.removed;
            let mut is_empty = true;
            (self.failed, self.error) = (0, None);
            root.rewind();
            while let Some(entry) = root.read() {
                let entry = entry?;
                let name = entry.file_name();
                if is_dot_entry(name) || name.to_bytes() == last.as_bytes() {
                    continue;
                }
                is_empty = false;
                let root = root.fd()?;
                if self.unlink(root, name, entry.file_type()) == RemoveResult::NotEmpty {
                    self.empty_and_remove(root, name);
                }
                while self.processed < self.moved && !self.is_timed_out() {
                    let name = numbered_name(self.processed);
                    self.processed += 1;
                    self.empty_and_remove(root, &name);
                }
                if self.is_timed_out() {
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

    /// Removes the directory `name` of `root`. Moves its subdirectories that are not empty up into
    /// `root`.
    fn empty_and_remove(&mut self, root: BorrowedFd<'_>, name: &CStr) {
        let mut dir = match open_accessible(root, name).and_then(Dir::new) {
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
                if !is_dot_entry(name) && self.unlink(dir, name, entry.file_type()) == RemoveResult::NotEmpty {
                    self.move_up(dir, name, root);
                }
                if self.is_timed_out() {
                    return;
                }
            }
            match unless_absent(unlinkat(root, name, AtFlags::REMOVEDIR)) {
                Ok(()) => {
                    self.removed += 1;
                    return;
                }
                // An entry was added meanwhile, or the listing missed one.
                Err(Errno::NOTEMPTY | Errno::EXIST)
                    if (self.removed > removed || self.failed == failed) && !self.is_timed_out() =>
                {
                    dir.rewind();
                }
                Err(error) => return self.fail(error),
            }
        }
    }

    /// Removes the entry unless it is a directory that is not empty.
    fn unlink(&mut self, dir: BorrowedFd<'_>, name: &CStr, kind: FileType) -> RemoveResult {
        let is_dir = match kind {
            FileType::Unknown => statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir()),
            kind => kind.is_dir(),
        };
        let flags = if is_dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        match unless_absent(unlinkat(dir, name, flags)) {
            Ok(()) => self.removed += 1,
            Err(Errno::NOTEMPTY | Errno::EXIST) if is_dir => return RemoveResult::NotEmpty,
            Err(error) => self.fail(error),
        }
        RemoveResult::Done
    }

    /// Moves the directory `name` of `dir` into `root`.
    fn move_up(&mut self, dir: BorrowedFd<'_>, name: &CStr, root: BorrowedFd<'_>) {
        let mut is_made_accessible = false;
        while !self.is_timed_out() {
            match renameat(dir, name, root, numbered_name(self.moved)) {
                Ok(()) => {
                    self.moved += 1;
                    self.removed += 1;
                    return;
                }
                // An entry with this number exists. It is removed as well.
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR | Errno::ISDIR) => self.moved += 1,
                // Moving a directory changes its `..`, which needs write permission for it.
                Err(Errno::ACCESS | Errno::PERM) if !is_made_accessible => {
                    is_made_accessible = true;
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

    fn is_timed_out(&self) -> bool {
        Instant::now() >= self.deadline
    }
}

/// Result of removing an entry.
#[derive(PartialEq, Eq)]
enum RemoveResult {
    /// Removed, or counted as a failure.
    Done,
    /// Left because it is a directory that is not empty.
    NotEmpty,
}

fn is_dot_entry(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

fn numbered_name(number: u64) -> CString {
    // Digits contain no NUL.
    CString::new(number.to_string()).unwrap_or_default()
}

/// Treats an absent entry as removed.
fn unless_absent(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::NOENT) => Ok(()),
        result => result,
    }
}

/// Opens the directory `name` of `dir` and gives its owner every permission.
fn open_accessible(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
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
        // Fails for another user's directory. Then the operations that need the permission report
        // it.
        let _ = fchmod(&opened, Mode::RWXU);
    }
    Ok(opened)
}

/// Gives the owner every permission for the directory `name` of `dir`, and never for the target of
/// a link. Linux can change modes without following links only since 6.6 (`fchmodat2`), so this
/// goes through `/proc/self/fd`.
#[cfg(target_os = "linux")]
fn make_accessible(dir: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(dir, name, flags, Mode::empty())?;
    rustix::fs::chmod(super::proc_path::proc_path(&opened), Mode::RWXU)
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

    /// Creates a temporary directory with the directory `tree`, which holds the entry [`LAST`].
    fn temp_dir() -> tempfile::TempDir {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("tree")).unwrap();
        fs::write(temp.path().join("tree").join(LAST), b"").unwrap();
        temp
    }

    fn open(path: &Path) -> OwnedFd {
        rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap()
    }

    fn remove_tree(temp: &Path, limit: Duration) -> io::Result<()> {
        let (parent, tree) = (open(temp), open(&temp.join("tree")));
        remove(parent.as_fd(), OsStr::new("tree"), tree, OsStr::new(LAST), Instant::now() + limit)
    }

    const LONG_TIMEOUT: Duration = Duration::from_secs(300);

    #[test]
    fn removes_deep_and_wide_trees_with_any_names() {
        let temp = temp_dir();
        let mut dir = open(&temp.path().join("tree"));
        for level in 0..3000 {
            // The same names as moved directories get.
            for name in ["0", "1", "2999"] {
                mkdirat(&dir, name, Mode::RWXU).unwrap();
            }
            mkdirat(&dir, "0/x", Mode::RWXU).unwrap();
            openat(&dir, [b'f', 0xff, b'\n'].as_slice(), OFlags::WRONLY | OFlags::CREATE, Mode::RUSR).unwrap();
            let next = if level % 2 == 0 { "1" } else { "2999" };
            dir = openat(&dir, next, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        }
        remove_tree(temp.path(), LONG_TIMEOUT).unwrap();
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
    }

    #[test]
    fn removes_links_and_leaves_their_targets() {
        let temp = temp_dir();
        let outside = temp.path().join("outside");
        fs::create_dir_all(outside.join("a")).unwrap();
        fs::write(outside.join("file"), b"of value").unwrap();
        fs::set_permissions(&outside, fs::Permissions::from_mode(0o500)).unwrap();
        let deep = temp.path().join("tree/x/y");
        fs::create_dir_all(&deep).unwrap();
        for (number, target) in
            [&outside, &outside.join("file"), &outside.join("a"), Path::new("..")].into_iter().enumerate()
        {
            symlink(target, deep.join(number.to_string())).unwrap();
            symlink(target, temp.path().join("tree").join(number.to_string())).unwrap();
        }
        fs::set_permissions(&deep, fs::Permissions::from_mode(0o000)).unwrap();
        remove_tree(temp.path(), LONG_TIMEOUT).unwrap();
        assert_eq!(fs::read(outside.join("file")).unwrap(), b"of value");
        assert!(outside.join("a").is_dir());
        assert_eq!(fs::metadata(&outside).unwrap().permissions().mode() & 0o777, 0o500);
        fs::set_permissions(&outside, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
    }

    #[test]
    fn never_changes_the_mode_of_a_links_target() {
        let temp = temp_dir();
        let target = temp.path().join("target");
        fs::create_dir(&target).unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o500)).unwrap();
        symlink("target", temp.path().join("link")).unwrap();
        let dir = open(temp.path());
        // On macOS the link's own mode changes.
        let _ = make_accessible(dir.as_fd(), c"link");
        assert!(open_accessible(dir.as_fd(), c"link").is_err());
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o500);
        make_accessible(dir.as_fd(), c"target").unwrap();
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn reports_an_immutable_directory_and_removes_the_rest() {
        use rustix::fs::{IFlags, ioctl_setflags};

        let temp = temp_dir();
        let stays = temp.path().join("tree/a/b/stays");
        fs::create_dir_all(stays.join("of value")).unwrap();
        for other in ["a/x", "a/b/x", "z/x", "x"] {
            fs::create_dir_all(temp.path().join("tree").join(other)).unwrap();
        }
        // Needs root, and a file system with the immutable flag.
        let held = open(&stays);
        if ioctl_setflags(&held, IFlags::IMMUTABLE).is_err() {
            return;
        }
        let error = remove_tree(temp.path(), LONG_TIMEOUT).unwrap_err();
        ioctl_setflags(&held, IFlags::empty()).unwrap();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(statat(&held, "of value", AtFlags::empty()).is_ok());
        let left = |path: &Path| fs::read_dir(path).unwrap().count();
        assert_eq!(left(&temp.path().join("tree")), 2, "the parent of the immutable directory, and LAST");
        remove_tree(temp.path(), LONG_TIMEOUT).unwrap();
        assert_eq!(left(temp.path()), 0);
    }

    #[test]
    fn ends_at_the_deadline_while_a_process_keeps_writing() {
        let temp = temp_dir();
        let deep = temp.path().join("tree/a");
        fs::create_dir(&deep).unwrap();
        let (dir, is_timed_out) = (open(&deep), AtomicBool::new(false));
        let removed = thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0_u64.. {
                    // Uses the descriptor, which stays valid when the directory is moved.
                    let _ = mkdirat(&dir, number.to_string(), Mode::RWXU);
                    let _ = mkdirat(&dir, format!("{number}/x"), Mode::RWXU);
                    if is_timed_out.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
            let removed = remove_tree(temp.path(), Duration::from_millis(300));
            is_timed_out.store(true, Ordering::Relaxed);
            removed
        });
        assert_eq!(removed.is_ok(), !temp.path().join("tree").exists());
    }

    #[test]
    fn keeps_the_last_entry_while_others_are_left() {
        let temp = temp_dir();
        fs::create_dir_all(temp.path().join("tree/a/b")).unwrap();
        let error = remove_tree(temp.path(), Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(temp.path().join("tree").join(LAST).exists());
    }
}
