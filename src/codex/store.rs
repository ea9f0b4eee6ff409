//! Codex's own image store, `$CODEX_HOME/generated_images/<thread id>/` (all versions).
//!
//! The process that writes there is Codex itself, outside the agent's sandbox, with one mkdir and one write: no temporary
//! file and no rename, so a file may be seen half-written; its end mark tells. The files' names changed three times
//! (`ig_*`, `call_*`, `exec-*`): they mean nothing here.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::ThreadId;
use crate::files::{Dir, Refusal, Stamp};
use crate::png::{self, Flaw, Picture};

/// A proven picture: its bytes and what they show.
#[derive(Debug)]
pub struct Proven {
    /// The file's bytes, unchanged.
    pub bytes: Vec<u8>,
    /// What they show.
    pub picture: Picture,
}

/// What a look into the store found.
#[derive(Debug)]
pub enum Sight {
    /// Nothing new.
    Nothing,
    /// A whole picture.
    Image(Proven),
    /// A file that is no acceptable picture, or none yet: one that ends too early may still be growing.
    Refused(Refusal),
}

/// One thread's directory in the store, looked at again and again without reading an unchanged file twice.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    limit: u64,
    dir: Option<Dir>,
    seen: HashMap<OsString, Stamp>,
}

impl Store {
    /// The store of `thread`. Files larger than `limit` bytes are refused.
    #[must_use]
    pub fn new(codex_home: &Path, thread: &ThreadId, limit: u64) -> Self {
        let path = codex_home.join("generated_images").join(thread.as_arc().as_ref());
        Self { path, limit, dir: None, seen: HashMap::new() }
    }

    /// Looks for a picture among the files that are new or have changed since the last look, oldest first. Blocks on the
    /// disk.
    pub fn look(&mut self) -> Sight {
        // The directory appears with the first picture; until then there is nothing to open.
        if self.dir.is_none() {
            self.dir = Dir::open(&self.path).ok();
        }
        let Some(dir) = &self.dir else { return Sight::Nothing };
        let Ok(names) = dir.names() else { return Sight::Nothing };
        let mut fresh: Vec<(Stamp, OsString)> = names
            .into_iter()
            .filter_map(|name| dir.stamp(&name).map(|stamp| (stamp, name)))
            .filter(|(stamp, name)| self.seen.get(name) != Some(stamp))
            .collect();
        fresh.sort_by(|(a, a_name), (b, b_name)| (a.modified, a_name).cmp(&(b.modified, b_name)));
        let mut sight = Sight::Nothing;
        for (stamp, name) in fresh {
            match prove(dir.read(&name, self.limit), png::prove) {
                Ok(proven) => return Sight::Image(proven),
                Err(Refusal::Absent) => {}
                Err(refusal) => sight = Sight::Refused(refusal),
            }
            // Stamped before it was read: a change during the reading makes it new again.
            self.seen.insert(name, stamp);
        }
        sight
    }

    /// Forgets what was seen: the next look judges every file.
    pub fn forget(&mut self) {
        self.seen.clear();
    }
}

/// Reads and proves in one step, with the check that the caller asks for.
///
/// # Errors
/// Why there is no picture.
pub fn prove(
    bytes: Result<Vec<u8>, Refusal>,
    check: impl FnOnce(&[u8]) -> Result<Picture, Flaw>,
) -> Result<Proven, Refusal> {
    let bytes = bytes?;
    let picture = check(&bytes).map_err(Refusal::Flawed)?;
    Ok(Proven { bytes, picture })
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREAD: &str = "019e5f2a-7c44-7bb0-9d3e-0123456789ab";

    fn picture(shade: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = ::png::Encoder::new(&mut bytes, 2, 2).write_header().unwrap();
        writer.write_image_data(&[shade; 4]).unwrap();
        writer.finish().unwrap();
        bytes
    }

    fn store() -> (tempfile::TempDir, PathBuf, Store) {
        let home = tempfile::tempdir().unwrap();
        let store = Store::new(home.path(), &ThreadId::parse(THREAD).unwrap(), 1 << 20);
        let path = home.path().join("generated_images").join(THREAD);
        (home, path, store)
    }

    #[test]
    fn nothing_is_seen_before_codex_writes() {
        let (_home, path, mut store) = store();
        assert!(matches!(store.look(), Sight::Nothing));
        std::fs::create_dir_all(&path).unwrap();
        assert!(matches!(store.look(), Sight::Nothing));
    }

    #[test]
    fn a_growing_file_becomes_a_picture_whatever_its_name() {
        let (_home, path, mut store) = store();
        std::fs::create_dir_all(&path).unwrap();
        let bytes = picture(7);
        std::fs::write(path.join("exec-1.anything"), &bytes[..20]).unwrap();
        assert!(matches!(store.look(), Sight::Refused(Refusal::Flawed(Flaw::Truncated))));
        assert!(matches!(store.look(), Sight::Nothing), "an unchanged file is not read again");
        std::fs::write(path.join("exec-1.anything"), &bytes).unwrap();
        assert!(matches!(store.look(), Sight::Image(proven) if proven.bytes == bytes));
    }

    #[test]
    fn a_refused_file_does_not_hide_a_good_one() {
        let (_home, path, mut store) = store();
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("a"), b"<html>").unwrap();
        assert!(matches!(store.look(), Sight::Refused(Refusal::Flawed(Flaw::Other("an HTML page")))));
        std::fs::write(path.join("b"), picture(1)).unwrap();
        assert!(matches!(store.look(), Sight::Image(_)));
    }

    #[test]
    fn too_large_is_told_apart() {
        let (home, path, _) = store();
        let mut store = Store::new(home.path(), &ThreadId::parse(THREAD).unwrap(), 10);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("a"), picture(1)).unwrap();
        assert!(matches!(store.look(), Sight::Refused(Refusal::TooLarge)));
    }
}
