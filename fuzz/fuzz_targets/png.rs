//! Fuzzes the validation of a PNG file.

#![no_main]

use codex_image::png::{ImageInfo, PngError, check_signature, validate};
use codex_image_fuzz::memory::peak_of;
use codex_image_fuzz::png::{SIGNATURE, number, repaired};
use libfuzzer_sys::{Corpus, fuzz_target};

/// Size limit: larger images only take longer, see `npm run bench -- decompression-bombs`.
const MAX_PIXELS: u64 = 1 << 18;
/// Memory limit: that of the decoder, and a little for the rest.
const MAX_BYTES: usize = 9 << 20;

fn check(bytes: &[u8]) {
    let (verdict, peak) = peak_of(|| validate(bytes));
    assert!(peak <= MAX_BYTES, "{peak} bytes were allocated");
    assert_eq!(validate(bytes), verdict, "the same bytes again");

    let more = validate(&[bytes, b"\0\0\0\x04more bytes"].concat());
    match &verdict {
        Ok(ImageInfo { width, height, .. }) => {
            assert_eq!((Some(*width), Some(*height)), (number(bytes, 16), number(bytes, 20)));
            assert_eq!(more, verdict, "more bytes after a picture");
            // Finds the end of the image after an IEND: `end` includes the checksum.
            let end = memchr::memmem::rfind(bytes, b"IEND").map_or(0, |at| at + 8);
            let whole = (0..=end).find(|&length| validate(&bytes[..length]).is_ok());
            for length in 1..whole.unwrap_or(0) {
                assert_eq!(validate(&bytes[..length]), Err(PngError::Truncated), "{length} bytes of it");
            }
        }
        // More bytes may complete the image, or change the name of another format.
        Err(PngError::Empty | PngError::Truncated | PngError::Other(_)) => {}
        Err(_) => assert_eq!(more, verdict, "more bytes after an invalid picture"),
    }
    if bytes.len() >= 128 && bytes.starts_with(SIGNATURE) {
        let Ok(least) = check_signature(bytes) else { panic!("the signature and 128 bytes are enough") };
        assert!(verdict.is_err() || verdict == Ok(least));
    } else {
        assert!(check_signature(bytes).is_err());
    }
}

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let side = |at| u64::from(number(bytes, at).unwrap_or_default());
    if side(16).saturating_mul(side(20)) > MAX_PIXELS {
        return Corpus::Reject;
    }
    check(bytes);
    check(&repaired(bytes));
    Corpus::Keep
});
