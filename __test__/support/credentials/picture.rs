//! Signs a PNG file: makes the manifest and puts it into a chunk.

use minicbor::Encoder;
use minicbor::encode::Error;
use sha2::{Digest as _, Sha256};

use super::identity::Identity;
use super::token::token;

const MANIFEST: &str = "urn:c2pa:6b0f2a34-5d1e-4a6f-9c57-0f1e2d3c4b5a";
const LABELS: [&str; 2] = ["c2pa.actions.v2", "c2pa.hash.data"];
/// Offset of the first chunk after IHDR.
pub const AFTER_HEADER: usize = 33;

/// How to sign a picture.
#[derive(Clone)]
pub struct Recipe<'a> {
    pub signer: &'a Identity,
    pub time_stamp: Option<&'a Identity>,
    /// Seconds since 1970.
    pub signed_at: u64,
    pub picture: &'a [u8],
    /// Offset of the chunk.
    pub at: usize,
    /// Number of bytes after the chunk that the data hash leaves out as well.
    pub surplus: usize,
}

/// A signed picture in its parts, to be damaged.
#[derive(Clone)]
pub struct Signed {
    pub picture: Vec<u8>,
    pub at: usize,
    /// SHA-256 of the picture without the chunk.
    pub hash: Vec<u8>,
    /// Encoded superboxes.
    pub assertions: Vec<Vec<u8>>,
    pub claim: Vec<u8>,
    pub protected: Vec<u8>,
    pub signature: Vec<u8>,
    pub tokens: Vec<Vec<u8>>,
    pub pad: Vec<u8>,
}

impl Recipe<'_> {
    pub fn sign(&self) -> Signed {
        let mut length = 8000;
        loop {
            let signed = self.sign_with(length);
            let actual = signed.chunk().len();
            if actual == length {
                return signed;
            }
            length = actual;
        }
    }

    pub fn png(&self) -> Vec<u8> {
        self.sign().png()
    }

    /// Signs the picture for a chunk of this length.
    fn sign_with(&self, length: usize) -> Signed {
        let after = &self.picture[self.at + self.surplus..];
        let hash = Sha256::new().chain_update(&self.picture[..self.at]).chain_update(after).finalize();
        let exclusion = (self.at as u64, (length + self.surplus) as u64);
        let data_hash = data_hash(&[exclusion], "sha256", &hash);
        let assertions = vec![assertion(LABELS[0], &actions()), assertion(LABELS[1], &data_hash)];
        let claim = claim(&assertions, &References::default());
        let protected = header(self.signer.key.cose_algorithm(), &self.signer.chain, false);
        let signature = signature(self.signer, &protected, &claim);
        let token = |authority| token(authority, &stamped(&protected, &signature), self.signed_at);
        let tokens = self.time_stamp.map(token).into_iter().collect();
        let pad = vec![0; 4000];
        let hash = hash.to_vec();
        Signed {
            picture: self.picture.to_vec(),
            at: self.at,
            hash,
            assertions,
            claim,
            protected,
            signature,
            tokens,
            pad,
        }
    }
}

impl Signed {
    pub fn png(&self) -> Vec<u8> {
        let (before, after) = self.picture.split_at(self.at);
        [before, &self.chunk(), after].concat()
    }

    pub fn chunk(&self) -> Vec<u8> {
        chunk(*b"caBX", &superbox(*b"c2pa", "c2pa", &self.manifest()))
    }

    /// The chunk with the manifest twice in its store.
    pub fn with_two_manifests(&self) -> Vec<u8> {
        let (before, after) = self.picture.split_at(self.at);
        let store = superbox(*b"c2pa", "c2pa", &[self.manifest(), self.manifest()].concat());
        [before, &chunk(*b"caBX", &store), after].concat()
    }

    pub fn manifest(&self) -> Vec<u8> {
        let cose = encoded(|encoder| {
            encoder.tag(minicbor::data::Tag::new(18))?.array(4)?.bytes(&self.protected)?;
            encoder.map(1 + u64::from(!self.tokens.is_empty()))?;
            if !self.tokens.is_empty() {
                encoder.str("sigTst2")?.map(1)?.str("tstTokens")?.array(self.tokens.len() as u64)?;
            }
            for token in &self.tokens {
                encoder.map(1)?.str("val")?.bytes(token)?;
            }
            encoder.str("pad")?.bytes(&self.pad)?.null()?.bytes(&self.signature)?;
            Ok(())
        });
        let parts = [
            superbox(*b"c2as", "c2pa.assertions", &self.assertions.concat()),
            superbox(*b"c2cl", "c2pa.claim.v2", &boxed(*b"cbor", &self.claim)),
            superbox(*b"c2cs", "c2pa.signature", &boxed(*b"cbor", &cose)),
        ];
        superbox(*b"c2ma", MANIFEST, &parts.concat())
    }

    /// Makes the claim name the assertions as they are now.
    pub fn name_assertions(&mut self, references: &References<'_>) {
        self.claim = claim(&self.assertions, references);
    }

    /// Signs the claim as it is now.
    pub fn sign(&mut self, signer: &Identity) {
        self.signature = signature(signer, &self.protected, &self.claim);
    }

    /// Gives the chunk this length, which is signed, by its padding.
    pub fn fit(mut self, length: usize) -> Self {
        let unpadded = self.chunk().len() - self.pad.len();
        self.pad.resize(length - unpadded, 0);
        self
    }
}

fn signature(signer: &Identity, protected: &[u8], claim: &[u8]) -> Vec<u8> {
    signer.key.sign_claim(&structure("Signature1", protected, claim))
}

/// What a time stamp of a signature confirms.
pub fn stamped(protected: &[u8], signature: &[u8]) -> Vec<u8> {
    let item = encoded(|encoder| encoder.bytes(signature).map(drop));
    structure("CounterSignature", protected, &item)
}

fn structure(context: &str, protected: &[u8], payload: &[u8]) -> Vec<u8> {
    encoded(|encoder| encoder.array(4)?.str(context)?.bytes(protected)?.bytes(&[])?.bytes(payload).map(drop))
}

fn actions() -> Vec<u8> {
    encoded(|encoder| {
        encoder.map(1)?.str("actions")?.array(1)?.map(2)?.str("action")?.str("c2pa.created")?;
        let source = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia";
        encoder.str("digitalSourceType")?.str(source).map(drop)
    })
}

/// The protected header of the signature.
pub fn header(algorithm: i8, chain: &[Vec<u8>], is_critical: bool) -> Vec<u8> {
    encoded(|encoder| {
        encoder.map(2 + u64::from(is_critical))?.i8(1)?.i8(algorithm)?;
        if is_critical {
            encoder.i8(2)?.array(1)?.str("extension")?;
        }
        encoder.i8(33)?.array(chain.len() as u64)?;
        for certificate in chain {
            encoder.bytes(certificate)?;
        }
        Ok(())
    })
}

/// The data hash, with the start and the length of each exclusion.
pub fn data_hash(exclusions: &[(u64, u64)], algorithm: &str, hash: &[u8]) -> Vec<u8> {
    encoded(|encoder| {
        encoder.map(5)?.str("exclusions")?.array(exclusions.len() as u64)?;
        for (start, length) in exclusions {
            encoder.map(2)?.str("start")?.u64(*start)?.str("length")?.u64(*length)?;
        }
        encoder.str("name")?.str("jumbf manifest")?.str("alg")?.str(algorithm)?.str("hash")?.bytes(hash)?;
        encoder.str("pad")?.bytes(&[]).map(drop)
    })
}

/// How a claim names the assertions, by their positions.
pub struct References<'a> {
    pub created: &'a [usize],
    pub gathered: &'a [usize],
    pub is_redacted: bool,
}

impl Default for References<'_> {
    fn default() -> Self {
        Self { created: &[0, 1], gathered: &[], is_redacted: false }
    }
}

fn claim(assertions: &[Vec<u8>], references: &References<'_>) -> Vec<u8> {
    encoded(|encoder| {
        encoder
            .map(6 + u64::from(references.is_redacted))?
            .str("instanceID")?
            .str("xmp:iid:2f1c9a52-6f0e-4a29-8d31-5f8a0c1f7b42")?;
        encoder.str("claim_generator_info")?.map(1)?.str("name")?.str("Test Media Service")?;
        encoder.str("signature")?.str(&format!("self#jumbf=/c2pa/{MANIFEST}/c2pa.signature"))?;
        for (name, list) in [("created_assertions", references.created), ("gathered_assertions", references.gathered)] {
            encoder.str(name)?.array(list.len() as u64)?;
            for at in list {
                encoder.map(2)?.str("url")?.str(&format!("self#jumbf=c2pa.assertions/{}", LABELS[*at]))?;
                // Without the header of the box.
                encoder.str("hash")?.bytes(&Sha256::digest(&assertions[*at][8..]))?;
            }
        }
        if references.is_redacted {
            encoder.str("redacted_assertions")?.array(1)?.str("self#jumbf=c2pa.assertions/c2pa.metadata")?;
        }
        encoder.str("alg")?.str("sha256").map(drop)
    })
}

pub fn assertion(label: &str, cbor: &[u8]) -> Vec<u8> {
    superbox(*b"cbor", label, &boxed(*b"cbor", cbor))
}

fn superbox(kind: [u8; 4], label: &str, content: &[u8]) -> Vec<u8> {
    let [a, b, c, d] = kind;
    let uuid = [a, b, c, d, 0x00, 0x11, 0x00, 0x10, 0x80, 0x00, 0x00, 0xaa, 0x00, 0x38, 0x9b, 0x71];
    let description = boxed(*b"jumd", &[&uuid, [3].as_slice(), label.as_bytes(), &[0]].concat());
    boxed(*b"jumb", &[&description, content].concat())
}

fn boxed(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(8 + content.len()).unwrap();
    [&length.to_be_bytes(), kind.as_slice(), content].concat()
}

pub fn chunk(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let typed = [kind.as_slice(), content].concat();
    let length = u32::try_from(content.len()).unwrap();
    [&length.to_be_bytes(), typed.as_slice(), &crc32fast::hash(&typed).to_be_bytes()].concat()
}

fn encoded(write: impl FnOnce(&mut Encoder<&mut Vec<u8>>) -> Result<(), Error<std::convert::Infallible>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut Encoder::new(&mut bytes)).unwrap();
    bytes
}

/// A PNG of `side` × `side` pixels, derived from `seed`.
pub fn unsigned(side: u32, seed: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(png::ColorType::Rgb);
    let pixels: Vec<u8> = (0..side * side * 3).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8 ^ seed).collect();
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    bytes
}
