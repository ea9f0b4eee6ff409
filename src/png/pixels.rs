//! Decodes every pixel and finds transparent ones.
//!
//! Decodes row by row, so it needs the memory of a few rows only. The limits bound the time that a
//! decompression bomb can take.

use std::io::Cursor;

use png::{ColorType, DecodeOptions, Decoder, DecodingError, Limits, Transformations};

use super::chunks::{Header, Walked};
use super::error::PngError;
use super::inflate::{Fault, WINDOW_BYTES, inflate};

/// Longest side that is decoded. Codex's images have about 1.6 million pixels in all.
const MAX_SIDE_PIXELS: u32 = 32_768;
/// Most pixels that are decoded.
const MAX_PIXELS: u64 = 1 << 27;
/// Memory limit of the decoder: some rows of [`MAX_SIDE_PIXELS`] of 8 bytes.
const MAX_DECODER_BYTES: usize = 8 << 20;
/// Compressed bytes that are allowed on top of a small image's own size.
const MAX_OVERHEAD_BYTES: u64 = 64 << 10;

/// Checks that the image in `bytes` has all its pixels and no more. Returns whether one of them
/// is not fully opaque.
///
/// # Errors
/// The [`PngError`] found.
pub fn validate(bytes: &[u8], walked: &Walked<'_>) -> Result<bool, PngError> {
    let Header { width, height } = walked.header;
    if !is_plausible(width, height) {
        return Err(PngError::TooManyPixels { width, height });
    }
    // Bounds the time as well: limits the compressed data to twice the raw size. A pixel has at
    // most 8 bytes, a row one more. Incompressible data grows by less than a thousandth, unless an
    // encoder flushes each row.
    let pixels = u64::from(width) * u64::from(height) * 8 + u64::from(height);
    if walked.data.iter().map(|data| data.len() as u64).sum::<u64>() > 2 * pixels + MAX_OVERHEAD_BYTES {
        return Err(PngError::Damaged("its pixel data goes on beyond the picture"));
    }
    let decoded = decode(&bytes[..walked.end]).map_err(|error| PngError::Damaged(decoder_problem(&error)))?;
    // The decoder stops at the last pixel and does not report data beyond it, be it a gigabyte.
    let mut length = decoded.length;
    inflate(&walked.data, &mut length, &mut vec![0; 4 * WINDOW_BYTES]).map_err(|fault| match fault {
        Fault::Broken => PngError::Damaged("its pixels cannot be decoded"),
        Fault::Excess => PngError::Damaged("its pixel data goes on beyond the picture"),
    })?;
    Ok(decoded.has_alpha)
}

/// Whether an image of that size is decoded.
fn is_plausible(width: u32, height: u32) -> bool {
    width.max(height) <= MAX_SIDE_PIXELS && u64::from(width) * u64::from(height) <= MAX_PIXELS
}

struct Decoded {
    /// Whether any pixel is not fully opaque.
    has_alpha: bool,
    /// Bytes of the filtered rows before compression.
    length: usize,
}

/// Decodes every pixel. Leaves the checksum of the pixel data to [`inflate`].
fn decode(png: &[u8]) -> Result<Decoded, DecodingError> {
    let mut options = DecodeOptions::default();
    // By default the crate skips ancillary chunks with wrong checksums.
    options.set_skip_ancillary_crc_failures(false);
    // Texts and profiles are not needed, and both can hold a decompression bomb.
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut decoder = Decoder::new_with_options(Cursor::new(png), options);
    decoder.set_limits(Limits { bytes: MAX_DECODER_BYTES });
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info()?;
    let (color, depth) = reader.output_color_type();
    let sample = (depth as usize).div_ceil(8);
    let pixel = color.samples() * sample;
    // Offset of the alpha sample within a pixel: it is the last one.
    let alpha = matches!(color, ColorType::GrayscaleAlpha | ColorType::Rgba).then_some(pixel - sample);
    let mut found = Decoded { has_alpha: false, length: 0 };
    while let Some(row) = reader.next_row()? {
        if let (Some(at), false) = (alpha, found.has_alpha) {
            let mut pixels = row.data().chunks_exact(pixel);
            found.has_alpha = pixels.any(|pixel| pixel[at..].iter().any(|&byte| byte != 0xff));
        }
        // Rows of an interlaced image differ in width. All widths are below 2^31.
        let width = u32::try_from(row.data().len() / pixel).unwrap_or(u32::MAX);
        found.length += reader.info().raw_row_length_from_width(width);
    }
    reader.finish()?;
    Ok(found)
}

const fn decoder_problem(error: &DecodingError) -> &'static str {
    match error {
        DecodingError::LimitsExceeded => "it needs too much memory",
        _ => "its pixels cannot be decoded",
    }
}

#[cfg(test)]
mod tests {
    use png::{BitDepth, ColorType};

    use super::{MAX_DECODER_BYTES, is_plausible};
    use crate::png::samples::{chunk, chunks, encode, sample, with_chunks, with_repaired_damage};
    use crate::png::{ImageInfo, PngError, validate};

    #[test]
    fn reads_transparency_from_the_pixels() {
        let alpha =
            |color, depth, data: &[u8]| validate(&encode(2, 1, color, depth, data)).unwrap().has_alpha == Some(true);
        assert!(!alpha(ColorType::Rgba, BitDepth::Eight, &[1, 2, 3, 255, 4, 5, 6, 255]));
        assert!(alpha(ColorType::Rgba, BitDepth::Eight, &[1, 2, 3, 255, 4, 5, 6, 254]));
        assert!(!alpha(ColorType::GrayscaleAlpha, BitDepth::Sixteen, &[9, 9, 255, 255, 9, 9, 255, 255]));
        assert!(alpha(ColorType::GrayscaleAlpha, BitDepth::Sixteen, &[9, 9, 255, 255, 9, 9, 255, 0]));
        assert!(!alpha(ColorType::Indexed, BitDepth::Eight, &[0, 0]));
        assert!(alpha(ColorType::Indexed, BitDepth::Eight, &[0, 1]));
    }

    #[test]
    fn finds_damaged_pixels_under_a_repaired_checksum() {
        let png = sample();
        let data = chunks(&png).into_iter().find(|(_, kind)| kind == b"IDAT").unwrap().0;
        let length = u32::from_be_bytes(png[data..data + 4].try_into().unwrap()) as usize;
        // The last four bytes of the zlib stream are its Adler-32.
        for at in [2, length / 2, length - 1] {
            let bytes = with_repaired_damage(&png, b"IDAT", at);
            assert!(matches!(validate(&bytes), Err(PngError::Damaged(_))), "at {at}");
        }
    }

    #[test]
    fn rejects_too_few_rows() {
        let mut png = encode(48, 31, ColorType::Rgb, BitDepth::Eight, &vec![7; 48 * 31 * 3]);
        let mut header = png[16..29].to_vec();
        header[7] = 32;
        png.splice(8..33, chunk(b"IHDR", &header));
        assert!(matches!(validate(&png), Err(PngError::Damaged(_))));
    }

    #[test]
    fn refuses_a_decompression_bomb_by_its_header() {
        let mut png = sample();
        let mut header = png[16..29].to_vec();
        header[..8].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
        png.splice(8..33, chunk(b"IHDR", &header));
        assert_eq!(validate(&png), Err(PngError::TooManyPixels { width: 30_000, height: 30_000 }));
    }

    #[test]
    fn limits_the_sides_and_the_number_of_pixels() {
        assert!(is_plausible(32_768, 4_096) && is_plausible(4_096, 32_768));
        assert!(!is_plausible(32_768, 4_097) && !is_plausible(4_097, 32_768));
        assert!(!is_plausible(32_769, 1) && !is_plausible(1, 32_769));
    }

    #[test]
    fn limits_the_memory_of_the_decoder() {
        let exif = |bytes| validate(&with_chunks(&[chunk(b"eXIf", &vec![b'I'; bytes])]));
        assert_eq!(exif(1 << 20), validate(&sample()));
        assert_eq!(exif(MAX_DECODER_BYTES + (1 << 20)), Err(PngError::Damaged("it needs too much memory")));
        let longest = encode(32_768, 1, ColorType::Rgba, BitDepth::Sixteen, &vec![0xff; 32_768 * 8]);
        assert_eq!(validate(&longest), Ok(ImageInfo { width: 32_768, height: 1, has_alpha: Some(false) }));
    }

    #[test]
    fn rejects_a_byte_beyond_the_last_pixel_of_any_kind() {
        for (color, depth, row) in [
            (ColorType::Grayscale, BitDepth::One, 1),
            (ColorType::Indexed, BitDepth::Four, 4),
            (ColorType::Rgb, BitDepth::Eight, 24),
            (ColorType::Rgba, BitDepth::Sixteen, 64),
        ] {
            let png = encode(8, 8, color, depth, &vec![0; 8 * row]);
            let (start, _) = chunks(&png).into_iter().find(|(_, kind)| kind == b"IDAT").unwrap();
            let with_bytes = |count: usize| {
                let data = chunk(b"IDAT", &fdeflate::compress_to_vec(&vec![0; count]));
                validate(&[&png[..start], &data, &chunk(b"IEND", &[])].concat())
            };
            let exact = 8 * (1 + row);
            assert!(with_bytes(exact).is_ok(), "{color:?}");
            let beyond = Err(PngError::Damaged("its pixel data goes on beyond the picture"));
            assert_eq!(with_bytes(exact + 1), beyond, "{color:?}");
        }
    }

    /// 72 zeros in a stored block of a zlib stream, with their Adler-32.
    fn exact_stored() -> Vec<u8> {
        [&[0x78, 1, 1, 72, 0, !72, 0xff][..], &[0; 72], &[0, 72, 0, 1]].concat()
    }

    #[test]
    fn rejects_data_beyond_the_last_pixel() {
        let header = &encode(8, 8, ColorType::Grayscale, BitDepth::Eight, &[0; 64])[..33];
        let with_data = |data: &[&[u8]]| {
            let data: Vec<_> = data.iter().map(|data| chunk(b"IDAT", data)).collect();
            validate(&[header, &data.concat(), &chunk(b"IEND", &[])].concat())
        };
        let beyond = Err(PngError::Damaged("its pixel data goes on beyond the picture"));
        let exact = fdeflate::compress_to_vec(&[0; 72]);
        assert_eq!(with_data(&[&exact]), Ok(ImageInfo { width: 8, height: 8, has_alpha: Some(false) }));
        assert_eq!(with_data(&[&exact[..5], &[], &exact[5..], &[]]), with_data(&[&exact]));
        // Any bytes after the stream are ignored.
        for surplus in [0, 1, 3, 4, 5, 1000] {
            let surplus = b"\x78\x01ab\0".iter().copied().cycle().take(surplus).collect::<Vec<_>>();
            for data in [&[&[&exact[..], &surplus].concat()[..]] as &[&[u8]], &[&exact, &surplus]] {
                let with_empty = [data, &[&[]]].concat();
                assert_eq!(with_data(data), with_data(&[&exact]), "{surplus:?}");
                assert_eq!(with_data(&with_empty), with_data(&[&exact]), "{surplus:?}");
            }
        }
        // Twice 8 bytes for each of 64 pixels and 1 for each of 8 rows, and 64 KiB.
        let limit = 2 * (64 * 8 + 8) + (64 << 10);
        assert_eq!(with_data(&[&exact, &vec![0; limit - exact.len()]]), with_data(&[&exact]));
        assert_eq!(with_data(&[&exact, &vec![0; limit - exact.len() + 1]]), beyond, "the ignored bytes are limited");
        assert_eq!(with_data(&[&fdeflate::compress_to_vec(&[0; 73])]), beyond);
        assert_eq!(with_data(&[&fdeflate::compress_to_vec(&vec![0; 64 << 20])]), beyond);
        // Empty blocks before the pixels are accepted up to the limit.
        let preceded_by = |blocks: usize| {
            let blocks = [0, 0, 0, 0xff, 0xff].repeat(blocks);
            with_data(&[&[&exact_stored()[..2], &blocks, &exact_stored()[2..]].concat()])
        };
        assert_eq!(preceded_by(1000), with_data(&[&exact]));
        assert_eq!(preceded_by(14_000), beyond);
    }
}
