//! Copies the caller's reference images into the workspace.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Cause, os_error_text};
use crate::files::{Dir, is_in_use, read_regular, retry};

/// Most reference images that Codex accepts with one prompt.
pub const MAX_COUNT: usize = 5;
/// Largest reference image.
const MAX_BYTES: u64 = 16 << 20;

/// Size and checksum of a file: enough to notice that Codex returned a reference image unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    size: usize,
    crc32: u32,
}

impl Fingerprint {
    /// Computes the fingerprint of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self { size: bytes.len(), crc32: crc32fast::hash(bytes) }
    }
}

/// Copy of a reference image in the workspace.
#[derive(Debug, Clone)]
pub struct Staged {
    /// Path of the copy.
    pub path: PathBuf,
    /// Fingerprint of its content.
    pub fingerprint: Fingerprint,
}

/// Copies every reference image into `workspace`, which is open as `dir`. Names the copies by their
/// number and the type of their content. Blocks on the disk.
///
/// # Errors
/// [`Cause::InvalidOption`] naming the image that is missing, unreadable, too large or of another
/// type; [`Cause::WorkspaceFailed`] if the copy cannot be written.
pub fn stage(references: &[PathBuf], dir: &Dir, workspace: &Path) -> Result<Vec<Staged>, Cause> {
    let stage = |(index, path): (usize, &PathBuf)| stage_one(index, path, dir, workspace);
    references.iter().enumerate().map(stage).collect()
}

fn stage_one(index: usize, path: &Path, dir: &Dir, workspace: &Path) -> Result<Staged, Cause> {
    let refused = |problem: &str| Cause::InvalidOption {
        option: format!("referenceImages[{index}]"),
        problem: problem.to_owned(),
    };
    let bytes = read(path).map_err(refused)?;
    let extension = extension_of(&bytes).ok_or_else(|| refused("it must be a PNG, JPEG, WebP or GIF image"))?;
    let name = format!("reference-{}.{extension}", index + 1);
    dir.create_file(OsStr::new(&name), &bytes).map_err(|error| Cause::WorkspaceFailed(os_error_text(&error)))?;
    Ok(Staged { path: workspace.join(name), fingerprint: Fingerprint::of(&bytes) })
}

fn read(path: &Path) -> Result<Vec<u8>, &'static str> {
    // A virus scanner may still hold a file that was just uploaded.
    let read = retry(|| read_regular(path, MAX_BYTES), |read| !read.as_ref().is_err_and(is_in_use));
    match read {
        Ok(bytes) if bytes.is_empty() => Err("it is empty"),
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(match error.kind() {
            ErrorKind::NotFound => "there is no such file",
            ErrorKind::InvalidInput => "it must be a regular file",
            ErrorKind::FileTooLarge => "it must not be larger than 16 MiB",
            _ => "it cannot be read",
        }),
    }
}

/// Returns the extension that fits the content. The original name may be wrong, and Codex trusts
/// it.
fn extension_of(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("png"),
        [0xff, 0xd8, 0xff, ..] => Some("jpg"),
        [b'G', b'I', b'F', b'8', ..] => Some("gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage_in(temp: &Path, reference: PathBuf) -> Result<Vec<Staged>, Cause> {
        let workspace = tempfile::tempdir_in(temp).unwrap();
        stage(&[reference], &Dir::open(workspace.path()).unwrap(), workspace.path())
    }

    fn staged(bytes: &[u8]) -> Result<Vec<Staged>, String> {
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join("in"), bytes).unwrap();
        stage_in(temp.path(), temp.path().join("in")).map_err(|cause| cause.to_string())
    }

    #[test]
    fn names_the_copy_by_its_content() {
        for (bytes, extension) in [
            (b"\x89PNG\r\n\x1a\n...".as_slice(), "png"),
            (b"\xff\xd8\xff\xe0", "jpg"),
            (b"GIF89a", "gif"),
            (b"RIFF\x01\x02\x03\x04WEBPVP8 ", "webp"),
        ] {
            let staged = staged(bytes).unwrap();
            assert_eq!(staged[0].path.file_name().unwrap().to_str().unwrap(), format!("reference-1.{extension}"));
            assert_eq!(staged[0].fingerprint, Fingerprint::of(bytes));
        }
    }

    #[test]
    fn reports_why_a_file_is_no_reference_image() {
        assert!(staged(b"<svg/>").unwrap_err().contains("referenceImages[0]`: it must be a PNG"));
        assert!(staged(b"").unwrap_err().contains("empty"));
        let temp = tempfile::tempdir().unwrap();
        let refused = |path: PathBuf| stage_in(temp.path(), path).unwrap_err().to_string();
        assert!(refused(temp.path().join("nothing")).contains("no such file"));
        assert!(refused(temp.path().to_path_buf()).contains("regular file"));
    }

    #[test]
    fn accepts_exactly_the_size_limit() {
        let size = usize::try_from(MAX_BYTES).unwrap();
        let mut bytes = b"\xff\xd8\xff".to_vec();
        bytes.resize(size, 0);
        assert!(staged(&bytes).is_ok());
        bytes.push(0);
        assert!(staged(&bytes).unwrap_err().contains("16 MiB"));
    }

    /// A check before opening would leave a race.
    #[cfg(target_os = "linux")]
    #[test]
    fn never_waits_for_a_file_that_becomes_a_fifo() {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use std::sync::atomic::{AtomicBool, Ordering};
        use std::sync::{Arc, mpsc};

        let temp = tempfile::tempdir().unwrap();
        let (file, fifo) = (temp.path().join("file"), temp.path().join("fifo"));
        std::fs::write(&file, b"GIF89a").unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let is_over = Arc::new(AtomicBool::new(false));
        let exchange = std::thread::spawn({
            let (is_over, file) = (Arc::clone(&is_over), file.clone());
            move || {
                while !is_over.load(Ordering::Relaxed) {
                    renameat_with(CWD, &file, CWD, &fifo, RenameFlags::EXCHANGE).unwrap();
                }
            }
        });
        let (done, outcomes) = mpsc::channel();
        // Not joined: the thread would block for ever if it waited for a writer.
        std::thread::spawn(move || {
            let outcomes: Vec<_> = (0..5_000).map(|_| read(&file)).collect();
            let _ = done.send(outcomes);
        });
        let outcomes = outcomes.recv_timeout(std::time::Duration::from_secs(60));
        is_over.store(true, Ordering::Relaxed);
        exchange.join().unwrap();
        let is_known = |outcome: &Result<Vec<u8>, _>| match outcome {
            Ok(bytes) => bytes == b"GIF89a",
            Err(problem) => *problem == "it must be a regular file",
        };
        assert!(outcomes.expect("it waits for a writer").iter().all(is_known));
    }
}
