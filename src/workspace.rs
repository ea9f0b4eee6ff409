//! A private directory for one run: made fresh, holding nothing of the user's, locked for as long
//! as its owner lives.
//!
//! `od-codex-image-RUN` holds two entries: `workspace`, which is the agent's, and `run`, a file
//! that proves that this package made the directory. The kernel releases a lock when its owner
//! dies, however that happens, so a proven directory without a lock has been abandoned. The proof
//! is written last and removed last: a directory without it is left alone.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Cause, os_words};
use crate::files::{Dir, Exposure, exposure};

/// The file that the agent is asked to leave in the workspace. Callers of the original contract
/// know this name.
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
    /// [`Cause::WorkspaceFailed`] if it cannot be opened, or if other users could exchange what is
    /// made in it.
    pub fn open(path: &Path) -> Result<Self, Cause> {
        let failed = |error: io::Error| Cause::WorkspaceFailed(os_words(&error));
        let path = dunce::canonicalize(path).map_err(failed)?;
        let problem = match exposure(&path).map_err(failed)? {
            None => return Ok(Self { dir: Dir::open_unlisted(&path).map_err(failed)?, path }),
            Some(Exposure::Owned) => {
                "the directory for temporary files, or one above it, belongs to another user, \
                 who could exchange what is made there"
            }
            Some(Exposure::Writable) => {
                "other users can write in the directory for temporary files, or in one above it, \
                 and could exchange what is made there"
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
        self.dir.remove(&name_of(run), dir, OsStr::new(PROOF)).inspect_err(|_| {
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

    /// The agent's directory as the working directory of a child that is about to be started: where
    /// the system has a path for it, the very directory that is held open.
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

/// Whether it has the form of a run's name, as [`crate::run_id::random_hex`] makes them.
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
    use std::fs;

    use super::*;

    const RUN: &str = "0123456789abcdef";
    const OTHER: &str = "fedcba9876543210";

    fn count(place: &Path) -> usize {
        fs::read_dir(place).unwrap().count()
    }

    fn create(place: &Path, run: &str) -> Workspace {
        Workspace::create(Parent::open(place).unwrap(), run).unwrap()
    }

    /// Leaves a workspace as a daemon does that is killed.
    fn abandon(place: &Path, run: &str) -> PathBuf {
        let mut workspace = create(place, run);
        workspace.held = None;
        workspace.root()
    }

    fn found(place: &Path) -> Vec<String> {
        Abandoned::find(&Parent::open(place).unwrap()).map(|abandoned| abandoned.run().to_owned()).collect()
    }

    #[test]
    fn it_is_private_fresh_and_gone_after_closing() {
        let parent = tempfile::tempdir().unwrap();
        let workspace = create(parent.path(), RUN);
        assert_eq!((count(parent.path()), count(&workspace.path())), (1, 0));
        fs::create_dir_all(workspace.path().join("a/b")).unwrap();
        fs::write(workspace.path().join("a/b/c"), b"x").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            for dir in [workspace.root(), workspace.path()] {
                assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
            }
            let proof = workspace.root().join(PROOF).metadata().unwrap();
            assert_eq!(proof.permissions().mode() & 0o777, 0o600);
            fs::set_permissions(workspace.path().join("a"), fs::Permissions::from_mode(0o000)).unwrap();
        }
        workspace.close().unwrap();
        assert_eq!(count(parent.path()), 0);
    }

    #[test]
    fn dropping_removes_it_too() {
        let parent = tempfile::tempdir().unwrap();
        drop(create(parent.path(), RUN));
        assert_eq!(count(parent.path()), 0);
    }

    #[test]
    fn a_name_that_is_taken_is_an_error_and_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        fs::create_dir(parent.path().join(name_of(RUN))).unwrap();
        let taken = Workspace::create(Parent::open(parent.path()).unwrap(), RUN);
        assert_eq!(taken.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(count(parent.path()), 1);
    }

    #[test]
    fn a_missing_parent_is_an_error() {
        let parent = tempfile::tempdir().unwrap();
        let missing = Parent::open(&parent.path().join("no")).unwrap_err();
        assert_eq!(missing.code(), "WORKSPACE_FAILED");
        assert!(!missing.to_string().contains(parent.path().to_str().unwrap()));
    }

    #[cfg(unix)]
    #[test]
    fn a_parent_in_which_others_can_write_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let parent = tempfile::tempdir().unwrap();
        let inside = parent.path().join("a");
        fs::create_dir(&inside).unwrap();
        for (mode, is_safe) in [(0o777, false), (0o702, false), (0o1777, true), (0o755, true)] {
            fs::set_permissions(parent.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Parent::open(parent.path()).is_ok(), is_safe, "{mode:o}");
            assert_eq!(Parent::open(&inside).is_ok(), is_safe, "below {mode:o}");
            if let Err(cause) = Parent::open(&inside) {
                crate::error::sentences::assert_sentence(&cause.to_string());
            }
        }
    }

    /// A directory such as `/tmp` may be closed to listing.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_parent_that_cannot_be_listed_will_do() {
        use std::os::unix::fs::PermissionsExt as _;
        let parent = tempfile::tempdir().unwrap();
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o300)).unwrap();
        create(parent.path(), RUN).close().unwrap();
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(count(parent.path()), 0);
    }

    /// Others may have exchanged it by then.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_child_starts_in_the_directory_that_is_held_whatever_lies_at_its_path() {
        let parent = tempfile::tempdir().unwrap();
        let workspace = create(parent.path(), RUN);
        let aside = parent.path().join("aside");
        fs::rename(workspace.root(), &aside).unwrap();
        fs::create_dir_all(workspace.path()).unwrap();
        let touch = std::process::Command::new("/bin/sh")
            .args(["-c", "echo > here; exec 2>&1; pwd -P"])
            .current_dir(workspace.working_dir())
            .output()
            .unwrap();
        let held = aside.canonicalize().unwrap().join(WORKSPACE);
        assert_eq!(String::from_utf8(touch.stdout).unwrap().trim_end(), held.to_str().unwrap());
        assert_eq!((count(&held), count(&workspace.path())), (1, 0));
    }

    #[test]
    fn only_what_has_lost_its_owner_is_abandoned() {
        let parent = tempfile::tempdir().unwrap();
        let live = create(parent.path(), RUN);
        let dead = abandon(parent.path(), OTHER);
        let place = Parent::open(parent.path()).unwrap();
        let abandoned: Vec<_> = Abandoned::find(&place).collect();
        assert_eq!(abandoned.iter().map(Abandoned::run).collect::<Vec<_>>(), [OTHER]);
        assert_eq!(found(parent.path()), [""; 0], "another daemon removes it already");
        for abandoned in abandoned {
            abandoned.remove(&place).unwrap();
        }
        assert!(!dead.exists());
        assert!(live.path().is_dir());
    }

    #[test]
    fn only_what_this_package_made_is_abandoned() {
        let parent = tempfile::tempdir().unwrap();
        let path = |name: &str| parent.path().join(name);
        for name in ["notes", RUN, "0123456789ABCDEF", "0123456789abcde", "", "..x"] {
            fs::create_dir_all(path(&format!("{PREFIX}{name}"))).unwrap();
        }
        fs::write(path(&format!("{PREFIX}1111111111111111")), b"").unwrap();
        let dead = abandon(parent.path(), OTHER);
        assert_eq!(found(parent.path()), [OTHER]);
        #[cfg(unix)]
        std::os::unix::fs::symlink(&dead, path(&format!("{PREFIX}2222222222222222"))).unwrap();
        assert_eq!(found(parent.path()), [OTHER], "a link is not it");

        // Under another name, as a copy, with another proof, and without one.
        let other = path(&format!("{PREFIX}3333333333333333"));
        fs::rename(&dead, &other).unwrap();
        assert_eq!(found(parent.path()), [""; 0]);
        fs::create_dir(&dead).unwrap();
        fs::copy(other.join(PROOF), dead.join(PROOF)).unwrap();
        assert_eq!(found(parent.path()), [""; 0]);
        fs::remove_dir_all(&dead).unwrap();
        fs::rename(&other, &dead).unwrap();
        assert_eq!(found(parent.path()), [OTHER]);
        fs::write(dead.join(PROOF), b"codex-image run").unwrap();
        assert_eq!(found(parent.path()), [""; 0]);
        fs::remove_file(dead.join(PROOF)).unwrap();
        assert_eq!(found(parent.path()), [""; 0]);
    }
}
