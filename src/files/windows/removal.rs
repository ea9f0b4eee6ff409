//! Removes a directory and its content, of any depth and with hostile entries.
//!
//! As on Unix: moves each subdirectory that is not empty up into the directory that is being
//! removed, under a number as its name, and empties it there. So it needs five handles at any
//! depth; std's `remove_dir_all` (1.96) keeps one handle for each level. Removes links without
//! following them.
#![allow(unsafe_code, reason = "calls the Windows API")]

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::io::{AsRawHandle as _, OwnedHandle};
use std::ptr;
use std::time::Instant;

use windows_sys::Wdk::Storage::FileSystem::{
    FILE_BASIC_INFORMATION, FILE_DISPOSITION_DELETE, FILE_DISPOSITION_IGNORE_READONLY_ATTRIBUTE,
    FILE_DISPOSITION_INFORMATION, FILE_DISPOSITION_INFORMATION_EX, FILE_DISPOSITION_POSIX_SEMANTICS,
    FILE_INFORMATION_CLASS, FileBasicInformation, FileDispositionInformation, FileDispositionInformationEx,
    FileRenameInformation, NtSetInformationFile,
};
use windows_sys::Win32::Foundation::{HANDLE, STATUS_OBJECT_NAME_NOT_FOUND};
use windows_sys::Win32::Storage::FileSystem::{DELETE, FILE_ATTRIBUTE_NORMAL, FILE_WRITE_ATTRIBUTES};
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;

use super::handle::{Handle, error_of, names, open_at, open_dir_at};
use crate::files::in_use;

/// Removes the directory `name` of `parent`, which is open as `dir`. Removes the entry `last` after
/// all others.
///
/// # Errors
/// The first failure, when everything else is removed; [`io::ErrorKind::TimedOut`] if entries still
/// appear at the deadline.
pub fn remove(parent: &Handle, name: &OsStr, dir: Handle, last: &OsStr, deadline: Instant) -> io::Result<()> {
    let mut removal = Removal { root: &dir, deadline, moved: 0, processed: 0, error: None };
    retry(deadline, || removal.empty(last))?;
    retry(deadline, || delete(&dir, last))?;
    // The directory cannot be removed while a handle is open.
    drop(dir);
    retry(deadline, || delete(parent, name))
}

/// Repeats `attempt` after any failure: an entry that another process holds also shows as a
/// directory that is not empty.
fn retry(deadline: Instant, attempt: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    in_use::retry(attempt, |result| result.is_ok() || Instant::now() >= deadline)
}

struct Removal<'a> {
    root: &'a Handle,
    deadline: Instant,
    /// Number of directories moved up, and of numbers that were taken; the name of the next one.
    moved: u64,
    /// Number of moved directories that have been processed.
    processed: u64,
    /// First failure of this pass.
    error: Option<io::Error>,
}

impl Removal<'_> {
    /// Removes every entry of the root but `last`. Repeats until a pass finds no entry or fails.
    fn empty(&mut self, last: &OsStr) -> io::Result<()> {
        loop {
            let mut names = names(self.root)?;
            names.retain(|name| name != last);
            if names.is_empty() {
                return Ok(());
            }
            for name in &names {
                self.remove(name);
                while self.processed < self.moved {
                    let name = OsString::from(numbered_name(self.processed));
                    self.processed += 1;
                    self.remove(&name);
                }
            }
            if let Some(error) = self.error.take() {
                return Err(error);
            }
        }
    }

    /// Removes the entry `name` of the root. Moves subdirectories that are not empty up.
    fn remove(&mut self, name: &OsStr) {
        let result = self.check_deadline().and_then(|()| match delete(self.root, name) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => self.empty_and_remove(name),
            result => result,
        });
        self.note(result);
    }

    fn empty_and_remove(&mut self, name: &OsStr) -> io::Result<()> {
        let dir = open_dir_at(self.root, name)?;
        for name in names(&dir)? {
            self.check_deadline()?;
            let result = match delete(&dir, &name) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => self.move_up(&dir, &name),
                result => result,
            };
            self.note(result);
        }
        // The directory cannot be removed while a handle is open.
        drop(dir);
        delete(self.root, name)
    }

    /// Moves the directory `name` of `dir` into the root.
    fn move_up(&mut self, dir: &Handle, name: &OsStr) -> io::Result<()> {
        loop {
            self.check_deadline()?;
            let result = rename(dir, name, self.root, &numbered_name(self.moved));
            let is_taken = result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists);
            if result.is_ok() || is_taken {
                // If an entry with this number exists, it is removed as well.
                self.moved += 1;
            }
            if !is_taken {
                return result;
            }
        }
    }

    fn note(&mut self, result: io::Result<()>) {
        self.error = self.error.take().or(result.err());
    }

    fn check_deadline(&self) -> io::Result<()> {
        if Instant::now() < self.deadline { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
    }
}

/// Digits of the largest number.
const DIGITS: usize = 20;

fn numbered_name(number: u64) -> String {
    format!("{number:0DIGITS$}")
}

/// Removes the entry `name` of `dir`, or a link itself. Succeeds if the entry is absent.
fn delete(dir: &Handle, name: &OsStr) -> io::Result<()> {
    let file = match open_at(dir, name, DELETE) {
        Ok(file) => file,
        Err(STATUS_OBJECT_NAME_NOT_FOUND) => return Ok(()),
        Err(status) => return Err(error_of(status)),
    };
    let flags = FILE_DISPOSITION_DELETE | FILE_DISPOSITION_POSIX_SEMANTICS | FILE_DISPOSITION_IGNORE_READONLY_ATTRIBUTE;
    match set(&file, FileDispositionInformationEx, &FILE_DISPOSITION_INFORMATION_EX { Flags: flags }) {
        Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => {}
        result => return result,
    }
    // Windows before 10 1809 and file systems other than NTFS do not support these flags.
    let delete = || set(&file, FileDispositionInformation, &FILE_DISPOSITION_INFORMATION { DeleteFile: true });
    match delete() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            make_writable(dir, name)?;
            delete()
        }
        result => result,
    }
}

/// Clears the read-only attribute of the entry `name` of `dir`.
fn make_writable(dir: &Handle, name: &OsStr) -> io::Result<()> {
    let file = open_at(dir, name, FILE_WRITE_ATTRIBUTES).map_err(error_of)?;
    // A time of zero leaves that time unchanged.
    let plain = FILE_BASIC_INFORMATION { FileAttributes: FILE_ATTRIBUTE_NORMAL, ..FILE_BASIC_INFORMATION::default() };
    set(&file, FileBasicInformation, &plain)
}

/// `FILE_RENAME_INFORMATION` with a name of [`DIGITS`] characters.
#[repr(C)]
struct RenameInformation {
    replace: u32,
    root: HANDLE,
    length: u32,
    name: [u16; DIGITS],
}

/// Moves the entry `name` of `dir` into `root`. The new name has [`DIGITS`] characters.
fn rename(dir: &Handle, name: &OsStr, root: &Handle, to: &str) -> io::Result<()> {
    let file = open_at(dir, name, DELETE).map_err(error_of)?;
    let mut rename = RenameInformation { replace: 0, root: root.dir.as_raw_handle(), length: 0, name: [0; DIGITS] };
    for (unit, byte) in rename.name.iter_mut().zip(to.bytes()) {
        *unit = byte.into();
    }
    rename.length = size_u32(&rename.name);
    set(&file, FileRenameInformation, &rename)
}

fn set<T>(file: &OwnedHandle, class: FILE_INFORMATION_CLASS, information: &T) -> io::Result<()> {
    let mut status = IO_STATUS_BLOCK::default();
    // SAFETY: the handle is valid, and the structure has the stated size and outlives the call.
    let result = unsafe {
        NtSetInformationFile(
            file.as_raw_handle(),
            &raw mut status,
            ptr::from_ref(information).cast(),
            size_u32(information),
            class,
        )
    };
    if result < 0 { Err(error_of(result)) } else { Ok(()) }
}

fn size_u32<T>(value: &T) -> u32 {
    u32::try_from(size_of_val(value)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, OpenOptions};
    use std::os::windows::fs::OpenOptionsExt as _;
    use std::path::Path;
    use std::thread;
    use std::time::Duration;

    use windows_sys::Win32::Foundation::ERROR_SHARING_VIOLATION;

    use super::super::{create_dir, create_file, open_dir};
    use super::*;

    const LAST: &str = "last";
    const LONG_TIMEOUT: Duration = Duration::from_secs(300);

    /// Creates a temporary directory with the directory `tree`, which holds the entry [`LAST`].
    fn temp_dir() -> tempfile::TempDir {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("tree")).unwrap();
        fs::write(temp.path().join("tree").join(LAST), b"").unwrap();
        temp
    }

    fn remove_tree(temp: &Path, limit: Duration) -> io::Result<()> {
        let (parent, tree) = (open_dir(temp).unwrap(), open_dir(&temp.join("tree")).unwrap());
        remove(&parent, OsStr::new("tree"), tree, OsStr::new(LAST), Instant::now() + limit)
    }

    fn count(path: &Path) -> usize {
        fs::read_dir(path).unwrap().count()
    }

    /// Creates a file that cannot be opened again until it is closed.
    fn create_unshared(path: &Path) -> File {
        OpenOptions::new().write(true).create_new(true).share_mode(0).open(path).unwrap()
    }

    fn set_readonly(path: &Path) {
        let mut permissions = fs::metadata(path).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(path, permissions).unwrap();
    }

    /// Builds the tree from its deepest level, because the system cannot create a path of 42,000
    /// characters.
    #[test]
    fn removes_deep_and_wide_trees_with_any_names() {
        let temp = temp_dir();
        let tree = open_dir(&temp.path().join("tree")).unwrap();
        // The same names as moved directories get.
        let (top, around) = (numbered_name(0), numbered_name(1999));
        create_dir(&tree, OsStr::new(&top)).unwrap();
        for _ in 0..2000 {
            let next = create_dir(&tree, OsStr::new(&around)).unwrap();
            create_file(&next, OsStr::new("\u{1f98a}"), b"x").unwrap();
            let sibling = create_dir(&next, OsStr::new(&numbered_name(1))).unwrap();
            create_dir(&sibling, OsStr::new("x")).unwrap();
            rename(&tree, OsStr::new(&top), &next, &top).unwrap();
            drop((next, sibling));
            rename(&tree, OsStr::new(&around), &tree, &top).unwrap();
        }
        drop(tree);
        remove_tree(temp.path(), LONG_TIMEOUT).unwrap();
        assert_eq!(count(temp.path()), 0);
    }

    #[test]
    fn removes_read_only_files_and_directories() {
        let temp = temp_dir();
        let inner = temp.path().join("tree/a/b");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("file"), b"").unwrap();
        set_readonly(&inner.join("file"));
        set_readonly(&inner);
        remove_tree(temp.path(), LONG_TIMEOUT).unwrap();
        assert_eq!(count(temp.path()), 0);
    }

    #[test]
    fn removes_a_hard_link_and_leaves_its_file() {
        let temp = temp_dir();
        fs::write(temp.path().join("outside"), b"of value").unwrap();
        fs::hard_link(temp.path().join("outside"), temp.path().join("tree/link")).unwrap();
        remove_tree(temp.path(), LONG_TIMEOUT).unwrap();
        assert_eq!(fs::read(temp.path().join("outside")).unwrap(), b"of value");
        assert_eq!(count(temp.path()), 1);
    }

    #[test]
    fn removes_an_unshared_file_once_it_is_closed() {
        let temp = temp_dir();
        let tree = temp.path().join("tree");
        let unshared = create_unshared(&tree.join("unshared"));
        assert!(delete(&open_dir(&tree).unwrap(), OsStr::new("unshared")).is_err());
        thread::scope(|scope| {
            let removing = scope.spawn(|| remove_tree(temp.path(), LONG_TIMEOUT));
            drop(unshared);
            removing.join().unwrap().unwrap();
        });
        assert_eq!(count(temp.path()), 0);
    }

    #[test]
    fn reports_a_file_that_stays_open_and_removes_the_rest() {
        let temp = temp_dir();
        let tree = temp.path().join("tree");
        for dir in ["a/x/y", "b/x/y"] {
            fs::create_dir_all(tree.join(dir)).unwrap();
        }
        let unshared = create_unshared(&tree.join("a/unshared"));
        let error = remove_tree(temp.path(), LONG_TIMEOUT).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(ERROR_SHARING_VIOLATION.cast_signed()));
        assert_eq!((count(&tree), count(&tree.join("a"))), (2, 1), "and LAST");
        drop(unshared);
        remove_tree(temp.path(), LONG_TIMEOUT).unwrap();
        assert_eq!(count(temp.path()), 0);
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
