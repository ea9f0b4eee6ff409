//! Reads and repairs the chunks of PNG files.

pub const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Returns the number at an offset.
#[must_use]
pub fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Repairs the checksum of every chunk, because few inputs have a correct one.
#[must_use]
pub fn repaired(bytes: &[u8]) -> Vec<u8> {
    let mut repaired = bytes.to_vec();
    let mut at = SIGNATURE.len();
    while let Some(length) = number(&repaired, at) {
        let Some(end) = (at + 8).checked_add(length as usize) else { break };
        let Some(typed) = repaired.get(at + 4..end) else { break };
        let sum = crc32fast::hash(typed).to_be_bytes();
        let Some(checksum) = repaired.get_mut(end..end + 4) else { break };
        checksum.copy_from_slice(&sum);
        at = end + 4;
    }
    repaired
}
