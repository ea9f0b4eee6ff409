//! Every file of the PngSuite (`__test__/fixtures/pngsuite`, with its licence): the valid ones are
//! pictures of the size and the transparency they were made with, the corrupt ones are none.

use std::path::Path;

use codex_image::png::{ImageInfo, PngError, validate};

/// The names, without their extension, and the bytes.
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

/// What begins with `x` is corrupt.
fn is_corrupt(name: &str) -> bool {
    name.starts_with('x')
}

/// "s07n3p02" has seven pixels a side, by its name. The others say it in their header alone.
fn sides(name: &str, bytes: &[u8]) -> (u32, u32) {
    let number = |at: usize| bytes[at..at + 4].iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
    let named = name.strip_prefix('s').and_then(|rest| rest[..2].parse().ok());
    named.map_or((number(16), number(20)), |side| (side, side))
}

/// An alpha channel ("4a", "6a"), or a colour that is declared transparent. In all of them some
/// pixel is.
fn is_transparent(name: &str) -> bool {
    ["4a", "6a"].contains(&&name[4..6]) || ["tb", "tm3", "tp1"].iter().any(|feature| name.starts_with(feature))
}

#[test]
fn every_valid_file_is_a_picture_as_it_was_made() {
    let valid: Vec<_> = suite().unwrap().into_iter().filter(|(name, _)| !is_corrupt(name)).collect();
    assert_eq!(valid.len(), 160);
    for (name, bytes) in valid {
        let (width, height) = sides(&name, &bytes);
        assert_eq!(validate(&bytes), Ok(ImageInfo { width, height, has_alpha: Some(is_transparent(&name)) }), "{name}");
    }
}

#[test]
fn every_corrupt_file_is_refused_for_what_it_is() {
    let corrupt: Vec<_> = suite().unwrap().into_iter().filter(|(name, _)| is_corrupt(name)).collect();
    assert_eq!(corrupt.len(), 14);
    for (name, bytes) in corrupt {
        let flaw = validate(&bytes).unwrap_err();
        // "xs…" lacks a byte of the signature; line ends were converted in "xcr…" and "xlf…".
        let has_signature = !["xs", "xcr", "xlf"].iter().any(|kind| name.starts_with(kind));
        assert_eq!(matches!(flaw, PngError::Damaged(_)), has_signature, "{name}: {flaw}");
        assert_eq!(matches!(flaw, PngError::Other(_)), !has_signature, "{name}: {flaw}");
    }
}
