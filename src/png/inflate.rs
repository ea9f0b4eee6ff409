//! Inflates compressed data, with a limit on the output.

use fdeflate::Decompressor;

use super::chunks::Walked;
use super::error::PngError;

/// Size of deflate's sliding window.
pub const WINDOW_BYTES: usize = 32 << 10;
/// Most bytes of all profiles and texts, inflated. Real ones take a few megabytes.
const MAX_ANCILLARY_BYTES: usize = 16 << 20;
/// Most bytes of all profiles and texts, compressed. Bounds the time: a byte can cost 100 ns, since
/// the data may be nothing but code tables of 13 bytes each that yield no output.
const MAX_COMPRESSED_ANCILLARY_BYTES: usize = 4 << 20;

/// Checks that profiles and texts inflate to a limited size, since viewers inflate them. Ignores
/// their other faults: they do not damage the image.
///
/// # Errors
/// The [`PngError`] found.
pub fn validate_ancillary(walked: &Walked<'_>) -> Result<(), PngError> {
    let (mut left, mut buffer) = (MAX_ANCILLARY_BYTES, vec![0; 4 * WINDOW_BYTES]);
    let is_too_long = walked.ancillary.iter().map(|data| data.len()).sum::<usize>() > MAX_COMPRESSED_ANCILLARY_BYTES;
    let mut is_excessive = |data: &&[u8]| inflate(&[data], &mut left, &mut buffer) == Err(Fault::Excess);
    if is_too_long || walked.ancillary.iter().any(&mut is_excessive) {
        return Err(PngError::Damaged("a profile or a text in it takes too much memory"));
    }
    Ok(())
}

/// Fault of compressed data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The data violates the format or its own checksum.
    Broken,
    /// The output exceeds the limit.
    Excess,
}

/// Inflates the stream in the pieces of `data` and subtracts the size of the output from `left`.
/// `buffer` has the size of four windows.
///
/// Ignores unused bytes after the stream, as the PNG specification (third edition, 11.2.3) asks of
/// decoders: some encoders store a whole buffer instead of its used part. libpng warns of "Extra
/// compressed data" and reads on, and so do browsers; `png` ignores them (image-rs/image-png#454)
/// and once wrote such a byte itself (#262).
pub fn inflate(data: &[&[u8]], left: &mut usize, buffer: &mut [u8]) -> Result<(), Fault> {
    let mut inflater = Decompressor::new();
    let mut at = 0;
    // The empty piece marks the end. It flushes the output that did not fit into the buffer.
    for (mut piece, is_end) in data.iter().map(|piece| (*piece, false)).chain([(&[][..], true)]) {
        while !inflater.is_done() && (is_end || !piece.is_empty()) {
            let (read, written) = inflater.read(piece, buffer, at, is_end).map_err(|_| Fault::Broken)?;
            piece = &piece[read..];
            *left = left.checked_sub(written).ok_or(Fault::Excess)?;
            at += written;
            // Moves the window only when half of the buffer is full, so that little is copied.
            if at > buffer.len() / 2 {
                buffer.copy_within(at - WINDOW_BYTES..at, 0);
                at = WINDOW_BYTES;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use png::{BitDepth, ColorType};

    use super::*;
    use crate::png::samples::{chunk, deflated, encode, with_chunks};
    use crate::png::{ImageInfo, validate};

    #[test]
    fn inflates_matches_across_the_whole_window() {
        // Noise that repeats after 20 rows of 1500 bytes, which filters do not smooth.
        let mut seed = 1_u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed.to_be_bytes()[0]
        })
        .take(20 * 1500)
        .collect();
        let png = encode(1500, 400, ColorType::Grayscale, BitDepth::Eight, &noise.repeat(20));
        assert!(png.len() < 100_000, "{}: the repetitions are matches", png.len());
        assert_eq!(validate(&png), Ok(ImageInfo { width: 1500, height: 400, has_alpha: Some(false) }));
    }

    #[test]
    fn limits_the_inflated_size_of_profiles_and_texts() {
        let forms: [(&[u8; 4], &[u8]); 3] =
            [(b"iCCP", b"profile\0\0"), (b"zTXt", b"Comment\0\0"), (b"iTXt", b"Comment\0\x01\0de\0Kommentar\0")];
        let (small, half, bomb) =
            (deflated(100), deflated(MAX_ANCILLARY_BYTES / 2 + 1), deflated(MAX_ANCILLARY_BYTES + 1));
        for (kind, before) in forms {
            let compressed = |data: &[u8]| chunk(kind, &[before, data].concat());
            assert!(validate(&with_chunks(&[compressed(&small), compressed(b"broken"), compressed(&half)])).is_ok());
            for bomb in [vec![compressed(&bomb)], vec![compressed(&half), compressed(&half)]] {
                assert!(
                    matches!(validate(&with_chunks(&bomb)), Err(PngError::Damaged(problem)) if problem.contains("memory"))
                );
            }
        }
        let plain = chunk(b"iTXt", &[&b"Comment\0\0\0\0\0"[..], &bomb].concat());
        assert!(validate(&with_chunks(&[plain])).is_ok(), "an uncompressed text has no limit");
    }

    #[test]
    fn limits_the_compressed_size_of_profiles_and_texts() {
        let text = |length| chunk(b"zTXt", &[b"Comment\0\0".as_slice(), &vec![0; length]].concat());
        let (half, rest) = (
            text(MAX_COMPRESSED_ANCILLARY_BYTES / 2),
            text(MAX_COMPRESSED_ANCILLARY_BYTES - MAX_COMPRESSED_ANCILLARY_BYTES / 2),
        );
        assert!(
            validate(&with_chunks(&[half.clone(), rest.clone()])).is_ok(),
            "a broken text does not damage the image"
        );
        let excess = with_chunks(&[half, rest, text(1)]);
        assert!(matches!(validate(&excess), Err(PngError::Damaged(problem)) if problem.contains("memory")));
    }
}
