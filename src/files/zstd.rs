//! Decompresses untrusted Zstandard streams.
//!
//! A limit on the window bounds the memory. A limit on the ratio of output to input bounds the
//! time, since a block of four bytes can stand for 128 KiB.

use std::io::{self, BufRead as _, BufReader, Read, Take};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Largest window of a frame: what RFC 8878 (3.1.1.1.2) recommends decoders to support. zstd's
/// default level uses 2 MiB.
const MAX_WINDOW_BYTES: u64 = 8 << 20;
/// Most output bytes for each input byte. JSON Lines have a ratio of 2 to 20.
const MAX_RATIO: u64 = 64;
/// Added to the input's size, so that short streams may have any ratio.
const INPUT_ALLOWANCE_BYTES: u64 = 4 << 20;
const READ_BYTES: usize = 64 << 10;
/// Empty raw block that ends its frame (RFC 8878, 3.1.1.2).
const LAST_BLOCK: [u8; 3] = [1, 0, 0];

/// Reader of a stream's decompressed content, frame after frame.
///
/// Reading fails where the stream is damaged or exceeds a limit. All content before that is
/// returned first. Does not verify the checksums of frames.
pub struct Inflated<R> {
    source: BufReader<Take<R>>,
    decoder: FrameDecoder,
    output_bytes: u64,
    is_broken: bool,
}

impl<R: Read> Inflated<R> {
    /// Creates a reader at the start of `stream`.
    pub fn new(stream: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW_BYTES);
        // The remaining limit of `take` tells how much was read.
        let source = BufReader::with_capacity(READ_BYTES, stream.take(u64::MAX));
        Self { source, decoder, output_bytes: 0, is_broken: false }
    }

    fn decode_block(&mut self) {
        let one = || BlockDecodingStrategy::UptoBlocks(1);
        if self.decoder.decode_blocks(&mut self.source, one()).is_err() {
            self.is_broken = true;
            // Ends the frame, because the decoder holds back up to a window of output within one.
            let _ = self.decoder.decode_blocks(&LAST_BLOCK[..], one());
        }
    }

    fn begin_frame(&mut self) -> io::Result<()> {
        use ReadFrameHeaderError::SkipFrame;
        match self.decoder.reset(&mut self.source) {
            Ok(()) => {}
            Err(FrameDecoderError::ReadFrameHeaderError(SkipFrame { length, .. })) => {
                io::copy(&mut (&mut self.source).take(length.into()), &mut io::sink())?;
            }
            Err(_) => self.is_broken = true,
        }
        Ok(())
    }
}

impl<R: Read> Read for Inflated<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.decoder.read(buffer)?;
            self.output_bytes += count as u64;
            let input_bytes = u64::MAX - self.source.get_ref().limit();
            if self.output_bytes > (input_bytes + INPUT_ALLOWANCE_BYTES).saturating_mul(MAX_RATIO) {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            if self.is_broken {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if !self.decoder.is_finished() {
                self.decode_block();
            } else if self.source.fill_buf()?.is_empty() {
                return Ok(0);
            } else {
                self.begin_frame()?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();
    /// Window descriptors of 1 MiB, 8 MiB and 9 MiB.
    const WINDOWS: [u8; 3] = [10 << 3, 13 << 3, 13 << 3 | 1];

    fn block(is_last: bool, kind: u32, size: usize, content: &[u8]) -> Vec<u8> {
        let header = u32::from(is_last) | kind << 1 | u32::try_from(size).unwrap() << 3;
        [&header.to_le_bytes()[..3], content].concat()
    }

    fn frame(window: u8, blocks: &[Vec<u8>]) -> Vec<u8> {
        [&MAGIC[..], &[0, window], &blocks.concat()].concat()
    }

    fn raw(is_last: bool, content: &[u8]) -> Vec<u8> {
        block(is_last, 0, content.len(), content)
    }

    fn repeated(is_last: bool) -> Vec<u8> {
        block(is_last, 1, 128 << 10, b"x")
    }

    /// Returns the output, and whether the stream was whole.
    fn inflate(stream: &[u8]) -> (Vec<u8>, bool) {
        let mut found = Vec::new();
        let whole = Inflated::new(stream).read_to_end(&mut found).is_ok();
        (found, whole)
    }

    #[test]
    fn reads_consecutive_frames_and_skips_skippable_ones() {
        let one = frame(WINDOWS[0], &[raw(false, b"one "), raw(true, b"two ")]);
        let two = frame(WINDOWS[1], &[raw(false, b""), raw(true, b"three")]);
        let skipped = [&0x184d_2a5f_u32.to_le_bytes()[..], &3_u32.to_le_bytes(), b"not"].concat();
        for stream in [[&one[..], &two].concat(), [&skipped[..], &one, &skipped, &skipped, &two, &skipped].concat()] {
            assert_eq!(inflate(&stream), (b"one two three".to_vec(), true));
        }
        assert_eq!(inflate(b""), (vec![], true));
    }

    #[test]
    fn returns_the_output_before_the_damage() {
        let blocks = [raw(false, b"one "), raw(false, b"two "), raw(true, b"three")].concat();
        let checked = [&MAGIC[..], &[4, WINDOWS[0]], &blocks, b"its checksum"].concat();
        // End offsets of the blocks, and the output up to there.
        let ends = [(6, 0), (13, 4), (20, 8), (28, 13)];
        for length in 1..32 {
            let (_, expected) = ends.into_iter().rfind(|(end, _)| *end <= length).unwrap_or_default();
            assert_eq!(inflate(&checked[..length]), (b"one two three"[..expected].to_vec(), false), "{length}");
        }
        assert_eq!(inflate(&checked[..32]), (b"one two three".to_vec(), true));
        let reserved = frame(WINDOWS[0], &[raw(false, b"one"), block(true, 3, 3, b"two")]);
        assert_eq!(inflate(&reserved), (b"one".to_vec(), false));
        let trailing = [&frame(WINDOWS[0], &[raw(true, b"one")])[..], b"two"].concat();
        assert_eq!(inflate(&trailing), (b"one".to_vec(), false));
        assert_eq!(inflate(b"{}\n"), (vec![], false));
    }

    #[test]
    fn accepts_a_window_of_eight_mebibytes_at_most() {
        for (window, is_read) in WINDOWS.into_iter().zip([true, true, false]) {
            assert_eq!(inflate(&frame(window, &[raw(true, b"one")])).1, is_read);
        }
    }

    #[test]
    fn the_input_size_limits_the_output_size() {
        let inflate_blocks = |blocks: usize| {
            let stream = frame(WINDOWS[1], &[repeated(false).repeat(blocks), raw(true, b"")]);
            let mut inflated = Inflated::new(&stream[..]);
            let result = io::copy(&mut inflated, &mut io::sink());
            (result.is_ok(), inflated.output_bytes, stream.len() as u64)
        };
        let (is_whole, length, _) = inflate_blocks(2000);
        assert_eq!((is_whole, length), (true, 2000 * (128 << 10)));
        let (is_whole, length, input_bytes) = inflate_blocks(10_000);
        assert!(!is_whole && length <= (input_bytes + INPUT_ALLOWANCE_BYTES) * MAX_RATIO + (1 << 20), "{length}");
    }
}
