//! Builds PNG files and chunks for tests.

use png::{BitDepth, ColorType, Encoder};

pub fn encode(width: u32, height: u32, color: ColorType, depth: BitDepth, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == ColorType::Indexed {
        encoder.set_palette(vec![1, 2, 3, 4, 5, 6]);
        encoder.set_trns(vec![0xff, 0x00]);
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(data).unwrap();
    writer.finish().unwrap();
    bytes
}

pub fn sample() -> Vec<u8> {
    let pixels: Vec<u8> = (0..=250).cycle().step_by(7).take(48 * 32 * 3).collect();
    encode(48, 32, ColorType::Rgb, BitDepth::Eight, &pixels)
}

/// Returns the offset of every chunk's length field and its type.
pub fn chunks(png: &[u8]) -> Vec<(usize, [u8; 4])> {
    let mut at = 8;
    let mut found = Vec::new();
    while at < png.len() {
        let length = u32::from_be_bytes(png[at..at + 4].try_into().unwrap()) as usize;
        found.push((at, png[at + 4..at + 8].try_into().unwrap()));
        at += 12 + length;
    }
    found
}

pub fn deflated(bytes: usize) -> Vec<u8> {
    fdeflate::compress_to_vec(&vec![0; bytes])
}

/// Inserts `chunks` after the header of [`sample`].
pub fn with_chunks(chunks: &[Vec<u8>]) -> Vec<u8> {
    let sample = sample();
    let (head, rest) = sample.split_at(33);
    [head, &chunks.concat(), rest].concat()
}

pub fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let typed = [kind.as_slice(), data].concat();
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    [length.as_slice(), &typed, &crc32fast::hash(&typed).to_be_bytes()].concat()
}

pub fn with_chunk_after_header(png: &[u8], extra: &[u8]) -> Vec<u8> {
    [&png[..33], extra, &png[33..]].concat()
}

/// Damages byte `at` of the chunk `kind` and repairs the chunk's checksum.
pub fn with_repaired_damage(png: &[u8], kind: &[u8; 4], at: usize) -> Vec<u8> {
    let (start, _) = chunks(png).into_iter().find(|(_, found)| found == kind).unwrap();
    let length = u32::from_be_bytes(png[start..start + 4].try_into().unwrap()) as usize;
    let mut data = png[start + 8..start + 8 + length].to_vec();
    data[at] ^= 0x55;
    [&png[..start], &chunk(kind, &data), &png[start + 12 + length..]].concat()
}
