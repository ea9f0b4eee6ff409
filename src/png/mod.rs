//! Proof that bytes are a PNG picture: every chunk, then every pixel.
//!
//! Three passes, because none suffices alone: only the walk over the chunks sees wrong checksums of
//! ancillary chunks and where the picture ends; only the decoder sees broken pixels; only inflating
//! once more sees pixels beyond the last one. The bytes themselves are never changed: image
//! services sign them (a C2PA `caBX` chunk), and the signature covers every byte.
//!
//! The decode is row by row, so its memory is that of a few rows whatever the picture's size, and
//! the limits bound what a decompression bomb can cost in time.

use std::io::Cursor;

use fdeflate::Decompressor;
use png::{ColorType, DecodeOptions, Decoder, DecodingError, Limits, Transformations};

/// The eight bytes every PNG begins with.
const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";
/// The longest side that is decoded, in pixels. Codex's pictures have about 1.6 million pixels in
/// all.
const MAX_SIDE: u32 = 32_768;
/// The most pixels that are decoded.
const MAX_PIXELS: u64 = 1 << 27;
/// What the decoder may allocate: some rows of [`MAX_SIDE`] pixels of 8 bytes.
const MAX_DECODER_BYTES: usize = 8 << 20;
/// How far back compressed data may refer, in bytes.
const WINDOW: usize = 32 << 10;
/// How much all profiles and texts may take once they are inflated. Real ones take a few megabytes
/// at most.
const MAX_ANCILLARY_BYTES: usize = 16 << 20;
/// How much the profiles and texts may take as they are, compressed. A byte of it can cost 100 ns:
/// data can consist of nothing but code tables of 13 bytes each, which yield nothing.
const MAX_PACKED_BYTES: usize = 4 << 20;
/// How much longer than a very small picture its pixel data may be.
const MAX_OVERHEAD_BYTES: u64 = 64 << 10;
/// How many chunks there may be: enough for 1 GiB in pieces of 8 KiB, which is how libpng writes
/// pixels. An empty piece of pixel data costs 400 ns, a text 2 µs, and 32 MiB hold 2.8 million.
const MAX_CHUNKS: usize = 1 << 17;
/// The least size under [`check_signature`]: the original contract's guard against placeholder
/// files.
const SIGNATURE_ONLY_BYTES: usize = 128;

/// What is known of a proven picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// In pixels; 0 only where no more than a signature was asked for and the header is damaged.
    pub width: u32,
    /// In pixels; 0 as above.
    pub height: u32,
    /// Whether at least one pixel is not fully opaque; none where the pixels cannot be decoded.
    pub has_alpha: Option<bool>,
}

/// Why bytes are not a picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PngError {
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// Something else, named.
    #[error("it is {0}")]
    Other(&'static str),
    /// The beginning of a PNG. It may still be growing.
    #[error("it ends too early")]
    Truncated,
    /// A PNG that contradicts itself.
    #[error("it is damaged ({0})")]
    Damaged(&'static str),
    /// A PNG that would cost too much to look at.
    #[error("it claims {width} × {height} pixels, more than is plausible")]
    TooManyPixels {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
    },
    /// Not a plain file of the user's own.
    #[error("it is not a regular file of the user's own ({0})")]
    NotRegular(&'static str),
}

/// Proves that `bytes` hold one whole PNG picture. Bytes after its end are tolerated.
///
/// # Errors
/// The [`PngError`] found; [`PngError::Truncated`] exactly if the bytes are the beginning of what
/// may become a PNG.
pub fn prove(bytes: &[u8]) -> Result<Picture, PngError> {
    let walked = walk(bytes)?;
    let Header { width, height } = walked.header;
    if width > MAX_SIDE || height > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(PngError::TooManyPixels { width, height });
    }
    // For the same reason pixel data must not be much longer than the pixels: they have 8 bytes at
    // most, and a row begins with one of its own. What is not compressible grows by less than a
    // thousandth, but for encoders that flush each row.
    let pixels = u64::from(width) * u64::from(height) * 8 + u64::from(height);
    if walked.data.iter().map(|data| data.len() as u64).sum::<u64>() > 2 * pixels + MAX_OVERHEAD_BYTES {
        return Err(PngError::Damaged("its pixel data goes on beyond the picture"));
    }
    let decoded = decode(&bytes[..walked.end]).map_err(|error| PngError::Damaged(decoder_words(&error)))?;
    // The decoder stops at the last pixel; what the stream holds beyond, be it a gigabyte, it does
    // not mention.
    let mut length = decoded.length;
    let mut buffer = vec![0; 4 * WINDOW];
    inflate(&walked.data, &mut length, &mut buffer).map_err(|fault| match fault {
        Fault::Broken => PngError::Damaged("its pixels cannot be decoded"),
        Fault::Excess => PngError::Damaged("its pixel data goes on beyond the picture"),
    })?;
    // Other faults of these are no fault of the picture; their size is, since viewers inflate them.
    let mut left = MAX_ANCILLARY_BYTES;
    let is_too_long = walked.packed.iter().map(|packed| packed.len()).sum::<usize>() > MAX_PACKED_BYTES;
    let mut is_excessive = |packed: &&[u8]| inflate(&[packed], &mut left, &mut buffer) == Err(Fault::Excess);
    if is_too_long || walked.packed.iter().any(&mut is_excessive) {
        return Err(PngError::Damaged("a profile or a text in it takes too much memory"));
    }
    Ok(Picture { width, height, has_alpha: Some(decoded.has_alpha) })
}

/// The minimum of the original contract: the signature and 128 bytes. Tells all that a proof would,
/// where there is one, and else the size, where the header is intact.
///
/// # Errors
/// The [`PngError`] found.
pub fn check_signature(bytes: &[u8]) -> Result<Picture, PngError> {
    expect_signature(bytes)?;
    if bytes.len() < SIGNATURE_ONLY_BYTES {
        return Err(PngError::Truncated);
    }
    Ok(prove(bytes).unwrap_or_else(|_| {
        let Header { width, height } = first_header(bytes).unwrap_or(Header { width: 0, height: 0 });
        Picture { width, height, has_alpha: None }
    }))
}

struct Header {
    width: u32,
    height: u32,
}

struct Walked<'a> {
    header: Header,
    /// The compressed pixels, piece by piece.
    data: Vec<&'a [u8]>,
    /// What else is compressed, a piece for each.
    packed: Vec<&'a [u8]>,
    /// Where the picture ends: just after IEND.
    end: usize,
}

/// Walks over the chunks, checking order and checksums.
fn walk(bytes: &[u8]) -> Result<Walked<'_>, PngError> {
    expect_signature(bytes)?;
    let mut rest = &bytes[SIGNATURE.len()..];
    let mut seen_header = None;
    let (mut data, mut packed) = (Vec::new(), Vec::new());
    let mut chunks = 0;
    loop {
        chunks += 1;
        if chunks > MAX_CHUNKS {
            return Err(PngError::Damaged("it is in too many pieces"));
        }
        let (Chunk { kind, content }, after) = split_chunk(rest)?;
        rest = after;
        match (kind, &seen_header) {
            (b"IHDR", None) => seen_header = Some(header(content)?),
            (b"IHDR", Some(_)) => return Err(PngError::Damaged("it has two headers")),
            (_, None) => return Err(PngError::Damaged("it does not begin with a header")),
            // Not every decoder looks: png 0.18.1 panics (image-rs/image-png#694).
            (b"PLTE", Some(_)) if !content.len().is_multiple_of(3) => {
                return Err(PngError::Damaged("its palette is impossible"));
            }
            (b"IDAT", Some(_)) => data.push(content),
            (b"IEND", Some(_)) if data.is_empty() => return Err(PngError::Damaged("it has no pixels")),
            (b"IEND", Some(_)) if !content.is_empty() => return Err(PngError::Damaged("its end mark is not empty")),
            (b"IEND", Some(_)) => break,
            (kind, Some(_)) => packed.extend(packed_part(kind, content)),
        }
    }
    let header = seen_header.ok_or(PngError::Damaged("it does not begin with a header"))?;
    Ok(Walked { header, data, packed, end: bytes.len() - rest.len() })
}

struct Chunk<'a> {
    kind: &'a [u8; 4],
    content: &'a [u8],
}

/// Splits off the first chunk, checking its checksum.
fn split_chunk(bytes: &[u8]) -> Result<(Chunk<'_>, &[u8]), PngError> {
    let (length, after) = bytes.split_first_chunk::<4>().ok_or(PngError::Truncated)?;
    let length = u32::from_be_bytes(*length) as usize;
    if length > i32::MAX as usize {
        return Err(PngError::Damaged("a chunk's length is impossible"));
    }
    // The type is checked before the length is believed: a damaged length must not look like a
    // growing file.
    let kind = after.first_chunk::<4>().ok_or(PngError::Truncated)?;
    if !kind.iter().all(u8::is_ascii_alphabetic) {
        return Err(PngError::Damaged("a chunk's type is impossible"));
    }
    let (typed, after) = after.split_at_checked(4 + length).ok_or(PngError::Truncated)?;
    let (sum, after) = after.split_first_chunk::<4>().ok_or(PngError::Truncated)?;
    if crc32fast::hash(typed) != u32::from_be_bytes(*sum) {
        return Err(PngError::Damaged("a checksum is wrong"));
    }
    Ok((Chunk { kind, content: &typed[4..] }, after))
}

fn expect_signature(bytes: &[u8]) -> Result<(), PngError> {
    if bytes.is_empty() {
        Err(PngError::Empty)
    } else if bytes.starts_with(&SIGNATURE) {
        Ok(())
    } else if SIGNATURE.starts_with(bytes) {
        Err(PngError::Truncated)
    } else {
        Err(PngError::Other(name_of(bytes)))
    }
}

fn header(data: &[u8]) -> Result<Header, PngError> {
    let damaged = PngError::Damaged("its header is impossible");
    let (Some((width, rest)), 13) = (data.split_first_chunk::<4>(), data.len()) else { return Err(damaged) };
    let Some((height, _)) = rest.split_first_chunk::<4>() else { return Err(damaged) };
    let (width, height) = (u32::from_be_bytes(*width), u32::from_be_bytes(*height));
    let possible = 1..=i32::MAX.unsigned_abs();
    if possible.contains(&width) && possible.contains(&height) { Ok(Header { width, height }) } else { Err(damaged) }
}

/// The header of a file that has the signature, if that chunk is intact.
fn first_header(bytes: &[u8]) -> Option<Header> {
    let (Chunk { kind, content }, _) = split_chunk(bytes.get(SIGNATURE.len()..)?).ok()?;
    if kind == b"IHDR" { header(content).ok() } else { None }
}

struct Decoded {
    /// Whether any pixel is not opaque.
    has_alpha: bool,
    /// How many bytes the pixels take, filtered and not yet compressed.
    length: usize,
}

/// Decodes every pixel. The checksum of their data is left to [`inflate`].
fn decode(png: &[u8]) -> Result<Decoded, DecodingError> {
    let mut options = DecodeOptions::default();
    // The crate's default is lenient.
    options.set_skip_ancillary_crc_failures(false);
    // These are not needed, and both can hide a bomb of their own.
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut decoder = Decoder::new_with_options(Cursor::new(png), options);
    decoder.set_limits(Limits { bytes: MAX_DECODER_BYTES });
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info()?;
    let (color, depth) = reader.output_color_type();
    let sample = (depth as usize).div_ceil(8);
    let pixel = color.samples() * sample;
    // Where in a pixel the alpha sample stands, if there is one: it is the last.
    let alpha = matches!(color, ColorType::GrayscaleAlpha | ColorType::Rgba).then_some(pixel - sample);
    let mut found = Decoded { has_alpha: false, length: 0 };
    while let Some(row) = reader.next_row()? {
        if let (Some(at), false) = (alpha, found.has_alpha) {
            let mut pixels = row.data().chunks_exact(pixel);
            found.has_alpha = pixels.any(|pixel| pixel[at..].iter().any(|&byte| byte != 0xff));
        }
        // The rows of an interlaced picture are of several widths, all of them below 2^31.
        let width = u32::try_from(row.data().len() / pixel).unwrap_or(u32::MAX);
        found.length += reader.info().raw_row_length_from_width(width);
    }
    reader.finish()?;
    Ok(found)
}

/// The compressed part of a chunk that is not about pixels, if it has one (PNG, third edition,
/// 11.3).
fn packed_part<'a>(kind: &[u8; 4], data: &'a [u8]) -> Option<&'a [u8]> {
    let after_nul = |data: &'a [u8]| memchr::memchr(0, data).map(|at| &data[at + 1..]);
    match kind {
        // A name, the method, the data.
        b"iCCP" | b"zTXt" => after_nul(data)?.get(1..),
        // A keyword, whether the text is compressed, the method, a language, the keyword in that,
        // the text.
        b"iTXt" => match after_nul(data)? {
            [1, _, rest @ ..] => after_nul(after_nul(rest)?),
            _ => None,
        },
        _ => None,
    }
}

/// What is wrong with compressed data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It is not what the format or its own checksum says.
    Broken,
    /// It takes more than it may.
    Excess,
}

/// Inflates the stream that `data` holds, piece by piece, in a buffer of four windows, and takes
/// what comes out of it off `left`.
///
/// Ignores unused bytes behind the stream, however many: the PNG specification (third edition,
/// 11.2.3) asks decoders to, for encoders that store a whole buffer instead of its used part.
/// libpng warns of "Extra compressed data" and reads on, and so do browsers; `png` ignores them
/// (image-rs/image-png#454) and once wrote such a byte itself (#262).
fn inflate(data: &[&[u8]], left: &mut usize, buffer: &mut [u8]) -> Result<(), Fault> {
    let mut inflater = Decompressor::new();
    let mut at = 0;
    // The empty piece stands for the end: what fills the buffer is not yet all.
    for (mut piece, is_end) in data.iter().map(|piece| (*piece, false)).chain([(&[][..], true)]) {
        while !inflater.is_done() && (is_end || !piece.is_empty()) {
            let (read, written) = inflater.read(piece, buffer, at, is_end).map_err(|_| Fault::Broken)?;
            piece = &piece[read..];
            *left = left.checked_sub(written).ok_or(Fault::Excess)?;
            at += written;
            if at > 2 * WINDOW {
                buffer.copy_within(at - WINDOW..at, 0);
                at = WINDOW;
            }
        }
    }
    Ok(())
}

const fn decoder_words(error: &DecodingError) -> &'static str {
    match error {
        DecodingError::LimitsExceeded => "it needs too much memory",
        _ => "its pixels cannot be decoded",
    }
}

/// What bytes look like that are no PNG, for the sentence "it is …".
fn name_of(bytes: &[u8]) -> &'static str {
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

/// The bytes as text, if that is what they are; a character cut off at the end is no objection.
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
    use super::*;
    use png::{BitDepth, Encoder};

    fn encode(width: u32, height: u32, color: ColorType, depth: BitDepth, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, width, height);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if color == ColorType::Indexed {
            encoder.set_palette(vec![1, 2, 3, 4, 5, 6]);
            encoder.set_trns(vec![0xff, 0x00]);
        }
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(data).unwrap();
        writer.finish().unwrap();
        bytes
    }

    fn sample() -> Vec<u8> {
        let pixels: Vec<u8> = (0..=250).cycle().step_by(7).take(48 * 32 * 3).collect();
        encode(48, 32, ColorType::Rgb, BitDepth::Eight, &pixels)
    }

    /// The offsets of the chunks' length fields, with their types.
    fn chunks(png: &[u8]) -> Vec<(usize, [u8; 4])> {
        let mut at = 8;
        let mut found = Vec::new();
        while at < png.len() {
            let length = u32::from_be_bytes(png[at..at + 4].try_into().unwrap()) as usize;
            found.push((at, png[at + 4..at + 8].try_into().unwrap()));
            at += 12 + length;
        }
        found
    }

    fn deflated(bytes: usize) -> Vec<u8> {
        fdeflate::compress_to_vec(&vec![0; bytes])
    }

    /// The sample with these chunks after its header.
    fn with_chunks(chunks: &[Vec<u8>]) -> Vec<u8> {
        let sample = sample();
        let (head, rest) = sample.split_at(33);
        [head, &chunks.concat(), rest].concat()
    }

    #[test]
    fn what_profiles_and_texts_take_in_all_is_bounded() {
        let forms: [(&[u8; 4], &[u8]); 3] =
            [(b"iCCP", b"profile\0\0"), (b"zTXt", b"Comment\0\0"), (b"iTXt", b"Comment\0\x01\0de\0Kommentar\0")];
        let (small, half, bomb) =
            (deflated(100), deflated(MAX_ANCILLARY_BYTES / 2 + 1), deflated(MAX_ANCILLARY_BYTES + 1));
        for (kind, before) in forms {
            let packed = |data: &[u8]| chunk(kind, &[before, data].concat());
            assert!(prove(&with_chunks(&[packed(&small), packed(b"broken"), packed(&half)])).is_ok());
            for bomb in [vec![packed(&bomb)], vec![packed(&half), packed(&half)]] {
                assert!(
                    matches!(prove(&with_chunks(&bomb)), Err(PngError::Damaged(words)) if words.contains("memory"))
                );
            }
        }
        let plain = chunk(b"iTXt", &[&b"Comment\0\0\0\0\0"[..], &bomb].concat());
        assert!(prove(&with_chunks(&[plain])).is_ok(), "what is not compressed takes what it takes");
    }

    #[test]
    fn what_profiles_and_texts_take_as_they_are_is_bounded() {
        let text = |length| chunk(b"zTXt", &[b"Comment\0\0".as_slice(), &vec![0; length]].concat());
        let (half, rest) = (text(MAX_PACKED_BYTES / 2), text(MAX_PACKED_BYTES - MAX_PACKED_BYTES / 2));
        assert!(prove(&with_chunks(&[half.clone(), rest.clone()])).is_ok(), "a broken text is no flaw of the picture");
        let excess = with_chunks(&[half, rest, text(1)]);
        assert!(matches!(prove(&excess), Err(PngError::Damaged(words)) if words.contains("memory")));
    }

    #[test]
    fn so_many_chunks_are_looked_at_and_no_more_whatever_their_kind() {
        let sample = sample();
        let own = chunks(&sample).len();
        // The shortest zlib stream there is.
        let empty = *b"\x78\x01\x03\0\0\0\0\x01";
        let kinds: [(&[u8; 4], Vec<u8>); 5] = [
            (b"abCd", vec![]),
            (b"zTXt", [b"x\0\0".as_slice(), &empty].concat()),
            (b"iTXt", [b"x\0\x01\0\0\0".as_slice(), &empty].concat()),
            (b"iCCP", [b"x\0\0".as_slice(), &empty].concat()),
            (b"tEXt", b"x\0".to_vec()),
        ];
        for (kind, data) in kinds {
            let filled = |count| with_chunks(&vec![chunk(kind, &data); count - own]);
            assert_eq!(prove(&filled(MAX_CHUNKS)), prove(&sample), "{kind:?}");
            let excess = prove(&filled(MAX_CHUNKS + 1));
            assert_eq!(excess, Err(PngError::Damaged("it is in too many pieces")), "{kind:?}");
        }
        // Pieces of the pixel data must follow each other.
        let at = chunks(&sample).into_iter().find(|(_, kind)| kind == b"IDAT").unwrap().0;
        let pieces = vec![chunk(b"IDAT", &[]); MAX_CHUNKS];
        let excess = [&sample[..at], &pieces.concat(), &sample[at..]].concat();
        assert_eq!(prove(&excess), Err(PngError::Damaged("it is in too many pieces")));
    }

    fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let typed = [kind.as_slice(), data].concat();
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        [length.as_slice(), &typed, &crc32fast::hash(&typed).to_be_bytes()].concat()
    }

    fn with_chunk_after_header(png: &[u8], extra: &[u8]) -> Vec<u8> {
        [&png[..33], extra, &png[33..]].concat()
    }

    /// A picture whose checksums are right although byte `at` of the chunk `kind` is not.
    fn with_repaired_damage(png: &[u8], kind: &[u8; 4], at: usize) -> Vec<u8> {
        let (start, _) = chunks(png).into_iter().find(|(_, found)| found == kind).unwrap();
        let length = u32::from_be_bytes(png[start..start + 4].try_into().unwrap()) as usize;
        let mut data = png[start + 8..start + 8 + length].to_vec();
        data[at] ^= 0x55;
        [&png[..start], &chunk(kind, &data), &png[start + 12 + length..]].concat()
    }

    #[test]
    fn a_picture_is_proven_and_measured() {
        assert_eq!(prove(&sample()), Ok(Picture { width: 48, height: 32, has_alpha: Some(false) }));
    }

    #[test]
    fn one_pixel_is_a_picture() {
        let png = encode(1, 1, ColorType::Grayscale, BitDepth::Eight, &[0]);
        assert_eq!(prove(&png), Ok(Picture { width: 1, height: 1, has_alpha: Some(false) }));
    }

    #[test]
    fn transparency_is_read_from_the_pixels_not_from_the_header() {
        let alpha =
            |color, depth, data: &[u8]| prove(&encode(2, 1, color, depth, data)).unwrap().has_alpha == Some(true);
        assert!(!alpha(ColorType::Rgba, BitDepth::Eight, &[1, 2, 3, 255, 4, 5, 6, 255]));
        assert!(alpha(ColorType::Rgba, BitDepth::Eight, &[1, 2, 3, 255, 4, 5, 6, 254]));
        assert!(!alpha(ColorType::GrayscaleAlpha, BitDepth::Sixteen, &[9, 9, 255, 255, 9, 9, 255, 255]));
        assert!(alpha(ColorType::GrayscaleAlpha, BitDepth::Sixteen, &[9, 9, 255, 255, 9, 9, 255, 0]));
        assert!(!alpha(ColorType::Indexed, BitDepth::Eight, &[0, 0]));
        assert!(alpha(ColorType::Indexed, BitDepth::Eight, &[0, 1]));
    }

    #[test]
    fn every_beginning_of_a_picture_may_still_grow() {
        let png = sample();
        assert_eq!(prove(&[]), Err(PngError::Empty));
        for length in 1..png.len() {
            assert_eq!(prove(&png[..length]), Err(PngError::Truncated), "{length} of {}", png.len());
        }
    }

    #[test]
    fn no_flipped_bit_passes() {
        let png = sample();
        for at in 0..png.len() {
            let mut bytes = png.clone();
            bytes[at] ^= 1 << (at % 8);
            assert!(prove(&bytes).is_err(), "bit flip at {at}");
        }
    }

    #[test]
    fn damage_under_a_repaired_checksum_is_found_in_the_pixels() {
        let png = sample();
        let data = chunks(&png).into_iter().find(|(_, kind)| kind == b"IDAT").unwrap().0;
        let length = u32::from_be_bytes(png[data..data + 4].try_into().unwrap()) as usize;
        // The last four bytes of the zlib stream are its Adler-32.
        for at in [2, length / 2, length - 1] {
            let bytes = with_repaired_damage(&png, b"IDAT", at);
            assert!(matches!(prove(&bytes), Err(PngError::Damaged(_))), "at {at}");
        }
    }

    #[test]
    fn too_few_rows_are_found() {
        let mut png = encode(48, 31, ColorType::Rgb, BitDepth::Eight, &vec![7; 48 * 31 * 3]);
        let mut header = png[16..29].to_vec();
        header[7] = 32;
        png.splice(8..33, chunk(b"IHDR", &header));
        assert!(matches!(prove(&png), Err(PngError::Damaged(_))));
    }

    /// 72 zeros in a stored block of a zlib stream, with their Adler-32.
    fn exact_stored() -> Vec<u8> {
        [&[0x78, 1, 1, 72, 0, !72, 0xff][..], &[0; 72], &[0, 72, 0, 1]].concat()
    }

    #[test]
    fn data_beyond_the_last_pixel_is_found() {
        let header = &encode(8, 8, ColorType::Grayscale, BitDepth::Eight, &[0; 64])[..33];
        let with_data = |data: &[&[u8]]| {
            let data: Vec<_> = data.iter().map(|data| chunk(b"IDAT", data)).collect();
            prove(&[header, &data.concat(), &chunk(b"IEND", &[])].concat())
        };
        let beyond = Err(PngError::Damaged("its pixel data goes on beyond the picture"));
        let exact = fdeflate::compress_to_vec(&[0; 72]);
        assert_eq!(with_data(&[&exact]), Ok(Picture { width: 8, height: 8, has_alpha: Some(false) }));
        assert_eq!(with_data(&[&exact[..5], &[], &exact[5..], &[]]), with_data(&[&exact]));
        // What follows the stream is unused, whatever it is.
        for surplus in [0, 1, 3, 4, 5, 1000] {
            let surplus = b"\x78\x01ab\0".iter().copied().cycle().take(surplus).collect::<Vec<_>>();
            for data in [&[&[&exact[..], &surplus].concat()[..]] as &[&[u8]], &[&exact, &surplus]] {
                let with_empty = [data, &[&[]]].concat();
                assert_eq!(with_data(data), with_data(&[&exact]), "{surplus:?}");
                assert_eq!(with_data(&with_empty), with_data(&[&exact]), "{surplus:?}");
            }
        }
        assert_eq!(with_data(&[&exact, &vec![0; 1 << 20]]), beyond, "there is a bound");
        assert_eq!(with_data(&[&fdeflate::compress_to_vec(&[0; 73])]), beyond);
        assert_eq!(with_data(&[&fdeflate::compress_to_vec(&vec![0; 64 << 20])]), beyond);
        // Empty blocks, before the picture itself: they are data like any other, as long as they
        // are not many.
        let preceded_by = |blocks: usize| {
            let blocks = [0, 0, 0, 0xff, 0xff].repeat(blocks);
            with_data(&[&[&exact_stored()[..2], &blocks, &exact_stored()[2..]].concat()])
        };
        assert_eq!(preceded_by(1000), with_data(&[&exact]));
        assert_eq!(preceded_by(14_000), beyond);
    }

    #[test]
    fn a_palette_with_a_part_of_a_colour_is_found() {
        let png = encode(2, 1, ColorType::Indexed, BitDepth::Eight, &[0, 1]);
        let (start, _) = chunks(&png).into_iter().find(|(_, kind)| kind == b"PLTE").unwrap();
        let with_palette =
            |colours: &[u8]| prove(&[&png[..start], &chunk(b"PLTE", colours), &png[start + 18..]].concat());
        assert!(with_palette(&[1, 2, 3, 4, 5, 6, 7, 8, 9]).is_ok());
        for length in [4, 5, 7, 8] {
            assert_eq!(
                with_palette(&vec![1; length]),
                Err(PngError::Damaged("its palette is impossible")),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn a_signed_picture_and_one_with_more_bytes_behind_it_pass() {
        let signed = with_chunk_after_header(&sample(), &chunk(b"caBX", &[7; 4000]));
        assert!(prove(&signed).is_ok());
        assert!(prove(&[signed.as_slice(), b"\n<!-- trailing -->"].concat()).is_ok());
    }

    #[test]
    fn a_wrong_checksum_of_any_chunk_is_found() {
        let mut bad = chunk(b"caBX", &[7; 40]);
        *bad.last_mut().unwrap() ^= 1;
        assert_eq!(prove(&with_chunk_after_header(&sample(), &bad)), Err(PngError::Damaged("a checksum is wrong")));
    }

    #[test]
    fn a_bomb_is_refused_by_its_header() {
        let mut png = sample();
        let mut header = png[16..29].to_vec();
        header[..8].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
        png.splice(8..33, chunk(b"IHDR", &header));
        assert_eq!(prove(&png), Err(PngError::TooManyPixels { width: 30_000, height: 30_000 }));
    }

    #[test]
    fn what_is_not_a_png_is_named() {
        let named = |bytes: &[u8]| prove(bytes).unwrap_err().to_string();
        assert_eq!(named(b"\xff\xd8\xff\xe0\0\x10JFIF"), "it is a JPEG image");
        assert_eq!(named(b"RIFF\0\0\0\0WEBPVP8 "), "it is a WebP image");
        assert_eq!(named(b"GIF89a"), "it is a GIF image");
        assert_eq!(named(b"\0\0\0\x1cftypavis"), "it is an AVIF image");
        assert_eq!(named(b"\n<!DOCTYPE html><html>"), "it is an HTML page");
        assert_eq!(named(b"<svg xmlns='x'/>"), "it is an SVG drawing");
        assert_eq!(named(b"{\"error\": 1}"), "it is JSON text");
        assert_eq!(named("sorry, no picture é".as_bytes()), "it is plain text");
        assert_eq!(named(b"iVBORw0KGgoAAAANSUhEUg"), "it is a PNG as base64 text, not decoded");
        assert_eq!(named(b"\0\x01\x02\x03"), "it is of an unknown kind");
    }

    #[test]
    fn the_signature_check_asks_for_no_more_than_it_says() {
        let long = [SIGNATURE.as_slice(), &[0; 120]].concat();
        let unknown = Picture { width: 0, height: 0, has_alpha: None };
        assert_eq!(check_signature(&long), Ok(unknown));
        assert_eq!(check_signature(&long[..127]), Err(PngError::Truncated));
        assert_eq!(check_signature(&sample()), prove(&sample()), "what a proof tells is told");
        let cut = &sample()[..200];
        assert_eq!(check_signature(cut), Ok(Picture { width: 48, height: 32, has_alpha: None }));
        let mut damaged = cut.to_vec();
        damaged[16] ^= 1;
        assert_eq!(check_signature(&damaged), Ok(unknown), "a size under a wrong checksum is not known");
        assert!(matches!(check_signature(&[b'x'; 200]), Err(PngError::Other(_))));
    }
}
