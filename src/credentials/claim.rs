//! The claim: the signed list of the manifest's assertions, each with its hash (C2PA 2.2, 10).

use sha2::{Digest as _, Sha256};

use super::cbor::{self, Map};
use super::problem::{Problem, Result};

const MALFORMED: Problem = Problem::Malformed("its claim cannot be read");

#[derive(Debug)]
pub struct Claim<'a> {
    /// The name of the program that made it.
    pub generator: Option<&'a str>,
    /// URI of the signature.
    pub signature: &'a str,
    /// Assertions that the program made itself.
    pub created: Vec<HashedUri<'a>>,
    /// Assertions that it took over from elsewhere.
    pub gathered: Vec<HashedUri<'a>>,
}

/// A reference to a box, with the hash of its content.
#[derive(Debug)]
pub struct HashedUri<'a> {
    pub uri: &'a str,
    hash: &'a [u8],
}

impl<'a> Claim<'a> {
    pub fn read(item: &'a [u8]) -> Result<Self> {
        let claim = Map::read(item).map_err(|_| MALFORMED)?;
        if claim.text("redacted_assertions").is_some() {
            return Err(Problem::Unsupported("parts of it were redacted"));
        }
        let algorithm = claim.text("alg");
        let list = |item| read_list(item, algorithm);
        let generator = claim.text("claim_generator_info").and_then(|info| Map::read(info).ok()?.text("name"));
        Ok(Self {
            generator: generator.and_then(|name| cbor::text(name).ok()),
            signature: claim.text("signature").and_then(|uri| cbor::text(uri).ok()).ok_or(MALFORMED)?,
            created: list(claim.text("created_assertions").ok_or(MALFORMED)?)?,
            gathered: claim.text("gathered_assertions").map_or(Ok(Vec::new()), list)?,
        })
    }
}

impl HashedUri<'_> {
    /// Returns whether the hash is that of `content`.
    pub fn matches(&self, content: &[u8]) -> bool {
        Sha256::digest(content)[..] == *self.hash
    }
}

fn read_list<'a>(item: &'a [u8], algorithm: Option<&[u8]>) -> Result<Vec<HashedUri<'a>>> {
    let references = cbor::array(item).map_err(|_| MALFORMED)?;
    references.into_iter().map(|reference| read_reference(reference, algorithm)).collect()
}

/// Reads a `hashed-uri-map` (C2PA 2.2, 8.4.2.1). Its own algorithm comes before the claim's.
fn read_reference<'a>(item: &'a [u8], algorithm: Option<&[u8]>) -> Result<HashedUri<'a>> {
    let reference = Map::read(item).map_err(|_| MALFORMED)?;
    expect_sha_256(reference.text("alg").or(algorithm))?;
    let uri = reference.text("url").and_then(|uri| cbor::text(uri).ok()).ok_or(MALFORMED)?;
    let hash = reference.text("hash").and_then(|hash| cbor::bytes(hash).ok()).ok_or(MALFORMED)?;
    Ok(HashedUri { uri, hash })
}

/// Fails unless `algorithm`, an encoded text, names SHA-256.
pub fn expect_sha_256(algorithm: Option<&[u8]>) -> Result<()> {
    match algorithm.map(cbor::text) {
        Some(Ok("sha256")) => Ok(()),
        _ => Err(Problem::Unsupported("its hashes have an unknown algorithm")),
    }
}
