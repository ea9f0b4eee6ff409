//! Finds and opens a thread's rollout.

use std::fs::{DirEntry, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::DIRECTORY;
use crate::codex::ThreadId;
use crate::files::{Dir, Inflated, RequestCountingReader, fs_request};

/// File format of a rollout.
///
/// If a rollout has not changed for seven days, Codex may replace it with `….jsonl.zst` in the same
/// directory: one zstd frame of level 3 without a checksum (0.140.0; later versions have the
/// feature `local_thread_store_compression`, too, off by default). During the replacement both
/// files exist, and Codex reads the plain one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Plain,
    Compressed,
}

impl Format {
    fn of(name: &str) -> Self {
        if plain_name(name) == name { Self::Plain } else { Self::Compressed }
    }

    /// Returns a reader of the decompressed rollout.
    pub fn read<'a>(self, rollout: impl Read + 'a) -> Box<dyn Read + 'a> {
        match self {
            Self::Plain => Box::new(rollout),
            Self::Compressed => Box::new(Inflated::new(rollout)),
        }
    }
}

/// Returns a rollout's name without the extension `.zst`.
fn plain_name(name: &str) -> &str {
    name.strip_suffix(".zst").unwrap_or(name)
}

/// Finds the thread's rollout. Searches all directories: each is named after a day in the user's
/// time zone, which Codex alone knows. Codex writes one rollout per thread. If there are two, one
/// is forged, so neither is returned.
pub fn locate(codex_home: &Path, thread: &ThreadId) -> Option<(Dir, String)> {
    let ending = format!("-{thread}.jsonl");
    let below = |dir: PathBuf| entries(&dir).map(|entry| entry.path());
    let days = below(codex_home.join(DIRECTORY)).flat_map(below).flat_map(below);
    let mut rollouts = days.chain([codex_home.join("archived_sessions")]).flat_map(|day| {
        let names = entries(&day).filter_map(|entry| entry.file_name().into_string().ok());
        let mut of_thread: Vec<_> = names.filter(|name| plain_name(name).ends_with(&ending)).collect();
        // Of both formats of a rollout, keep the plain one, which sorts first.
        of_thread.sort_unstable();
        of_thread.dedup_by(|next, first| plain_name(next) == plain_name(first));
        of_thread.into_iter().map(move |name| (day.clone(), name))
    });
    let (Some((day, name)), None) = (rollouts.next(), rollouts.next()) else { return None };
    Some((Dir::open(&day).ok()?, name))
}

/// Opens the thread's rollout.
pub fn find(codex_home: &Path, thread: &ThreadId) -> Option<(RequestCountingReader<File>, Format)> {
    // Between `locate` and opening, Codex may replace the plain file by the compressed one.
    for _ in 0..2 {
        let (day, name) = locate(codex_home, thread)?;
        if let Ok(rollout) = day.file(name.as_ref()) {
            return Some((rollout, Format::of(&name)));
        }
    }
    None
}

/// Lists the entries of a directory. A directory that does not exist has none.
fn entries(dir: &Path) -> impl Iterator<Item = DirEntry> + use<> {
    let mut entries = fs_request(|| std::fs::read_dir(dir)).into_iter().flatten();
    std::iter::from_fn(move || fs_request(|| entries.next())).flatten()
}
