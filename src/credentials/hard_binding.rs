//! The data hash: ties the manifest to the bytes of its file (C2PA 2.2, 18.5).

use std::ops::Range;

use sha2::{Digest as _, Sha256};

use super::cbor::{self, Map};
use super::claim::expect_sha_256;
use super::problem::{Problem, Result};

const MALFORMED: Problem = Problem::Malformed("its hash of the picture cannot be read");

/// Fails unless the data hash is that of `png` without `chunk`, the chunk of the manifest, and
/// leaves out nothing else.
pub fn verify(data_hash: &[u8], png: &[u8], chunk: &Range<usize>) -> Result<()> {
    let data_hash = Map::read(data_hash).map_err(|_| MALFORMED)?;
    expect_sha_256(data_hash.text("alg"))?;
    let exclusions = data_hash.text("exclusions").ok_or(Problem::Exclusions)?;
    let exclusions = cbor::array(exclusions).map_err(|_| MALFORMED)?;
    let [exclusion] = exclusions.as_slice() else { return Err(Problem::Exclusions) };
    let exclusion = Map::read(exclusion).map_err(|_| MALFORMED)?;
    let number = |name| exclusion.text(name).and_then(|number| cbor::natural(number).ok()).ok_or(MALFORMED);
    if (number("start")?, number("length")?) != (chunk.start as u64, chunk.len() as u64) {
        return Err(Problem::Exclusions);
    }
    let hash = data_hash.text("hash").and_then(|hash| cbor::bytes(hash).ok()).ok_or(MALFORMED)?;
    let (Some(before), Some(after)) = (png.get(..chunk.start), png.get(chunk.end..)) else { return Err(MALFORMED) };
    let actual = Sha256::new().chain_update(before).chain_update(after).finalize();
    if actual[..] == *hash { Ok(()) } else { Err(Problem::PictureChanged) }
}
