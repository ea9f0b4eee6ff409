//! The proof of a picture.

#![no_main]

use codex_image::png::{Picture, PngError, check_signature, prove};
use codex_image_fuzz::memory::peak_of;
use libfuzzer_sys::{Corpus, fuzz_target};

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Larger pictures only take longer to decode: `npm run bench -- decompression-bombs`.
const MOST_PIXELS: u64 = 1 << 18;
/// What the decoder may allocate, and the little that surrounds it.
const MOST_BYTES: usize = 9 << 20;

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The same with the right checksum in every chunk: few inputs would come by one.
fn repaired(bytes: &[u8]) -> Vec<u8> {
    let mut repaired = bytes.to_vec();
    let mut at = SIGNATURE.len();
    while let Some(length) = number(&repaired, at) {
        let Some(end) = (at + 8).checked_add(length as usize) else { break };
        let Some(typed) = repaired.get(at + 4..end) else { break };
        let sum = crc32fast::hash(typed).to_be_bytes();
        let Some(place) = repaired.get_mut(end..end + 4) else { break };
        place.copy_from_slice(&sum);
        at = end + 4;
    }
    repaired
}

fn check(bytes: &[u8]) {
    let (verdict, peak) = peak_of(|| prove(bytes));
    assert!(peak <= MOST_BYTES, "{peak} bytes were held");
    assert_eq!(prove(bytes), verdict, "the same bytes again");

    let more = prove(&[bytes, b"\0\0\0\x04more bytes"].concat());
    match &verdict {
        Ok(Picture { width, height, .. }) => {
            assert_eq!((Some(*width), Some(*height)), (number(bytes, 16), number(bytes, 20)));
            assert_eq!(more, verdict, "more bytes behind a picture");
            // The end mark takes 12 bytes, so a picture without its last 13 cannot be whole.
            let end = memchr::memmem::rfind(bytes, b"IEND").map_or(0, |at| at + 8);
            let whole = (0..=end).find(|&length| prove(&bytes[..length]).is_ok());
            for length in 1..whole.unwrap_or(0) {
                assert_eq!(prove(&bytes[..length]), Err(PngError::Truncated), "{length} bytes of it");
            }
        }
        // What may still become a picture is the one verdict that more bytes may change, and the
        // first bytes name the rest.
        Err(PngError::Empty | PngError::Truncated | PngError::Other(_)) => {}
        Err(_) => assert_eq!(more, verdict, "more bytes behind what is none"),
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
    if side(16).saturating_mul(side(20)) > MOST_PIXELS {
        return Corpus::Reject;
    }
    check(bytes);
    check(&repaired(bytes));
    Corpus::Keep
});
