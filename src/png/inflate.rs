//! The inflating of compressed parts, bounded in what comes out of them.

use fdeflate::Decompressor;

use super::chunks::Walked;
use super::error::PngError;

/// How far back compressed data may refer, in bytes.
pub const WINDOW: usize = 32 << 10;
/// How much all profiles and texts may take once they are inflated. Real ones take a few megabytes
/// at most.
const MAX_ANCILLARY_BYTES: usize = 16 << 20;
/// How much the profiles and texts may take as they are, compressed. A byte of it can cost 100 ns:
/// data can consist of nothing but code tables of 13 bytes each, which yield nothing.
const MAX_PACKED_BYTES: usize = 4 << 20;

/// Proves that profiles and texts take no more memory than they may. Other faults of these are no
/// fault of the picture; their size is, since viewers inflate them.
///
/// # Errors
/// The [`PngError`] found.
pub fn prove_ancillary(walked: &Walked<'_>) -> Result<(), PngError> {
    let (mut left, mut buffer) = (MAX_ANCILLARY_BYTES, vec![0; 4 * WINDOW]);
    let is_too_long = walked.packed.iter().map(|packed| packed.len()).sum::<usize>() > MAX_PACKED_BYTES;
    let mut is_excessive = |packed: &&[u8]| inflate(&[packed], &mut left, &mut buffer) == Err(Fault::Excess);
    if is_too_long || walked.packed.iter().any(&mut is_excessive) {
        return Err(PngError::Damaged("a profile or a text in it takes too much memory"));
    }
    Ok(())
}

/// What is wrong with compressed data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
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
pub fn inflate(data: &[&[u8]], left: &mut usize, buffer: &mut [u8]) -> Result<(), Fault> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::png::prove;
    use crate::png::samples::{chunk, deflated, with_chunks};

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
}
