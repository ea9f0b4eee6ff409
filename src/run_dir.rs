//! The run directory: private to one run, and locked for as long as its owner lives.
//!
//! `od-codex-image-RUN` has two entries: the workspace (`workspace`) and the proof file
//! `run`. The proof is written last and removed last; nothing without it is ever deleted. The
//! kernel releases the lock when the owner dies, so a proven directory without a lock is abandoned.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Cause, os_error_text};
use crate::files::{Dir, Exposure, exposure, real_path};

/// Name of the file that the agent is asked to copy the image to. Open Design's original proposal
/// names it: do not rename it.
pub const IMAGE_NAME: &str = "od-codex-image.png";
/// Prefix of the directory's name, before the id of the run.
const PREFIX: &str = "od-codex-image-";
/// The agent's directory. Codex's sandbox keeps the agent from writing outside of it.
const WORKSPACE: &str = "workspace";
/// The file that proves that this package made the directory.
const PROOF: &str = "run";

/// Open directory for temporary files in which no other user can replace entries.
#[derive(Debug)]
pub struct Parent {
    /// Without the prefix `\\?\` of Windows, and without links if that is possible.
    path: PathBuf,
    dir: Dir,
}

impl Parent {
    /// Opens the directory.
    ///
    /// # Errors
    /// [`Cause::WorkspaceFailed`] if it cannot be opened, or if other users could replace entries.
    pub fn open(path: &Path) -> Result<Self, Cause> {
        let failed = |error: io::Error| Cause::WorkspaceFailed(os_error_text(&error));
        let path = real_path(path).map_err(failed)?;
        let problem = match exposure(&path).map_err(failed)? {
            None => return Ok(Self { dir: Dir::open_unlisted(&path).map_err(failed)?, path }),
            Some(Exposure::ForeignOwner) => {
                "the directory for temporary files, or one above it, belongs to another user, \
                 who could exchange what is made there"
            }
            Some(Exposure::WritableByOthers) => {
                "other users can write in the directory for temporary files, or in one above it, \
                 and could exchange what is made there"
            }
        };
        Err(Cause::WorkspaceFailed(problem.to_owned()))
    }

    /// Path of the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn remove(&self, run: &str, dir: Dir) -> io::Result<()> {
        self.dir.remove(&name_of(run), dir, OsStr::new(PROOF)).inspect_err(|_| {
            // Restores the proof, so that the next host process removes the rest.
            let _ = self.dir.open_dir(&name_of(run)).and_then(|dir| write_proof(&dir, run));
        })
    }
}

/// Directory of one run. [`Self::close`] or dropping it removes the directory.
#[derive(Debug)]
pub struct RunDir {
    parent: Parent,
    run: String,
    /// None once the directory is removed.
    open: Option<OpenDirs>,
}

#[derive(Debug)]
struct OpenDirs {
    /// The run's directory. Holds the lock.
    dir: Dir,
    workspace: Arc<Dir>,
}

impl RunDir {
    /// Creates the directory of the run in `parent`.
    ///
    /// # Errors
    /// Any error of the operating system.
    pub fn create(parent: Parent, run: &str) -> io::Result<Self> {
        let dir = parent.dir.create_dir(&name_of(run))?;
        // On a file system without locks no directory ever counts as abandoned.
        let _ = dir.lock(run);
        let workspace = dir.create_dir(OsStr::new(WORKSPACE)).and_then(|workspace| {
            write_proof(&dir, run)?;
            Ok(workspace)
        });
        match workspace {
            Ok(workspace) => {
                let open = Some(OpenDirs { dir, workspace: Arc::new(workspace) });
                Ok(Self { parent, run: run.to_owned(), open })
            }
            Err(error) => {
                // Reports the first error, not that of the clean-up.
                let _ = parent.remove(run, dir);
                Err(error)
            }
        }
    }

    /// Path of the directory, absolute and without links.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.parent.path.join(name_of(&self.run))
    }

    /// Path of the workspace, absolute and without links, as Codex's sandbox needs it.
    #[must_use]
    pub fn workspace_path(&self) -> PathBuf {
        self.path().join(WORKSPACE)
    }

    /// Path of the workspace for starting a child in it. On Linux it leads to the open
    /// directory, even if another one has taken its place.
    #[must_use]
    pub fn working_dir(&self) -> PathBuf {
        self.open.as_ref().and_then(|open| open.workspace.fd_path()).unwrap_or_else(|| self.workspace_path())
    }

    /// The agent's open directory. None once it is removed.
    #[must_use]
    pub fn workspace(&self) -> Option<Arc<Dir>> {
        self.open.as_ref().map(|open| Arc::clone(&open.workspace))
    }

    /// Path that the agent is asked to copy the image to.
    #[must_use]
    pub fn image_path(&self) -> PathBuf {
        self.workspace_path().join(IMAGE_NAME)
    }

    /// Removes the directory and its content.
    ///
    /// # Errors
    /// Any error of the operating system. Parts of the directory may be left.
    pub fn close(mut self) -> io::Result<()> {
        self.remove()
    }

    fn remove(&mut self) -> io::Result<()> {
        let Some(OpenDirs { dir, workspace }) = self.open.take() else { return Ok(()) };
        // Frees a descriptor, since removing needs one and the process may have no other left.
        drop(workspace);
        self.parent.remove(&self.run, dir)
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        let _ = self.remove();
    }
}

/// Directory of a run whose owner is dead.
#[derive(Debug)]
pub struct Abandoned {
    run: String,
    path: PathBuf,
    /// Holds the lock, so that no other process removes the directory at the same time.
    dir: Dir,
}

impl Abandoned {
    /// Finds the directories in `parent` that this package provably created and whose lock is free.
    pub fn find(parent: &Parent) -> impl Iterator<Item = Self> {
        let entries = std::fs::read_dir(&parent.path).into_iter().flatten().flatten();
        entries.filter_map(|entry| {
            let run = entry.file_name().to_str()?.strip_prefix(PREFIX).filter(|run| is_run_id(run))?.to_owned();
            let dir = parent.dir.open_dir(&entry.file_name()).ok()?;
            // Checks the proof before the lock: the owner takes the lock before it writes the
            // proof.
            let is_abandoned = dir.is_own() && is_proven(&dir, &run) && dir.lock(&run).is_ok();
            is_abandoned.then(|| Self { run, path: entry.path(), dir })
        })
    }

    /// Path of the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Id of the run.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Removes the directory from `parent`.
    ///
    /// # Errors
    /// Any error of the operating system. Parts of the directory may be left.
    pub fn remove(self, parent: &Parent) -> io::Result<()> {
        parent.remove(&self.run, self.dir)
    }
}

fn name_of(run: &str) -> std::ffi::OsString {
    format!("{PREFIX}{run}").into()
}

/// Whether `name` has the form of a run's id; see [`crate::run_id::random_hex`].
fn is_run_id(name: &str) -> bool {
    name.len() == 16 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn write_proof(dir: &Dir, run: &str) -> io::Result<()> {
    dir.create_file(OsStr::new(PROOF), proof(dir, run)?.as_bytes())
}

fn is_proven(dir: &Dir, run: &str) -> bool {
    let Ok(proof) = proof(dir, run) else { return false };
    dir.read(OsStr::new(PROOF), proof.len() as u64).is_ok_and(|read| read == proof.as_bytes())
}

/// Content of the proof file. It names the run and the directory's inode, so that a renamed or
/// copied directory has no valid proof.
fn proof(dir: &Dir, run: &str) -> io::Result<String> {
    Ok(format!("codex-image run {run} in directory {:016x}\n", dir.id()?))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn count(dir: &Path) -> usize {
        fs::read_dir(dir).unwrap().count()
    }

    /// Returns a new id: on Windows, tests that run at the same time share the names of the locks.
    fn new_run() -> String {
        crate::run_id::random_hex().unwrap()
    }

    fn create(parent: &Path) -> RunDir {
        RunDir::create(Parent::open(parent).unwrap(), &new_run()).unwrap()
    }

    /// Leaves a run directory behind, as a killed host process does. Returns it and the run.
    fn abandon(parent: &Path) -> (PathBuf, String) {
        let mut run_dir = create(parent);
        run_dir.open = None;
        (run_dir.path(), run_dir.run.clone())
    }

    fn found(parent: &Path) -> Vec<String> {
        Abandoned::find(&Parent::open(parent).unwrap()).map(|abandoned| abandoned.run().to_owned()).collect()
    }

    #[test]
    fn creates_a_private_empty_directory_and_removes_it_on_close() {
        let parent = tempfile::tempdir().unwrap();
        let run_dir = create(parent.path());
        assert_eq!((count(parent.path()), count(&run_dir.workspace_path())), (1, 0));
        fs::create_dir_all(run_dir.workspace_path().join("a/b")).unwrap();
        fs::write(run_dir.workspace_path().join("a/b/c"), b"x").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            for dir in [run_dir.path(), run_dir.workspace_path()] {
                assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
            }
            let proof = run_dir.path().join(PROOF).metadata().unwrap();
            assert_eq!(proof.permissions().mode() & 0o777, 0o600);
            fs::set_permissions(run_dir.workspace_path().join("a"), fs::Permissions::from_mode(0o000)).unwrap();
        }
        run_dir.close().unwrap();
        assert_eq!(count(parent.path()), 0);
    }

    #[test]
    fn dropping_removes_the_directory() {
        let parent = tempfile::tempdir().unwrap();
        drop(create(parent.path()));
        assert_eq!(count(parent.path()), 0);
    }

    #[test]
    fn fails_on_a_taken_name_and_leaves_it_alone() {
        let parent = tempfile::tempdir().unwrap();
        let run = new_run();
        fs::create_dir(parent.path().join(name_of(&run))).unwrap();
        let taken = RunDir::create(Parent::open(parent.path()).unwrap(), &run);
        assert_eq!(taken.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(count(parent.path()), 1);
    }

    #[test]
    fn fails_on_a_missing_parent() {
        let parent = tempfile::tempdir().unwrap();
        let missing = Parent::open(&parent.path().join("no")).unwrap_err();
        assert_eq!(missing.code(), "WORKSPACE_FAILED");
        assert!(!missing.to_string().contains(parent.path().to_str().unwrap()));
    }

    #[cfg(unix)]
    #[test]
    fn refuses_a_parent_in_which_others_can_write() {
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
    fn accepts_a_parent_that_cannot_be_listed() {
        use std::os::unix::fs::PermissionsExt as _;
        let parent = tempfile::tempdir().unwrap();
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o300)).unwrap();
        create(parent.path()).close().unwrap();
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(count(parent.path()), 0);
    }

    /// Another process may have replaced the directory by then.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_child_starts_in_the_open_directory_even_if_another_took_its_place() {
        let parent = tempfile::tempdir().unwrap();
        let run_dir = create(parent.path());
        let aside = parent.path().join("aside");
        fs::rename(run_dir.path(), &aside).unwrap();
        fs::create_dir_all(run_dir.workspace_path()).unwrap();
        let touch = std::process::Command::new("/bin/sh")
            .args(["-c", "echo > here; exec 2>&1; pwd -P"])
            .current_dir(run_dir.working_dir())
            .output()
            .unwrap();
        let held = aside.canonicalize().unwrap().join(WORKSPACE);
        assert_eq!(String::from_utf8(touch.stdout).unwrap().trim_end(), held.to_str().unwrap());
        assert_eq!((count(&held), count(&run_dir.workspace_path())), (1, 0));
    }

    #[test]
    fn finds_only_directories_without_an_owner() {
        let parent = tempfile::tempdir().unwrap();
        let live = create(parent.path());
        let (dead, run) = abandon(parent.path());
        let opened = Parent::open(parent.path()).unwrap();
        let abandoned: Vec<_> = Abandoned::find(&opened).collect();
        assert_eq!(abandoned.iter().map(Abandoned::run).collect::<Vec<_>>(), [run]);
        assert_eq!(found(parent.path()), [""; 0], "another process holds its lock");
        for abandoned in abandoned {
            abandoned.remove(&opened).unwrap();
        }
        assert!(!dead.exists());
        assert!(live.workspace_path().is_dir());
    }

    #[test]
    fn finds_only_directories_with_a_valid_proof() {
        let parent = tempfile::tempdir().unwrap();
        let path = |name: &str| parent.path().join(name);
        for name in ["notes", "0123456789abcdef", "0123456789ABCDEF", "0123456789abcde", "", "..x"] {
            fs::create_dir_all(path(&format!("{PREFIX}{name}"))).unwrap();
        }
        fs::write(path(&format!("{PREFIX}1111111111111111")), b"").unwrap();
        let (dead, run) = abandon(parent.path());
        assert_eq!(found(parent.path()), [run.as_str()]);
        #[cfg(unix)]
        std::os::unix::fs::symlink(&dead, path(&format!("{PREFIX}2222222222222222"))).unwrap();
        assert_eq!(found(parent.path()), [run.as_str()], "a symbolic link is no run directory");

        // Renamed, copied, with a wrong proof, and without a proof.
        let other = path(&format!("{PREFIX}3333333333333333"));
        fs::rename(&dead, &other).unwrap();
        assert_eq!(found(parent.path()), [""; 0]);
        fs::create_dir(&dead).unwrap();
        fs::copy(other.join(PROOF), dead.join(PROOF)).unwrap();
        assert_eq!(found(parent.path()), [""; 0]);
        fs::remove_dir_all(&dead).unwrap();
        fs::rename(&other, &dead).unwrap();
        assert_eq!(found(parent.path()), [run.as_str()]);
        fs::write(dead.join(PROOF), b"codex-image run").unwrap();
        assert_eq!(found(parent.path()), [""; 0]);
        fs::remove_file(dead.join(PROOF)).unwrap();
        assert_eq!(found(parent.path()), [""; 0]);
    }
}
