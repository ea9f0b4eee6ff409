//! Validates every file of the PngSuite (`__test__/fixtures/pngsuite`, with its licence): the valid
//! ones have the expected size and transparency, the corrupt ones are refused.

use std::path::Path;

use codex_image::png::{ImageInfo, PngError, validate};

/// Returns the files' names, without their extension, and their bytes.
fn suite() -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in Path::new(env!("CARGO_MANIFEST_DIR")).join("__test__/fixtures/pngsuite").read_dir()? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "png") {
            files.push((path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), std::fs::read(path)?));
        }
    }
    Ok(files)
}

/// Names that begin with `x` mark corrupt files.
fn is_corrupt(name: &str) -> bool {
    name.starts_with('x')
}

/// Returns the expected size: that of the name, such as 7 × 7 for "s07n3p02", otherwise that of the
/// header.
fn sides(name: &str, bytes: &[u8]) -> (u32, u32) {
    let number = |at: usize| bytes[at..at + 4].iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
    let named = name.strip_prefix('s').and_then(|rest| rest[..2].parse().ok());
    named.map_or((number(16), number(20)), |side| (side, side))
}

/// Whether some pixel is transparent: the name shows an alpha channel ("4a", "6a") or a colour that
/// is declared transparent.
fn is_transparent(name: &str) -> bool {
    ["4a", "6a"].contains(&&name[4..6]) || ["tb", "tm3", "tp1"].iter().any(|feature| name.starts_with(feature))
}

#[test]
fn every_valid_file_has_the_expected_size_and_transparency() {
    let valid: Vec<_> = suite().unwrap().into_iter().filter(|(name, _)| !is_corrupt(name)).collect();
    assert_eq!(valid.len(), 160);
    for (name, bytes) in valid {
        let (width, height) = sides(&name, &bytes);
        assert_eq!(validate(&bytes), Ok(ImageInfo { width, height, has_alpha: Some(is_transparent(&name)) }), "{name}");
    }
}

#[test]
fn every_corrupt_file_is_refused_with_the_right_error() {
    let corrupt: Vec<_> = suite().unwrap().into_iter().filter(|(name, _)| is_corrupt(name)).collect();
    assert_eq!(corrupt.len(), 14);
    for (name, bytes) in corrupt {
        let error = validate(&bytes).unwrap_err();
        // "xs…" lacks a byte of the signature; line ends were converted in "xcr…" and "xlf…".
        let has_signature = !["xs", "xcr", "xlf"].iter().any(|kind| name.starts_with(kind));
        assert_eq!(matches!(error, PngError::Damaged(_)), has_signature, "{name}: {error}");
        assert_eq!(matches!(error, PngError::Other(_)), !has_signature, "{name}: {error}");
    }
}
