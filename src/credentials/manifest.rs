//! The parts of a C2PA manifest store with one manifest (C2PA 2.2, 11.1).

use std::collections::HashSet;

use super::jumbf::{Kind, Superbox, kind};
use super::problem::{Problem, Result};

const STORE: Kind = kind(*b"c2pa");
const MANIFEST: Kind = kind(*b"c2ma");
const ASSERTIONS: Kind = kind(*b"c2as");
const CLAIM: Kind = kind(*b"c2cl");
const SIGNATURE: Kind = kind(*b"c2cs");

/// Label of the box with the assertions.
const ASSERTION_STORE: &str = "c2pa.assertions";
/// Label of the box with the claim: its only version that counts.
const CLAIM_LABEL: &str = "c2pa.claim.v2";
/// Label of the box with the signature.
const SIGNATURE_LABEL: &str = "c2pa.signature";
/// Label of the assertion with the data hash, and the beginning of those of all hard bindings.
const DATA_HASH: &str = "c2pa.hash.data";
const HARD_BINDING: &str = "c2pa.hash.";

/// Largest number of parts of a box. OpenAI's manifests have four assertions.
const MAX_PARTS: usize = 64;

#[derive(Debug)]
pub struct Manifest<'a> {
    label: &'a str,
    /// The encoded claim.
    pub claim: &'a [u8],
    /// The encoded signature.
    pub signature: &'a [u8],
    pub assertions: Vec<Superbox<'a>>,
}

impl<'a> Manifest<'a> {
    /// Reads the only manifest of a store.
    pub fn read(store: &'a [u8]) -> Result<Self> {
        let store = Superbox::read_only(store)?.expect(STORE, "c2pa")?;
        let mut manifests = store.children(MAX_PARTS)?;
        let Some(manifest) = manifests.pop() else { return Err(Problem::Malformed("it is empty")) };
        if !manifests.is_empty() {
            return Err(Problem::SeveralManifests);
        }
        let manifest = manifest.expect_kind(MANIFEST)?;
        let (mut assertions, mut claim, mut signature) = (None, None, None);
        for part in manifest.children(MAX_PARTS)? {
            let place = match part.kind {
                ASSERTIONS => &mut assertions,
                CLAIM => &mut claim,
                SIGNATURE => &mut signature,
                _ => return Err(Problem::Unsupported("it has a part of an unknown kind")),
            };
            if place.replace(part).is_some() {
                return Err(Problem::Malformed("it has a part twice"));
            }
        }
        let (Some(assertions), Some(claim), Some(signature)) = (assertions, claim, signature) else {
            return Err(Problem::Malformed("it is incomplete"));
        };
        if claim.label != CLAIM_LABEL {
            return Err(Problem::Unsupported("its claim has an unknown version"));
        }
        let assertions = assertions.expect(ASSERTIONS, ASSERTION_STORE)?.children(MAX_PARTS)?;
        let labels: HashSet<_> = assertions.iter().map(|assertion| assertion.label).collect();
        if labels.len() < assertions.len() {
            return Err(Problem::Malformed("two of its parts have the same name"));
        }
        Ok(Self {
            label: manifest.label,
            claim: claim.expect(CLAIM, CLAIM_LABEL)?.cbor()?,
            signature: signature.expect(SIGNATURE, SIGNATURE_LABEL)?.cbor()?,
            assertions,
        })
    }

    /// Returns the label of the assertion of this manifest that `uri` names.
    pub fn assertion_label<'u>(&self, uri: &'u str) -> Option<&'u str> {
        self.relative(uri)?.strip_prefix(ASSERTION_STORE)?.strip_prefix('/')
    }

    /// Returns whether `uri` names the signature of this manifest.
    pub fn is_signature(&self, uri: &str) -> bool {
        self.relative(uri) == Some(SIGNATURE_LABEL)
    }

    /// Returns the part of a JUMBF URI after the manifest, if it names this one (C2PA 2.2, 8.3).
    fn relative<'u>(&self, uri: &'u str) -> Option<&'u str> {
        let path = uri.strip_prefix("self#jumbf=")?;
        let Some(absolute) = path.strip_prefix('/') else { return Some(path) };
        absolute.strip_prefix("c2pa/")?.strip_prefix(self.label)?.strip_prefix('/')
    }

    /// Returns the assertion with the data hash. Fails if there is any other hard binding.
    pub fn data_hash(&self) -> Result<&Superbox<'a>> {
        let mut bindings = self.assertions.iter().filter(|assertion| assertion.label.starts_with(HARD_BINDING));
        match (bindings.next(), bindings.next()) {
            (Some(binding), None) if binding.label == DATA_HASH => Ok(binding),
            (None, _) => Err(Problem::Malformed("it has no hash of the picture")),
            _ => Err(Problem::Unsupported("it has an unknown hash of the picture")),
        }
    }
}
