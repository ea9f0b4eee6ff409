//! Proof that bytes are a PNG picture: every chunk, then every pixel.
//!
//! Three passes, because none suffices alone: only the walk over the chunks sees wrong checksums of
//! ancillary chunks and where the picture ends; only the decoder sees broken pixels; only inflating
//! once more sees pixels beyond the last one. The bytes themselves are never changed: image
//! services sign them (a C2PA `caBX` chunk), and the signature covers every byte.

mod chunks;
mod error;
mod inflate;
mod pixels;
#[cfg(test)]
mod samples;
mod sniff;

use chunks::{Header, expect_signature, first_header, walk};
use inflate::prove_ancillary;

pub use error::PngError;

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

/// Proves that `bytes` hold one whole PNG picture. Bytes after its end are tolerated.
///
/// # Errors
/// The [`PngError`] found; [`PngError::Truncated`] exactly if the bytes are the beginning of what
/// may become a PNG.
pub fn prove(bytes: &[u8]) -> Result<Picture, PngError> {
    let walked = walk(bytes)?;
    let has_alpha = pixels::prove(bytes, &walked)?;
    prove_ancillary(&walked)?;
    let Header { width, height } = walked.header;
    Ok(Picture { width, height, has_alpha: Some(has_alpha) })
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

#[cfg(test)]
mod tests {
    use png::{BitDepth, ColorType};

    use super::*;
    use chunks::SIGNATURE;
    use samples::{chunk, encode, sample, with_chunk_after_header};

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
    fn a_signed_picture_and_one_with_more_bytes_behind_it_pass() {
        let signed = with_chunk_after_header(&sample(), &chunk(b"caBX", &[7; 4000]));
        assert!(prove(&signed).is_ok());
        assert!(prove(&[signed.as_slice(), b"\n<!-- trailing -->"].concat()).is_ok());
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
