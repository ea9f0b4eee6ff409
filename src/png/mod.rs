//! Checks that bytes are one whole PNG image. Never changes them: image services sign every byte
//! (a C2PA `caBX` chunk).
//!
//! Makes three passes, since none suffices alone: `chunks` finds wrong checksums and the end of the
//! image, `pixels` decodes every pixel, `inflate` finds pixel data beyond the last one.

mod chunks;
mod error;
mod inflate;
mod pixels;
#[cfg(test)]
mod samples;
mod sniff;

use std::ops::Range;

use chunks::{Header, expect_signature, first_header, walk};
use inflate::validate_ancillary;

pub use error::PngError;

/// Smallest file that [`check_signature`] accepts: the original contract's guard against
/// placeholder files.
const MIN_SIGNED_BYTES: usize = 128;

/// Size and transparency of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageInfo {
    /// In pixels; 0 if only the signature was checked and the header is damaged.
    pub width: u32,
    /// In pixels; 0 as for the width.
    pub height: u32,
    /// Whether at least one pixel is not fully opaque; None if the pixels cannot be decoded.
    pub has_alpha: Option<bool>,
}

/// Checks that `bytes` hold one whole PNG image. Accepts bytes after its end.
///
/// # Errors
/// The [`PngError`] found. [`PngError::Truncated`] if and only if more bytes may complete the PNG.
pub fn validate(bytes: &[u8]) -> Result<ImageInfo, PngError> {
    let walked = walk(bytes)?;
    let has_alpha = pixels::validate(bytes, &walked)?;
    validate_ancillary(&walked)?;
    let Header { width, height } = walked.header;
    Ok(ImageInfo { width, height, has_alpha: Some(has_alpha) })
}

/// Checks the minimum of the original contract: the PNG signature and 128 bytes.
///
/// Returns what [`validate`] returns if the image is whole, otherwise the size of an intact header.
///
/// # Errors
/// The [`PngError`] found.
pub fn check_signature(bytes: &[u8]) -> Result<ImageInfo, PngError> {
    expect_signature(bytes)?;
    if bytes.len() < MIN_SIGNED_BYTES {
        return Err(PngError::Truncated);
    }
    Ok(validate(bytes).unwrap_or_else(|_| {
        let Header { width, height } = first_header(bytes).unwrap_or(Header { width: 0, height: 0 });
        ImageInfo { width, height, has_alpha: None }
    }))
}

/// Returns the range of every `caBX` chunk, which holds a C2PA manifest: from its length field to
/// its checksum. Checks the structure and the checksums of the PNG, but decodes no pixel.
///
/// # Errors
/// The [`PngError`] found.
pub fn credential_chunks(bytes: &[u8]) -> Result<Vec<Range<usize>>, PngError> {
    Ok(walk(bytes)?.credentials)
}

#[cfg(test)]
mod tests {
    use png::{BitDepth, ColorType};

    use super::*;
    use chunks::SIGNATURE;
    use samples::{chunk, encode, sample, with_chunk_after_header};

    #[test]
    fn validates_and_measures_an_image() {
        assert_eq!(validate(&sample()), Ok(ImageInfo { width: 48, height: 32, has_alpha: Some(false) }));
    }

    #[test]
    fn validates_an_image_of_one_pixel() {
        let png = encode(1, 1, ColorType::Grayscale, BitDepth::Eight, &[0]);
        assert_eq!(validate(&png), Ok(ImageInfo { width: 1, height: 1, has_alpha: Some(false) }));
    }

    #[test]
    fn every_beginning_of_an_image_is_truncated() {
        let png = sample();
        assert_eq!(validate(&[]), Err(PngError::Empty));
        for length in 1..png.len() {
            assert_eq!(validate(&png[..length]), Err(PngError::Truncated), "{length} of {}", png.len());
        }
    }

    #[test]
    fn rejects_every_flipped_bit() {
        let png = sample();
        for at in 0..png.len() {
            let mut bytes = png.clone();
            bytes[at] ^= 1 << (at % 8);
            assert!(validate(&bytes).is_err(), "bit flip at {at}");
        }
    }

    #[test]
    fn accepts_a_signed_image_and_trailing_bytes() {
        let signed = with_chunk_after_header(&sample(), &chunk(b"caBX", &[7; 4000]));
        assert!(validate(&signed).is_ok());
        assert!(validate(&[signed.as_slice(), b"\n<!-- trailing -->"].concat()).is_ok());
    }

    #[test]
    fn the_signature_check_needs_only_the_signature_and_128_bytes() {
        let long = [SIGNATURE.as_slice(), &[0; 120]].concat();
        let unknown = ImageInfo { width: 0, height: 0, has_alpha: None };
        assert_eq!(check_signature(&long), Ok(unknown));
        assert_eq!(check_signature(&long[..127]), Err(PngError::Truncated));
        assert_eq!(check_signature(&sample()), validate(&sample()), "a whole image is decoded");
        let cut = &sample()[..200];
        assert_eq!(check_signature(cut), Ok(ImageInfo { width: 48, height: 32, has_alpha: None }));
        let mut damaged = cut.to_vec();
        damaged[16] ^= 1;
        assert_eq!(check_signature(&damaged), Ok(unknown), "a size under a wrong checksum is not known");
        assert!(matches!(check_signature(&[b'x'; 200]), Err(PngError::Other(_))));
    }
}
