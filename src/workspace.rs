//! A private directory for one run: made fresh, readable by its owner alone, holding nothing of the user's.
//!
//! Its name is the run's, and it is locked for as long as its owner lives: the kernel lets go of the lock of whoever dies, however
//! that happens. So a directory without a lock has been left behind, and tells by its name whose processes may have been left with
//! it.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::files::{Dir, Refusal, open_up, remove_dir_all};

/// The beginning of every workspace's name; the run follows.
pub const PREFIX: &str = "od-codex-image-";
/// The file that the agent is asked to leave in the workspace. Callers of the original contract know this name.
pub const IMAGE_NAME: &str = "od-codex-image.png";
/// A directory that is not locked yet must not look as if it had been left behind.
const UNFINISHED: &str = ".od-codex-image-";

/// One run's directory. Removed when closed, and at the latest when dropped.
#[derive(Debug)]
pub struct Workspace {
    /// Without links, and on Windows without `\\?\`: the sandbox knows the directory by this name.
    path: PathBuf,
    /// Holds the lock, too. None once it is closed.
    handle: Option<Dir>,
}

impl Workspace {
    /// Makes a directory below `parent`, for the run of that name. Its mode is 0700; on Windows the user's temporary directory keeps
    /// others out of all that is in it.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn create(parent: &Path, run: &str) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(UNFINISHED);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let parent = dunce::canonicalize(parent)?;
        let unfinished = builder.tempdir_in(&parent)?.keep();
        let finish = || {
            let handle = Dir::open(&unfinished)?;
            // Where the file system knows no locks, nobody will take this directory for one that was left behind.
            let _ = handle.lock();
            let path = parent.join(format!("{PREFIX}{run}"));
            std::fs::rename(&unfinished, &path)?;
            Ok(Self { path, handle: Some(handle) })
        };
        finish().inspect_err(|_| {
            // Why it could not be finished is the error to tell.
            let _ = remove(&unfinished);
        })
    }

    /// Where it is, absolute and without links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path that the agent is asked to copy the picture to.
    #[must_use]
    pub fn image_path(&self) -> PathBuf {
        self.path.join(IMAGE_NAME)
    }

    /// Reads the file at the handed path.
    ///
    /// # Errors
    /// Why it was not read.
    pub fn read_image(&self, limit: u64) -> Result<Vec<u8>, Refusal> {
        self.handle.as_ref().map_or(Err(Refusal::Absent), |handle| handle.read(OsStr::new(IMAGE_NAME), limit))
    }

    /// Removes the directory with everything in it.
    ///
    /// # Errors
    /// Whatever the operating system says; the directory may then be left in part.
    pub fn close(mut self) -> io::Result<()> {
        // Removing takes descriptors, and this may be the last there is.
        self.handle = None;
        remove(&self.path)
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if self.handle.take().is_some() {
            let _ = remove(&self.path);
        }
    }
}

/// The workspace of an owner who is dead.
#[derive(Debug)]
pub struct Abandoned {
    path: PathBuf,
    run: String,
    /// Locked, so that nobody else sees to it at the same time.
    _handle: Dir,
}

impl Abandoned {
    /// The workspaces below `parent` that have no owner any more. Only directories of the user's own are looked at.
    pub fn find(parent: &Path) -> impl Iterator<Item = Self> {
        let entries = dunce::canonicalize(parent).and_then(std::fs::read_dir).into_iter().flatten().flatten();
        entries.filter_map(|entry| {
            let run = entry.file_name().to_str()?.strip_prefix(PREFIX)?.to_owned();
            let handle = Dir::open(&entry.path()).ok()?;
            let abandoned = handle.is_own() && handle.lock().is_ok();
            abandoned.then(|| Self { path: entry.path(), run, _handle: handle })
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the run.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Removes it.
    ///
    /// # Errors
    /// Whatever the operating system says; the directory may then be left in part.
    pub fn remove(self) -> io::Result<()> {
        remove(&self.path)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    // An empty directory can be removed even by a process that cannot open anything any more.
    let first = std::fs::remove_dir(path).or_else(|_| std::fs::remove_dir_all(path));
    first.or_else(|_| {
        // An agent can take away its own right to enter a directory; nobody but root could then remove it.
        open_up(path);
        match remove_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "0123456789abcdef";

    fn count(place: &Path) -> usize {
        std::fs::read_dir(place).unwrap().count()
    }

    #[test]
    fn it_is_private_fresh_and_gone_after_closing() {
        let parent = tempfile::tempdir().unwrap();
        let workspace = Workspace::create(parent.path(), RUN).unwrap();
        assert_eq!((count(parent.path()), count(workspace.path())), (1, 0));
        std::fs::create_dir_all(workspace.path().join("a/b")).unwrap();
        std::fs::write(workspace.path().join("a/b/c"), b"x").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let metadata = workspace.path().metadata().unwrap();
            assert_eq!(metadata.permissions().mode() & 0o7777, 0o700);
            std::fs::set_permissions(workspace.path().join("a"), std::fs::Permissions::from_mode(0o0)).unwrap();
        }
        workspace.close().unwrap();
        assert_eq!(count(parent.path()), 0);
    }

    #[test]
    fn dropping_removes_it_too() {
        let parent = tempfile::tempdir().unwrap();
        drop(Workspace::create(parent.path(), RUN).unwrap());
        assert_eq!(count(parent.path()), 0);
    }

    #[test]
    fn a_missing_parent_is_an_error() {
        let parent = tempfile::tempdir().unwrap();
        let missing = Workspace::create(&parent.path().join("no"), RUN);
        assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn only_what_has_lost_its_owner_is_abandoned() {
        let parent = tempfile::tempdir().unwrap();
        let live = Workspace::create(parent.path(), "live").unwrap();
        for name in ["od-codex-image-dead", "od-codex-image", "another", "target"] {
            std::fs::create_dir(parent.path().join(name)).unwrap();
        }
        std::fs::write(parent.path().join("od-codex-image-file"), b"").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("target", parent.path().join("od-codex-image-link")).unwrap();
        let found: Vec<_> = Abandoned::find(parent.path()).collect();
        assert_eq!(found.iter().map(Abandoned::run).collect::<Vec<_>>(), ["dead"]);
        assert_eq!(Abandoned::find(parent.path()).count(), 0, "somebody sees to it already");
        for abandoned in found {
            abandoned.remove().unwrap();
        }
        assert!(!parent.path().join("od-codex-image-dead").exists());
        assert!(live.path().is_dir());
    }
}
