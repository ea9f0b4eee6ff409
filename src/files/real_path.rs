//! Resolves the links in a path.

use std::io;
use std::path::{Path, PathBuf};

/// Returns `path` without links, for comparison. On Windows it may begin with `\\?\`.
///
/// Some disks of Windows cannot resolve links, such as RAM disks of `ImDisk`, which do not support
/// `GetFinalPathNameByHandleW` (rust-lang/rust#79449). There the path is only made absolute.
///
/// # Errors
/// Any error of the operating system, such as that nothing exists at `path`.
pub fn canonical(path: &Path) -> io::Result<PathBuf> {
    or_absolute(path, std::fs::canonicalize(path), cfg!(windows))
}

/// Returns `path` without links, for use by another program: without the prefix `\\?\`, which few
/// programs on Windows understand. A path that has no such form is only made absolute: one on a
/// share is `\\?\UNC\…`.
///
/// # Errors
/// Those of [`canonical`].
pub fn real_path(path: &Path) -> io::Result<PathBuf> {
    plain(path, &canonical(path)?)
}

fn or_absolute(path: &Path, canonical: io::Result<PathBuf>, is_windows: bool) -> io::Result<PathBuf> {
    canonical.or_else(|error| if is_windows && path.exists() { std::path::absolute(path) } else { Err(error) })
}

fn plain(path: &Path, canonical: &Path) -> io::Result<PathBuf> {
    let plain = dunce::simplified(canonical);
    let is_verbatim = plain.as_os_str().as_encoded_bytes().starts_with(br"\\?\");
    if is_verbatim { std::path::absolute(path) } else { Ok(plain.to_path_buf()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_on_a_disk_that_resolves_no_links_is_made_absolute() {
        let dir = tempfile::tempdir().unwrap();
        let unsupported = || Err(io::Error::from(io::ErrorKind::Unsupported));
        assert_eq!(or_absolute(dir.path(), unsupported(), true).unwrap(), dir.path());
        let here = std::env::current_dir().unwrap();
        assert_eq!(or_absolute(Path::new("."), unsupported(), true).unwrap(), here);
        assert!(or_absolute(dir.path(), unsupported(), false).is_err(), "only Windows has such disks");
        assert!(or_absolute(&dir.path().join("missing"), unsupported(), true).is_err());
        assert_eq!(or_absolute(dir.path(), Ok("/resolved".into()), true).unwrap(), Path::new("/resolved"));
    }

    #[test]
    fn a_path_that_needs_the_prefix_of_windows_keeps_its_links() {
        let root = std::path::absolute("/").unwrap();
        let link = root.join("link");
        assert_eq!(plain(&link, Path::new(r"\\?\UNC\server\share\dir")).unwrap(), link);
        assert_eq!(plain(&link, &root.join("target")).unwrap(), root.join("target"));
    }

    #[test]
    fn a_missing_path_has_no_real_path() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing");
        for result in [canonical(&missing), real_path(&missing)] {
            assert_eq!(result.unwrap_err().kind(), io::ErrorKind::NotFound);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_resolved() {
        let dir = tempfile::tempdir().unwrap();
        let target = std::fs::canonicalize(dir.path()).unwrap().join("target");
        std::fs::create_dir(&target).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("target", &link).unwrap();
        assert_eq!((canonical(&link).unwrap(), real_path(&link).unwrap()), (target.clone(), target));
    }
}
