//! A private directory for one run: made fresh, holding nothing of the user's, locked for as long as its owner lives.
//!
//! `od-codex-image-RUN` holds two entries: `workspace`, which is the agent's, and `run`, a file that proves that this
//! package made the directory. The kernel releases a lock when its owner dies, however that happens, so a proven
//! directory without a lock has been abandoned. The proof is written last and removed last: a directory without it is
//! nobody's to remove.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Cause, os_words};
use crate::files::{Dir, Exposure, Refusal, exposure};

/// The file that the agent is asked to leave in the workspace. Callers of the original contract know this name.
pub const IMAGE_NAME: &str = "od-codex-image.png";
/// The beginning of every directory's name; the run follows.
const PREFIX: &str = "od-codex-image-";
/// The agent's directory. Codex's sandbox keeps the agent from what lies beside it.
const WORKSPACE: &str = "workspace";
/// The file that proves that this package made the directory.
const PROOF: &str = "run";

/// The directory for temporary files, held open, in which no other user can exchange anything.
#[derive(Debug)]
pub struct Parent {
    /// Without links, and on Windows without `\\?\`.
    path: PathBuf,
    dir: Dir,
}

impl Parent {
    /// Opens the directory.
    ///
    /// # Errors
    /// [`Cause::WorkspaceFailed`] if it cannot be opened, or if other users could exchange what is made in it.
    pub fn open(path: &Path) -> Result<Self, Cause> {
        let failed = |error: io::Error| Cause::WorkspaceFailed(os_words(&error));
        let path = dunce::canonicalize(path).map_err(failed)?;
        let problem = match exposure(&path).map_err(failed)? {
            None => return Ok(Self { dir: Dir::open_unlisted(&path).map_err(failed)?, path }),
            Some(Exposure::Owned) => {
                "the directory for temporary files, or one above it, belongs to another user, \
                 who could exchange what is made there. Set TMPDIR to a directory of your own"
            }
            Some(Exposure::Writable) => {
                "other users can write in the directory for temporary files, or in one above it, \
                 and could exchange what is made there. Set its sticky bit (chmod +t), \
                 or set TMPDIR to a directory that only you can write in"
            }
        };
        Err(Cause::WorkspaceFailed(problem.to_owned()))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn remove(&self, run: &str, dir: Dir) -> io::Result<()> {
        let path = self.path.join(name_of(run));
        self.dir.remove(&path, dir, OsStr::new(PROOF)).inspect_err(|_| {
            // What is left is for the next daemon, which needs the proof.
            let _ = self.dir.open_dir(&name_of(run)).and_then(|dir| prove(&dir, run));
        })
    }
}

/// One run's directory. Removed when closed, and at the latest when dropped.
#[derive(Debug)]
pub struct Workspace {
    parent: Parent,
    run: String,
    /// None once it is closed.
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    /// Holds the lock, too.
    dir: Dir,
    workspace: Arc<Dir>,
}

impl Workspace {
    /// Makes a directory in `parent`, for the run of that name.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn create(parent: Parent, run: &str) -> io::Result<Self> {
        let dir = parent.dir.create_dir(&name_of(run))?;
        // Where the file system knows no locks, nothing is ever taken for abandoned.
        let _ = dir.lock();
        let workspace = dir.create_dir(OsStr::new(WORKSPACE)).and_then(|workspace| {
            prove(&dir, run)?;
            Ok(workspace)
        });
        match workspace {
            Ok(workspace) => {
                let held = Some(Held { dir, workspace: Arc::new(workspace) });
                Ok(Self { parent, run: run.to_owned(), held })
            }
            Err(error) => {
                // Why it could not be finished is the error to tell.
                let _ = parent.remove(run, dir);
                Err(error)
            }
        }
    }

    /// The directory that holds everything of the run, absolute and without links.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.parent.path.join(name_of(&self.run))
    }

    /// The agent's directory, absolute and without links: the sandbox knows it by this name.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.root().join(WORKSPACE)
    }

    /// The agent's directory as the working directory of a child that is about to be started: where the system has a path
    /// for it, the very directory that is held open.
    #[must_use]
    pub fn working_dir(&self) -> PathBuf {
        self.held.as_ref().and_then(|held| held.workspace.held_path()).unwrap_or_else(|| self.path())
    }

    /// The agent's directory, held open; None once it is closed.
    #[must_use]
    pub fn dir(&self) -> Option<Arc<Dir>> {
        self.held.as_ref().map(|held| Arc::clone(&held.workspace))
    }

    /// The path that the agent is asked to copy the picture to.
    #[must_use]
    pub fn image_path(&self) -> PathBuf {
        self.path().join(IMAGE_NAME)
    }

    /// Reads the file at the handed path.
    ///
    /// # Errors
    /// Why it was not read.
    pub fn read_image(&self, limit: u64) -> Result<Vec<u8>, Refusal> {
        self.dir().map_or(Err(Refusal::Absent), |dir| dir.read(OsStr::new(IMAGE_NAME), limit))
    }

    /// Removes the directory with everything in it.
    ///
    /// # Errors
    /// Whatever the operating system says; the directory may then be left in part.
    pub fn close(mut self) -> io::Result<()> {
        self.remove()
    }

    fn remove(&mut self) -> io::Result<()> {
        let Some(Held { dir, workspace }) = self.held.take() else { return Ok(()) };
        // Removing takes a descriptor, and this may be the last there is.
        drop(workspace);
        self.parent.remove(&self.run, dir)
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let _ = self.remove();
    }
}

/// The directory of an owner who is dead.
#[derive(Debug)]
pub struct Abandoned {
    run: String,
    path: PathBuf,
    /// Locked, so that no other daemon removes it at the same time.
    dir: Dir,
}

impl Abandoned {
    /// The directories in `parent` that this package provably made and that have no owner any more.
    pub fn find(parent: &Parent) -> impl Iterator<Item = Self> {
        let entries = std::fs::read_dir(&parent.path).into_iter().flatten().flatten();
        entries.filter_map(|entry| {
            let run = entry.file_name().to_str()?.strip_prefix(PREFIX).filter(|run| is_run(run))?.to_owned();
            let dir = parent.dir.open_dir(&entry.file_name()).ok()?;
            // The proof before the lock: its owner has the lock by the time it writes the proof.
            let is_abandoned = dir.is_own() && is_proven(&dir, &run) && dir.lock().is_ok();
            is_abandoned.then(|| Self { run, path: entry.path(), dir })
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

    /// Removes it from `parent`.
    ///
    /// # Errors
    /// Whatever the operating system says; the directory may then be left in part.
    pub fn remove(self, parent: &Parent) -> io::Result<()> {
        parent.remove(&self.run, self.dir)
    }
}

fn name_of(run: &str) -> std::ffi::OsString {
    format!("{PREFIX}{run}").into()
}

/// Whether it has the form of a run's name, as [`crate::run::random_hex`] makes them.
fn is_run(name: &str) -> bool {
    name.len() == 16 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn prove(dir: &Dir, run: &str) -> io::Result<()> {
    dir.create_file(OsStr::new(PROOF), proof(dir, run)?.as_bytes())
}

fn is_proven(dir: &Dir, run: &str) -> bool {
    let Ok(proof) = proof(dir, run) else { return false };
    dir.read(OsStr::new(PROOF), proof.len() as u64).is_ok_and(|read| read == proof.as_bytes())
}

/// What only the directory of this run holds: not one that was renamed, and not a copy.
fn proof(dir: &Dir, run: &str) -> io::Result<String> {
    Ok(format!("codex-image run {run} in directory {:016x}\n", dir.id()?))
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
