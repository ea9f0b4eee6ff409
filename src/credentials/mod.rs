//! Verifies content credentials offline: the C2PA manifest that OpenAI's media service signs into
//! each picture.
//!
//! Follows C2PA 2.2 for the form that this service writes: one chunk with one manifest, a claim of
//! version 2, SHA-256, a data hash. Anything else is a [`Problem`]. Revocation is not checked.

mod algorithms;
mod cbor;
mod certificates;
mod claim;
mod cose;
mod hard_binding;
mod jumbf;
mod manifest;
mod problem;
mod roots;
mod time_stamp;

use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use memchr::memmem;
use rustls_pki_types::UnixTime;

use crate::png::{PngError, credential_chunks};
use crate::text;
use certificates::Purpose;
use claim::Claim;
use cose::Signature;
use manifest::Manifest;

pub use problem::Problem;
pub use roots::{OPENAI, Root, Trust};

/// Bytes of a chunk's length and type, and of its checksum.
const CHUNK_HEAD: usize = 8;
const CHUNK_SUM: usize = 4;
const CHUNK_NAME: &[u8] = b"caBX";

/// Largest manifest. OpenAI's have 26 KB. Reading a hostile one takes up to 50 times its size.
const MAX_MANIFEST_BYTES: usize = 256 << 10;

/// What the content credentials of a picture say, and whether they hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContentCredentials {
    /// The holder of the signing certificate. Proven only if the credentials are trusted.
    pub signer: Option<String>,
    /// The program that made the manifest. Proven only if the credentials are trusted.
    pub generator: Option<String>,
    /// When a trusted time stamp authority confirmed the signature.
    pub signed_at: Option<SystemTime>,
    /// Whether the signature and all hashes hold, so that every byte of the file but the manifest
    /// is as it was signed.
    pub intact: bool,
    /// Whether they are intact, and the signature is OpenAI's.
    pub trusted: bool,
    /// The first problem found.
    pub problem: Option<Problem>,
}

/// Reads and verifies the content credentials of a PNG file. None if it has no manifest, or if it
/// is damaged and has no trace of one.
///
/// `now` is the time at which certificates have to be valid if no time stamp confirms the time of
/// signing.
///
/// # Errors
/// [`PngError::Empty`] and [`PngError::Other`] if the bytes are no PNG.
pub fn read(png: &[u8], trust: &Trust<'_>, now: SystemTime) -> Result<Option<ContentCredentials>, PngError> {
    let mut found = ContentCredentials::default();
    let verified = match credential_chunks(png) {
        Ok(chunks) => match chunks.as_slice() {
            [] => return Ok(None),
            [chunk] => found.verify(png, chunk, trust, now),
            _ => Err(Problem::SeveralManifests),
        },
        Err(error @ (PngError::Empty | PngError::Other(_))) => return Err(error),
        Err(error) if memmem::find(png, CHUNK_NAME).is_some() => Err(Problem::Png(error)),
        Err(_) => return Ok(None),
    };
    found.problem = verified.err();
    Ok(Some(found))
}

impl ContentCredentials {
    /// Verifies the manifest in `chunk`, and notes what holds until the first problem.
    fn verify(&mut self, png: &[u8], chunk: &Range<usize>, trust: &Trust<'_>, now: SystemTime) -> problem::Result<()> {
        let store = png.get(chunk.start + CHUNK_HEAD..chunk.end - CHUNK_SUM).unwrap_or_default();
        if store.len() > MAX_MANIFEST_BYTES {
            return Err(Problem::Unsupported("it is too large"));
        }
        let manifest = Manifest::read(store)?;
        let claim = Claim::read(manifest.claim)?;
        self.generator = claim.generator.map(text::name);
        let signature = Signature::read(manifest.signature)?;
        let signer = signature.chain.signer();
        self.signer = signer.as_ref().map(|signer| signer.name.clone());
        if !manifest.is_signature(claim.signature) || !signature.holds_for(manifest.claim) {
            return Err(Problem::ClaimSignature);
        }
        let data_hash = manifest.data_hash()?;
        check_assertions(&manifest, &claim, data_hash.label)?;
        hard_binding::verify(data_hash.cbor()?, png, chunk)?;
        self.intact = true;

        let time = signed_at(&signature, trust);
        self.signed_at = time.ok();
        let at = self.signed_at.unwrap_or(now).duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = UnixTime::since_unix_epoch(at);
        signature.chain.verify(Purpose::Claims, trust.signers, at).map_err(Problem::Signer)?;
        if signer.and_then(|signer| signer.organization).as_deref() != Some(trust.organization) {
            return Err(Problem::Signer("its certificate names another organization"));
        }
        self.trusted = true;
        time.map(drop).map_err(Problem::Time)
    }
}

fn signed_at(signature: &Signature<'_>, trust: &Trust<'_>) -> Result<SystemTime, &'static str> {
    let token = signature.time_stamp?;
    let stamped = signature.time_stamped().ok_or("its time stamp is malformed")?;
    time_stamp::verify(token, &stamped, trust.time_stamps)
}

/// Fails unless the claim names every assertion of the manifest once, with its hash, and no other
/// one. The one labelled `data_hash` has to be among those that the program made itself.
fn check_assertions(manifest: &Manifest<'_>, claim: &Claim<'_>, data_hash: &str) -> problem::Result<()> {
    let named = claim.created.iter().chain(&claim.gathered);
    let labels: Vec<_> = named.clone().map(|reference| manifest.assertion_label(reference.uri)).collect();
    for assertion in &manifest.assertions {
        let references = labels.iter().filter(|label| **label == Some(assertion.label)).count();
        match references {
            0 => return Err(Problem::AssertionUndeclared),
            1 => {}
            _ => return Err(Problem::Malformed("its claim names a part twice")),
        }
    }
    for (reference, label) in named.zip(&labels) {
        let assertion = manifest.assertions.iter().find(|assertion| Some(assertion.label) == *label);
        let assertion = assertion.ok_or(Problem::AssertionMissing)?;
        if !reference.matches(assertion.content) {
            return Err(Problem::AssertionChanged);
        }
    }
    let created = labels.iter().take(claim.created.len()).any(|label| *label == Some(data_hash));
    if created { Ok(()) } else { Err(Problem::Malformed("its hash of the picture is not its own")) }
}
