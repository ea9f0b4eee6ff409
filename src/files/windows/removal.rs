//! Removing a directory with everything in it, whatever an agent has made of it.
//!
//! As on Unix nothing recurses and no path is resolved: a subdirectory that is not empty is moved
//! up into the directory that is being removed, under a number as its name, and is taken apart
//! there. That takes five handles at any depth. Links are removed, never followed. std's
//! `remove_dir_all` (1.96) does not recurse either, but keeps one handle for each level.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::io::{AsRawHandle as _, OwnedHandle};
use std::ptr;
use std::thread;
use std::time::{Duration, Instant};

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

/// How long other processes may hold what is to be removed: scanners and indexers open every new
/// file.
const PATIENCE: Duration = Duration::from_secs(1);
/// Poll interval: Windows does not notify when a handle closes.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Removes the directory `name` of `parent`, which is open as `dir`. The entry `last` goes after
/// all others.
///
/// # Errors
/// The first thing that could not be removed, after all that could; [`io::ErrorKind::TimedOut`] if
/// entries still appear at the deadline.
pub fn remove(parent: &Handle, name: &OsStr, dir: Handle, last: &OsStr, deadline: Instant) -> io::Result<()> {
    let mut removal = Removal { root: &dir, deadline, moved: 0, seen: 0, error: None };
    patiently(deadline, || removal.empty(last))?;
    patiently(deadline, || delete(&dir, last))?;
    // An open handle keeps a directory.
    drop(dir);
    patiently(deadline, || delete(parent, name))
}

/// Repeats `attempt` until it succeeds, but not for longer than other processes may hold a file.
fn patiently(deadline: Instant, mut attempt: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let mut end = None;
    loop {
        let result = attempt();
        let now = Instant::now();
        if result.is_ok() || now >= *end.get_or_insert(deadline.min(now + PATIENCE)) {
            return result;
        }
        thread::sleep(POLL_INTERVAL);
    }
}

struct Removal<'a> {
    root: &'a Handle,
    deadline: Instant,
    /// How many numbers have been names of directories that were moved up; the next one's name.
    moved: u64,
    /// For how many of them the directory has been taken apart.
    seen: u64,
    /// The first of this pass.
    error: Option<io::Error>,
}

impl Removal<'_> {
    /// Removes every entry of the root but `last`. Passes over it until one finds nothing, or
    /// fails.
    fn empty(&mut self, last: &OsStr) -> io::Result<()> {
        loop {
            let mut names = names(self.root)?;
            names.retain(|name| name != last);
            if names.is_empty() {
                return Ok(());
            }
            for name in &names {
                self.remove(name);
                while self.seen < self.moved {
                    let name = OsString::from(number(self.seen));
                    self.seen += 1;
                    self.remove(&name);
                }
            }
            if let Some(error) = self.error.take() {
                return Err(error);
            }
        }
    }

    /// Removes the entry `name` of the root. Where it is a directory, its own are moved up.
    fn remove(&mut self, name: &OsStr) {
        let result = self.in_time().and_then(|()| match delete(self.root, name) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => self.take_apart(name),
            result => result,
        });
        self.note(result);
    }

    fn take_apart(&mut self, name: &OsStr) -> io::Result<()> {
        let dir = open_dir_at(self.root, name)?;
        for name in names(&dir)? {
            self.in_time()?;
            let result = match delete(&dir, &name) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => self.move_up(&dir, &name),
                result => result,
            };
            self.note(result);
        }
        // An open handle keeps a directory.
        drop(dir);
        delete(self.root, name)
    }

    /// Moves the directory `name` of `dir` into the root.
    fn move_up(&mut self, dir: &Handle, name: &OsStr) -> io::Result<()> {
        loop {
            self.in_time()?;
            let result = rename(dir, name, self.root, &number(self.moved));
            let is_taken = result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists);
            if result.is_ok() || is_taken {
                // What has the number already goes, too.
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

    fn in_time(&self) -> io::Result<()> {
        if Instant::now() < self.deadline { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
    }
}

/// As many digits as the largest number has.
const DIGITS: usize = 20;

fn number(number: u64) -> String {
    format!("{number:0DIGITS$}")
}

/// Removes the entry `name` of `dir`, where it is a link the link itself. What is not there need
/// not be removed.
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
    // Windows before 10 1809 and file systems other than NTFS know no such flags.
    let delete = || set(&file, FileDispositionInformation, &FILE_DISPOSITION_INFORMATION { DeleteFile: true });
    match delete() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            make_writable(dir, name)?;
            delete()
        }
        result => result,
    }
}

/// Takes the read-only attribute off the entry `name` of `dir`.
fn make_writable(dir: &Handle, name: &OsStr) -> io::Result<()> {
    let file = open_at(dir, name, FILE_WRITE_ATTRIBUTES).map_err(error_of)?;
    // Times of zero stay as they are.
    let plain = FILE_BASIC_INFORMATION { FileAttributes: FILE_ATTRIBUTE_NORMAL, ..FILE_BASIC_INFORMATION::default() };
    set(&file, FileBasicInformation, &plain)
}

/// `FILE_RENAME_INFORMATION` with a name of [`DIGITS`].
#[repr(C)]
struct RenameInformation {
    replace: u32,
    root: HANDLE,
    length: u32,
    name: [u16; DIGITS],
}

/// Moves the entry `name` of `dir` into `root`, where its name is of [`DIGITS`].
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
    // SAFETY: the handle is valid, and the structure is as long as stated and outlives the call.
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

    use windows_sys::Win32::Foundation::ERROR_SHARING_VIOLATION;

    use super::super::{create_dir, create_file, open_dir};
    use super::*;

    const LAST: &str = "last";
    const LIMIT: Duration = Duration::from_secs(300);

    /// A directory `tree` with the entry that goes last, in a place with nothing else.
    fn place() -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("tree")).unwrap();
        fs::write(place.path().join("tree").join(LAST), b"").unwrap();
        place
    }

    fn remove_tree(place: &Path, limit: Duration) -> io::Result<()> {
        let (parent, tree) = (open_dir(place).unwrap(), open_dir(&place.join("tree")).unwrap());
        remove(&parent, OsStr::new("tree"), tree, OsStr::new(LAST), Instant::now() + limit)
    }

    fn count(path: &Path) -> usize {
        fs::read_dir(path).unwrap().count()
    }

    /// Makes a file that no other handle can be opened for.
    fn hold(path: &Path) -> File {
        OpenOptions::new().write(true).create_new(true).share_mode(0).open(path).unwrap()
    }

    fn set_readonly(path: &Path) {
        let mut permissions = fs::metadata(path).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(path, permissions).unwrap();
    }

    /// Built from its end: a path of 42,000 characters, which the system does not make.
    #[test]
    fn removes_deep_and_wide_trees_with_any_names() {
        let place = place();
        let tree = open_dir(&place.path().join("tree")).unwrap();
        // Numbers are the names of directories that are moved up.
        let (top, around) = (number(0), number(1999));
        create_dir(&tree, OsStr::new(&top)).unwrap();
        for _ in 0..2000 {
            let next = create_dir(&tree, OsStr::new(&around)).unwrap();
            create_file(&next, OsStr::new("\u{1f98a}"), b"x").unwrap();
            let sibling = create_dir(&next, OsStr::new(&number(1))).unwrap();
            create_dir(&sibling, OsStr::new("x")).unwrap();
            rename(&tree, OsStr::new(&top), &next, &top).unwrap();
            drop((next, sibling));
            rename(&tree, OsStr::new(&around), &tree, &top).unwrap();
        }
        drop(tree);
        remove_tree(place.path(), LIMIT).unwrap();
        assert_eq!(count(place.path()), 0);
    }

    #[test]
    fn removes_read_only_files_and_directories() {
        let place = place();
        let inner = place.path().join("tree/a/b");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("file"), b"").unwrap();
        set_readonly(&inner.join("file"));
        set_readonly(&inner);
        remove_tree(place.path(), LIMIT).unwrap();
        assert_eq!(count(place.path()), 0);
    }

    #[test]
    fn removes_a_hard_link_and_leaves_its_file() {
        let place = place();
        fs::write(place.path().join("outside"), b"of value").unwrap();
        fs::hard_link(place.path().join("outside"), place.path().join("tree/link")).unwrap();
        remove_tree(place.path(), LIMIT).unwrap();
        assert_eq!(fs::read(place.path().join("outside")).unwrap(), b"of value");
        assert_eq!(count(place.path()), 1);
    }

    #[test]
    fn removes_a_held_file_once_it_is_released() {
        let place = place();
        let tree = place.path().join("tree");
        let held = hold(&tree.join("held"));
        assert!(delete(&open_dir(&tree).unwrap(), OsStr::new("held")).is_err());
        thread::scope(|scope| {
            let removing = scope.spawn(|| remove_tree(place.path(), LIMIT));
            drop(held);
            removing.join().unwrap().unwrap();
        });
        assert_eq!(count(place.path()), 0);
    }

    #[test]
    fn reports_a_file_that_stays_held_and_removes_the_rest() {
        let place = place();
        let tree = place.path().join("tree");
        for dir in ["a/x/y", "b/x/y"] {
            fs::create_dir_all(tree.join(dir)).unwrap();
        }
        let held = hold(&tree.join("a/held"));
        let error = remove_tree(place.path(), LIMIT).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(ERROR_SHARING_VIOLATION.cast_signed()));
        assert_eq!((count(&tree), count(&tree.join("a"))), (2, 1), "and what goes last");
        drop(held);
        remove_tree(place.path(), LIMIT).unwrap();
        assert_eq!(count(place.path()), 0);
    }

    #[test]
    fn keeps_what_goes_last_while_anything_else_is_left() {
        let place = place();
        fs::create_dir_all(place.path().join("tree/a/b")).unwrap();
        let error = remove_tree(place.path(), Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(place.path().join("tree").join(LAST).exists());
    }
}
