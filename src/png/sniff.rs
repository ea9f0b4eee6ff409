//! Names the format of bytes that are not a PNG.

/// Returns the format of `bytes` as the end of the sentence "it is …".
pub fn name_of(bytes: &[u8]) -> &'static str {
    const KNOWN: [(usize, &[u8], &str); 14] = [
        (0, b"\xff\xd8\xff", "a JPEG image"),
        (8, b"WEBP", "a WebP image"),
        (0, b"GIF8", "a GIF image"),
        (4, b"ftypavif", "an AVIF image"),
        (4, b"ftypavis", "an AVIF image"),
        (4, b"ftyp", "an HEIF image or a video"),
        (0, b"BM", "a BMP image"),
        (0, b"II*\0", "a TIFF image"),
        (0, b"MM\0*", "a TIFF image"),
        (0, b"%PDF", "a PDF document"),
        (0, b"PK\x03\x04", "a ZIP archive"),
        (0, b"\x1f\x8b", "a gzip archive"),
        (0, b"iVBORw0KGgo", "a PNG as base64 text, not decoded"),
        (0, b"data:", "a data URL, not decoded"),
    ];
    let known = KNOWN.iter().find(|(at, magic, _)| bytes.get(*at..).is_some_and(|tail| tail.starts_with(magic)));
    if let Some((_, _, name)) = known {
        return name;
    }
    let head = &bytes[..bytes.len().min(512)];
    let Some(text) = as_text(head) else { return "of an unknown kind" };
    let text = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).to_ascii_lowercase();
    match text {
        text if text.starts_with("<!doctype html") || text.starts_with("<html") => "an HTML page",
        text if text.starts_with("<svg") || (text.starts_with("<?xml") && text.contains("<svg")) => "an SVG drawing",
        text if text.starts_with(['{', '[']) => "JSON text",
        _ => "plain text",
    }
}

/// Returns the bytes as text, without an incomplete last character. None if they are no text.
fn as_text(bytes: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    (!text.chars().any(|c| c.is_control() && !c.is_whitespace())).then_some(text)
}

#[cfg(test)]
mod tests {
    use crate::png::validate;

    #[test]
    fn names_the_format_of_what_is_not_a_png() {
        let named = |bytes: &[u8]| validate(bytes).unwrap_err().to_string();
        assert_eq!(named(b"\xff\xd8\xff\xe0\0\x10JFIF"), "it is a JPEG image");
        assert_eq!(named(b"RIFF\0\0\0\0WEBPVP8 "), "it is a WebP image");
        assert_eq!(named(b"GIF89a"), "it is a GIF image");
        assert_eq!(named(b"\0\0\0\x1cftypavis"), "it is an AVIF image");
        assert_eq!(named(b"\n<!DOCTYPE html><html>"), "it is an HTML page");
        assert_eq!(named(b"<svg xmlns='x'/>"), "it is an SVG drawing");
        assert_eq!(named(b"{\"error\": 1}"), "it is JSON text");
        assert_eq!(named("sorry, no picture é".as_bytes()), "it is plain text");
        assert_eq!(named(b"iVBORw0KGgoAAAANSUhEUg"), "it is a PNG as base64 text, not decoded");
        assert_eq!(named(b"<html lang='de'>"), "it is an HTML page");
        assert_eq!(named(b"<?xml version='1.0'?><svg/>"), "it is an SVG drawing");
        assert_eq!(named(b"<?xml version='1.0'?><rss/>"), "it is plain text");
        assert_eq!(named(b"the end of <svg> is </svg>"), "it is plain text");
        assert_eq!(named(b"[1]"), "it is JSON text");
        assert_eq!(named(b"\0\x01\x02\x03"), "it is of an unknown kind");
    }

    #[test]
    fn tells_text_from_other_bytes() {
        let named = |bytes: &[u8]| validate(bytes).unwrap_err().to_string();
        assert_eq!(named(b"two\nlines\tand more"), "it is plain text");
        assert_eq!(named(b"a bell \x07"), "it is of an unknown kind");
        assert_eq!(named(b"not UTF-8 \xff and more"), "it is of an unknown kind");
        // Only the first 512 bytes are read: they may end within a character.
        let long = format!("{}é", "x".repeat(511));
        assert_eq!(named(&[long.as_bytes(), b"\xff"].concat()), "it is plain text");
        assert_eq!(named(&[&[b'x'; 511], b"\xff".as_slice()].concat()), "it is of an unknown kind");
    }
}
