//! A private directory for one run: made fresh, readable by its owner alone, holding nothing of the user's.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::files::{Dir, Refusal};

/// The beginning of every workspace's name.
pub const PREFIX: &str = "od-codex-image-";
/// The file that the agent is asked to leave in the workspace. Callers of the original contract know this name.
pub const IMAGE_NAME: &str = "od-codex-image.png";

/// One run's directory. Removed when closed, and at the latest when dropped.
#[derive(Debug)]
pub struct Workspace {
    place: TempDir,
    /// The path without links: the sandbox knows the directory by this name.
    path: PathBuf,
    handle: Dir,
}

impl Workspace {
    /// Makes a directory with mode 0700 below `parent`.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn create(parent: &Path) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let place = builder.tempdir_in(parent)?;
        let open = |path: PathBuf| Dir::open(&path).map(|handle| (path, handle));
        match place.path().canonicalize().and_then(open) {
            Ok((path, handle)) => Ok(Self { place, path, handle }),
            Err(error) => {
                // What it could not be opened for is the error to tell.
                let _ = remove(place);
                Err(error)
            }
        }
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
        self.handle.read(OsStr::new(IMAGE_NAME), limit)
    }

    /// Removes the directory with everything in it.
    ///
    /// # Errors
    /// Whatever the operating system says; the directory may then be left in part.
    pub fn close(self) -> io::Result<()> {
        // Removing takes descriptors, and this may be the last there is.
        drop(self.handle);
        remove(self.place)
    }
}

fn remove(place: TempDir) -> io::Result<()> {
    // `place` would try again on drop, in vain or for nothing.
    let path = place.keep();
    // An empty directory can be removed even by a process that cannot open anything any more.
    let first = std::fs::remove_dir(&path).or_else(|_| std::fs::remove_dir_all(&path));
    first.or_else(|_| {
        // An agent can take away its own right to enter a directory; nobody but root could then remove it.
        unlock(&path);
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    })
}

/// Gives the owner every right to the directories below `path`. Links are not followed.
fn unlock(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700));
    }
    let Ok(entries) = std::fs::read_dir(path) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            unlock(&entry.path());
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn it_is_private_fresh_and_gone_after_closing() {
        let parent = tempfile::tempdir().unwrap();
        let workspace = Workspace::create(parent.path()).unwrap();
        let metadata = workspace.path().metadata().unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o700);
        assert_eq!(std::fs::read_dir(workspace.path()).unwrap().count(), 0);
        std::fs::create_dir_all(workspace.path().join("a/b")).unwrap();
        std::fs::write(workspace.path().join("a/b/c"), b"x").unwrap();
        std::fs::set_permissions(workspace.path().join("a"), std::fs::Permissions::from_mode(0o0)).unwrap();
        workspace.close().unwrap();
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn dropping_removes_it_too() {
        let parent = tempfile::tempdir().unwrap();
        drop(Workspace::create(parent.path()).unwrap());
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_missing_parent_is_an_error() {
        let parent = tempfile::tempdir().unwrap();
        assert_eq!(Workspace::create(&parent.path().join("no")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
