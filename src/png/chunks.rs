//! Walks over the chunks: checks their order and checksums, and finds the end of the image.

use std::ops::Range;

use super::error::PngError;
use super::sniff::name_of;

/// First eight bytes of every PNG.
pub const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";
/// Largest number of chunks of a PNG: enough for 1 GiB in pieces of 8 KiB, as libpng writes pixel
/// data.
///
/// Bounds the time of the walk. An empty piece of pixel data costs 400 ns, a text 2 µs, and a file
/// of 32 MiB has room for 2.8 million chunks.
const MAX_CHUNKS: usize = 1 << 17;

pub struct Header {
    pub width: u32,
    pub height: u32,
}

pub struct Walked<'a> {
    pub header: Header,
    /// Content of the IDAT chunks: one zlib stream in pieces.
    pub data: Vec<&'a [u8]>,
    /// Compressed profiles and texts: a zlib stream each.
    pub ancillary: Vec<&'a [u8]>,
    /// The `caBX` chunks, from their length field to their checksum.
    pub credentials: Vec<Range<usize>>,
    /// Offset of the first byte after IEND.
    pub end: usize,
}

pub fn walk(bytes: &[u8]) -> Result<Walked<'_>, PngError> {
    expect_signature(bytes)?;
    let mut rest = &bytes[SIGNATURE.len()..];
    let mut seen_header = None;
    let (mut data, mut ancillary, mut credentials) = (Vec::new(), Vec::new(), Vec::new());
    let mut chunks = 0;
    loop {
        chunks += 1;
        if chunks > MAX_CHUNKS {
            return Err(PngError::Damaged("it is in too many pieces"));
        }
        let (Chunk { kind, content }, after) = split_chunk(rest)?;
        let range = bytes.len() - rest.len()..bytes.len() - after.len();
        rest = after;
        match (kind, &seen_header) {
            (b"IHDR", None) => seen_header = Some(header(content)?),
            (b"IHDR", Some(_)) => return Err(PngError::Damaged("it has two headers")),
            (_, None) => return Err(PngError::Damaged("it does not begin with a header")),
            // Checked here because png 0.18.1 panics (image-rs/image-png#694).
            (b"PLTE", Some(_)) if !content.len().is_multiple_of(3) => {
                return Err(PngError::Damaged("its palette is impossible"));
            }
            (b"IDAT", Some(_)) => data.push(content),
            (b"IEND", Some(_)) if data.is_empty() => return Err(PngError::Damaged("it has no pixels")),
            (b"IEND", Some(_)) if !content.is_empty() => return Err(PngError::Damaged("its end mark is not empty")),
            (b"IEND", Some(_)) => break,
            (b"caBX", Some(_)) => credentials.push(range),
            (kind, Some(_)) => ancillary.extend(compressed_part(kind, content)),
        }
    }
    let header = seen_header.ok_or(PngError::Damaged("it does not begin with a header"))?;
    Ok(Walked { header, data, ancillary, credentials, end: bytes.len() - rest.len() })
}

struct Chunk<'a> {
    kind: &'a [u8; 4],
    content: &'a [u8],
}

/// Splits off the first chunk and verifies its checksum.
fn split_chunk(bytes: &[u8]) -> Result<(Chunk<'_>, &[u8]), PngError> {
    let (length, after) = bytes.split_first_chunk::<4>().ok_or(PngError::Truncated)?;
    let length = u32::from_be_bytes(*length) as usize;
    if length > i32::MAX as usize {
        return Err(PngError::Damaged("a chunk's length is impossible"));
    }
    // Checks the type before trusting the length: a damaged length must not pass for a growing
    // file.
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

pub fn expect_signature(bytes: &[u8]) -> Result<(), PngError> {
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

/// Returns the header of a file with a valid signature, if that chunk is intact.
pub fn first_header(bytes: &[u8]) -> Option<Header> {
    let (Chunk { kind, content }, _) = split_chunk(bytes.get(SIGNATURE.len()..)?).ok()?;
    if kind == b"IHDR" { header(content).ok() } else { None }
}

/// Returns the compressed part of an ancillary chunk, if it has one (PNG, third edition, 11.3).
fn compressed_part<'a>(kind: &[u8; 4], data: &'a [u8]) -> Option<&'a [u8]> {
    let after_nul = |data: &'a [u8]| memchr::memchr(0, data).map(|at| &data[at + 1..]);
    match kind {
        // A name, the compression method, the data.
        b"iCCP" | b"zTXt" => after_nul(data)?.get(1..),
        // A keyword, the compression flag, the method, a language, the translated keyword, the
        // text.
        b"iTXt" => match after_nul(data)? {
            [1, _, rest @ ..] => after_nul(after_nul(rest)?),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use png::{BitDepth, ColorType};

    use super::*;
    use crate::png::samples::{chunk, chunks, encode, sample, with_chunk_after_header, with_chunks};
    use crate::png::validate;

    #[test]
    fn limits_the_number_of_chunks_of_every_kind() {
        let sample = sample();
        let own = chunks(&sample).len();
        // The shortest zlib stream.
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
            assert_eq!(validate(&filled(MAX_CHUNKS)), validate(&sample), "{kind:?}");
            let excess = validate(&filled(MAX_CHUNKS + 1));
            assert_eq!(excess, Err(PngError::Damaged("it is in too many pieces")), "{kind:?}");
        }
        // IDAT chunks must be consecutive.
        let at = chunks(&sample).into_iter().find(|(_, kind)| kind == b"IDAT").unwrap().0;
        let pieces = vec![chunk(b"IDAT", &[]); MAX_CHUNKS];
        let excess = [&sample[..at], &pieces.concat(), &sample[at..]].concat();
        assert_eq!(validate(&excess), Err(PngError::Damaged("it is in too many pieces")));
    }

    #[test]
    fn rejects_impossible_chunks_and_tells_them_from_a_truncated_image() {
        let header = &sample()[..33];
        let of = |rest: &[u8]| validate(&[header, rest].concat());
        let long = |length: u32| [&length.to_be_bytes(), b"IDAT".as_slice(), &[0; 20]].concat();
        assert_eq!(of(&long(i32::MAX.unsigned_abs())), Err(PngError::Truncated));
        let damaged = |problem| Err(PngError::Damaged(problem));
        assert_eq!(of(&long(1 << 31)), damaged("a chunk's length is impossible"));
        assert_eq!(of(&long(u32::MAX)), damaged("a chunk's length is impossible"));
        assert_eq!(of(&chunk(b"I AT", &[])), damaged("a chunk's type is impossible"));
        assert_eq!(of(&chunk(b"IEND", &[])), damaged("it has no pixels"));
        assert_eq!(of(&[chunk(b"IDAT", &[]), chunk(b"IEND", &[0])].concat()), damaged("its end mark is not empty"));
        assert_eq!(of(&header[8..]), damaged("it has two headers"));
    }

    #[test]
    fn rejects_an_impossible_header() {
        let of = |width: u32, height: u32, rest: &[u8]| {
            let content = [&width.to_be_bytes(), &height.to_be_bytes(), rest].concat();
            validate(&[&SIGNATURE[..], &chunk(b"IHDR", &content), &sample()[33..]].concat())
        };
        let rest = [8, 2, 0, 0, 0];
        assert_eq!(of(48, 32, &rest), validate(&sample()));
        let impossible = Err(PngError::Damaged("its header is impossible"));
        for (width, height) in [(0, 32), (48, 0), (1 << 31, 32), (48, 1 << 31)] {
            assert_eq!(of(width, height, &rest), impossible, "{width} × {height}");
        }
        assert_eq!(of(48, 32, &rest[..4]), impossible);
        assert_eq!(of(48, 32, &[8, 2, 0, 0, 0, 0]), impossible);
        let most = i32::MAX.unsigned_abs();
        assert_eq!(of(most, most, &rest), Err(PngError::TooManyPixels { width: most, height: most }));
        let late = [&SIGNATURE[..], &sample()[33..]].concat();
        assert_eq!(validate(&late), Err(PngError::Damaged("it does not begin with a header")));
    }

    #[test]
    fn reads_the_size_only_from_a_header() {
        let content = [&48_u32.to_be_bytes(), &32_u32.to_be_bytes(), &[8, 2, 0, 0, 0][..]].concat();
        let size = |kind| first_header(&[&SIGNATURE[..], &chunk(kind, &content)].concat());
        assert_eq!(size(b"IHDR").map(|header| (header.width, header.height)), Some((48, 32)));
        assert!(size(b"abCd").is_none());
    }

    #[test]
    fn rejects_a_palette_with_a_part_of_a_colour() {
        let png = encode(2, 1, ColorType::Indexed, BitDepth::Eight, &[0, 1]);
        let (start, _) = chunks(&png).into_iter().find(|(_, kind)| kind == b"PLTE").unwrap();
        let with_palette =
            |colours: &[u8]| validate(&[&png[..start], &chunk(b"PLTE", colours), &png[start + 18..]].concat());
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
    fn rejects_a_wrong_checksum_of_an_ancillary_chunk() {
        let mut bad = chunk(b"caBX", &[7; 40]);
        *bad.last_mut().unwrap() ^= 1;
        assert_eq!(validate(&with_chunk_after_header(&sample(), &bad)), Err(PngError::Damaged("a checksum is wrong")));
    }
}
