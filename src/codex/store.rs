//! Reads Codex's image store, `$CODEX_HOME/generated_images/<thread id>/` (all versions).
//!
//! Codex itself writes there, outside the agent's sandbox, with one mkdir and one write. It uses no
//! temporary file and no rename, so a scan may find a file half-written: the PNG end chunk is then
//! missing. File names are ignored, since they have changed three times (`ig_*`, `call_*`,
//! `exec-*`).

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

use super::ThreadId;
use crate::files::{Dir, ReadError, Stamp, fs_request};
use crate::png::{self, ImageInfo, PngError};

/// A complete PNG file and its properties.
#[derive(Debug)]
pub struct ValidPng {
    /// The file's bytes, unchanged.
    pub bytes: Vec<u8>,
    /// Its size and transparency.
    pub info: ImageInfo,
}

/// Reason why a file is not an acceptable image.
#[derive(Debug)]
pub enum ImageError {
    /// The file is larger than allowed.
    TooLarge,
    /// Another program uses the file, so that a later attempt may succeed. Windows only.
    InUse,
    /// The file is not a PNG, is incomplete, or is not a regular file.
    Invalid(PngError),
}

/// Reads the file `name` in `dir` and checks it with `validate`. Returns `None` if the file does
/// not exist.
///
/// # Errors
/// The reason why the file is not an acceptable image.
pub fn read_image(
    dir: &Dir,
    name: &OsStr,
    limit: u64,
    validate: fn(&[u8]) -> Result<ImageInfo, PngError>,
) -> Result<Option<ValidPng>, ImageError> {
    let bytes = match dir.read(name, limit) {
        Ok(bytes) => bytes,
        Err(ReadError::Absent) => return Ok(None),
        Err(ReadError::InUse) => return Err(ImageError::InUse),
        Err(ReadError::TooLarge) => return Err(ImageError::TooLarge),
        Err(ReadError::NotRegular(what)) => return Err(ImageError::Invalid(PngError::NotRegular(what))),
    };
    let info = validate(&bytes).map_err(ImageError::Invalid)?;
    Ok(Some(ValidPng { bytes, info }))
}

/// The result of a scan of the store.
#[derive(Debug)]
pub enum Scan {
    /// Nothing new.
    Nothing,
    /// A complete image.
    Image(ValidPng),
    /// A file that is not an acceptable image. A truncated one may still be growing, and one in use
    /// may be read later.
    Refused(ImageError),
}

/// Directory of one thread in the store. Repeated scans read no unchanged file twice.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    limit: u64,
    /// Oldest modification time of files that count, in nanoseconds since 1970.
    since: Option<i128>,
    dir: Option<Dir>,
    seen: HashMap<OsString, Stamp>,
}

/// Content of the store before a turn, by which the turn's files are distinguished from older ones.
///
/// The modification time alone is not reliable: a network disk has its own clock, and a clock may
/// be set back during a turn. Codex gives each thread a new id and creates its directory with the
/// first image (all versions), so a directory that did not exist before holds no older file.
#[derive(Debug)]
pub struct Baseline {
    taken: SystemTime,
    /// Names in the store, in lower case. `None` if it could not be listed.
    names: Option<HashSet<String>>,
}

impl Baseline {
    /// Lists the store. Blocks on the disk: some milliseconds for 3,000 threads.
    #[must_use]
    pub fn take(codex_home: &Path) -> Self {
        let taken = SystemTime::now();
        Self { taken, names: list(&codex_home.join(Store::DIRECTORY)).ok() }
    }

    /// Returns the oldest modification time of the turn's files in the directory of `thread`, or
    /// `None` if all its files are the turn's because the directory did not exist before.
    #[must_use]
    pub fn since(&self, thread: &ThreadId) -> Option<SystemTime> {
        match &self.names {
            Some(names) if !names.contains(&thread.as_arc().to_ascii_lowercase()) => None,
            _ => Some(self.taken),
        }
    }
}

/// Lists the names in a directory, in lower case, because some file systems ignore the case. A
/// directory that does not exist has no names.
fn list(path: &Path) -> io::Result<HashSet<String>> {
    let mut entries = match fs_request(|| std::fs::read_dir(path)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashSet::new()),
        Err(error) => return Err(error),
    };
    let mut names = HashSet::new();
    while let Some(entry) = fs_request(|| entries.next()) {
        // Thread ids are UTF-8, so other names are skipped.
        names.extend(entry?.file_name().into_string().map(|name| name.to_ascii_lowercase()));
    }
    Ok(names)
}

/// Pause between scans. A scan is usually one `open` of a directory that does not exist yet. Codex
/// takes some tens of milliseconds from writing the image to its next request, which uploads the
/// whole image (0.169.0).
pub const SCAN_INTERVAL: Duration = Duration::from_millis(10);
/// Coarsest rounding of modification times by a file system.
const TIMESTAMP_ROUNDING: Duration = Duration::from_secs(2);

impl Store {
    /// Directory in Codex's home that contains a directory for each thread.
    pub const DIRECTORY: &str = "generated_images";

    /// Creates the store of `thread`. Scans refuse files larger than `limit` bytes, and skip files
    /// older than `since`.
    #[must_use]
    pub fn new(codex_home: &Path, thread: &ThreadId, limit: u64, since: Option<SystemTime>) -> Self {
        let path = codex_home.join(Self::DIRECTORY).join(thread.as_arc().as_ref());
        let since = since.map(|since| {
            let since = since.checked_sub(TIMESTAMP_ROUNDING).unwrap_or(SystemTime::UNIX_EPOCH);
            since.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos().cast_signed())
        });
        Self { path, limit, since, dir: None, seen: HashMap::new() }
    }

    /// Searches for an image in the files that are new or have changed since the last scan, oldest
    /// first. Blocks on the disk. Stops before the next file once `given_up` is cancelled.
    pub fn scan(&mut self, given_up: &CancellationToken) -> Scan {
        // Codex creates the directory with the first image.
        if self.dir.is_none() {
            self.dir = Dir::open(&self.path).ok();
        }
        let Some(dir) = &self.dir else { return Scan::Nothing };
        let Ok(names) = dir.names() else { return Scan::Nothing };
        let mut fresh: Vec<(Stamp, OsString)> = names
            .into_iter()
            .filter_map(|name| dir.stamp(&name).map(|stamp| (stamp, name)))
            .filter(|(stamp, name)| self.is_of_turn(*stamp) && self.seen.get(name) != Some(stamp))
            .collect();
        fresh.sort_by(|(a, a_name), (b, b_name)| (a.modified, a_name).cmp(&(b.modified, b_name)));
        let mut found = Scan::Nothing;
        for (stamp, name) in fresh {
            if given_up.is_cancelled() {
                break;
            }
            let read = read_image(dir, &name, self.limit, png::validate);
            match &read {
                // The next scan tries again.
                Ok(None) | Err(ImageError::InUse) => self.seen.remove(&name),
                // The stamp was taken before reading, so a change during reading counts as new.
                Ok(Some(_)) | Err(_) => self.seen.insert(name, stamp),
            };
            match read {
                Ok(Some(png)) => return Scan::Image(png),
                Ok(None) => {}
                Err(error) => found = Scan::Refused(error),
            }
        }
        found
    }

    fn is_of_turn(&self, stamp: Stamp) -> bool {
        self.since.is_none_or(|since| stamp.modified >= since)
    }

    /// Forgets which files were read, so that the next scan reads all of them.
    pub fn forget(&mut self) {
        self.seen.clear();
    }

    /// Whether a file of the turn has exactly these bytes. Blocks on the disk.
    #[must_use]
    pub fn holds(&self, bytes: &[u8]) -> bool {
        let Ok(dir) = Dir::open(&self.path) else { return false };
        let mut names = dir.names().unwrap_or_default().into_iter();
        names.any(|name| {
            let fits = |stamp: Stamp| self.is_of_turn(stamp) && stamp.size == bytes.len() as u64;
            dir.stamp(&name).is_some_and(fits) && dir.read(&name, bytes.len() as u64).is_ok_and(|found| found == bytes)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

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
        let store = Store::new(home.path(), &ThreadId::parse(THREAD).unwrap(), 1 << 20, None);
        let path = home.path().join("generated_images").join(THREAD);
        (home, path, store)
    }

    fn scan(store: &mut Store) -> Scan {
        store.scan(&CancellationToken::new())
    }

    #[test]
    fn a_cancelled_scan_reads_no_file() {
        let (_home, path, mut store) = store();
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("a"), picture(1)).unwrap();
        let given_up = CancellationToken::new();
        given_up.cancel();
        assert!(matches!(store.scan(&given_up), Scan::Nothing));
        assert!(matches!(scan(&mut store), Scan::Image(_)), "the cancelled scan has not marked it as read");
    }

    #[test]
    fn a_scan_finds_nothing_before_codex_writes() {
        let (_home, path, mut store) = store();
        assert!(matches!(scan(&mut store), Scan::Nothing));
        std::fs::create_dir_all(&path).unwrap();
        assert!(matches!(scan(&mut store), Scan::Nothing));
    }

    #[test]
    fn a_growing_file_of_any_name_becomes_an_image() {
        let (_home, path, mut store) = store();
        std::fs::create_dir_all(&path).unwrap();
        let bytes = picture(7);
        std::fs::write(path.join("exec-1.anything"), &bytes[..20]).unwrap();
        assert!(matches!(scan(&mut store), Scan::Refused(ImageError::Invalid(PngError::Truncated))));
        assert!(matches!(scan(&mut store), Scan::Nothing), "an unchanged file is not read again");
        std::fs::write(path.join("exec-1.anything"), &bytes).unwrap();
        assert!(matches!(scan(&mut store), Scan::Image(png) if png.bytes == bytes));
    }

    #[test]
    fn a_store_that_forgets_its_files_reads_them_again() {
        let (_home, path, mut store) = store();
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("a"), picture(1)).unwrap();
        assert!(matches!(scan(&mut store), Scan::Image(_)));
        assert!(matches!(scan(&mut store), Scan::Nothing));
        store.forget();
        assert!(matches!(scan(&mut store), Scan::Image(_)));
    }

    #[cfg(windows)]
    #[test]
    fn an_image_that_another_process_locks_is_found_after_its_release() {
        use std::io::Write as _;
        use std::os::windows::fs::OpenOptionsExt as _;
        let (_home, path, mut store) = store();
        std::fs::create_dir_all(&path).unwrap();
        let mut alone = std::fs::OpenOptions::new();
        let mut held = alone.write(true).create_new(true).share_mode(0).open(path.join("a")).unwrap();
        held.write_all(&picture(1)).unwrap();
        for _ in 0..2 {
            assert!(matches!(scan(&mut store), Scan::Refused(ImageError::InUse)));
        }
        drop(held);
        assert!(matches!(scan(&mut store), Scan::Image(_)));
    }

    #[test]
    fn a_refused_file_does_not_hide_a_good_one() {
        let (_home, path, mut store) = store();
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("a"), b"<html>").unwrap();
        assert!(matches!(scan(&mut store), Scan::Refused(ImageError::Invalid(PngError::Other("an HTML page")))));
        std::fs::write(path.join("b"), picture(1)).unwrap();
        assert!(matches!(scan(&mut store), Scan::Image(_)));
    }

    #[test]
    fn a_file_over_the_limit_is_refused_as_too_large() {
        let (home, path, _) = store();
        let mut store = Store::new(home.path(), &ThreadId::parse(THREAD).unwrap(), 10, None);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("a"), picture(1)).unwrap();
        assert!(matches!(scan(&mut store), Scan::Refused(ImageError::TooLarge)));
    }

    #[test]
    fn an_older_file_in_a_directory_that_existed_before_does_not_count() {
        let (home, path, _) = store();
        let thread = ThreadId::parse(THREAD).unwrap();
        std::fs::create_dir_all(&path).unwrap();
        let file = path.join("planted");
        std::fs::write(&file, picture(1)).unwrap();
        let baseline = Baseline::take(home.path());
        let since = baseline.since(&thread).unwrap();
        let mut store = Store::new(home.path(), &thread, 1 << 20, Some(since));
        let set = |time| File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
        set(since - Duration::from_secs(60));
        assert!(matches!(scan(&mut store), Scan::Nothing));
        assert!(!store.holds(&picture(1)));
        set(since);
        assert!(store.holds(&picture(1)) && !store.holds(&picture(2)));
        assert!(matches!(scan(&mut store), Scan::Image(_)));
    }

    #[test]
    fn every_file_in_a_directory_that_is_newer_than_the_turn_counts() {
        let (home, path, _) = store();
        let thread = ThreadId::parse(THREAD).unwrap();
        let none = Baseline::take(home.path());
        std::fs::create_dir_all(path.with_file_name("0199d2c4-aaaa-7000-8000-0123456789ab")).unwrap();
        let others = Baseline::take(home.path());
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("a"), picture(1)).unwrap();
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        File::options().write(true).open(path.join("a")).unwrap().set_modified(long_ago).unwrap();
        for baseline in [none, others] {
            assert_eq!(baseline.since(&thread), None);
            let mut store = Store::new(home.path(), &thread, 1 << 20, baseline.since(&thread));
            assert!(store.holds(&picture(1)));
            assert!(matches!(scan(&mut store), Scan::Image(_)));
        }
    }

    #[test]
    fn a_directory_counts_as_new_only_if_it_certainly_did_not_exist_before() {
        let (home, path, _) = store();
        let thread = ThreadId::parse(THREAD).unwrap();
        let is_newer = || Baseline::take(home.path()).since(&thread).is_none();
        std::fs::create_dir_all(path.with_file_name(THREAD.to_ascii_uppercase())).unwrap();
        assert!(!is_newer(), "a file system that ignores case");
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
        assert!(is_newer());
        std::fs::write(path.parent().unwrap(), "").unwrap();
        assert!(!is_newer(), "a store that cannot be listed");
    }
}
