//! Keys, certificates and chains of them.

use std::convert::Infallible;
use std::sync::LazyLock;

use p256::ecdsa::signature::{RandomizedSigner as _, SignatureEncoding as _, Signer as _};
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::traits::PublicKeyParts as _;
use rsa::{PrivateKey, pkcs1v15, pss};
use sha2::{Digest as _, Sha256};

use super::der::{bits, element, integer, null, octets, oid, sequence, set, time};

const DAY: u64 = 24 * 60 * 60;
pub const CLAIM_SIGNING: &str = "1.3.6.1.4.1.62558.2.1";
pub const EMAIL_PROTECTION: &str = "1.3.6.1.5.5.7.3.4";
pub const TIME_STAMPING: &str = "1.3.6.1.5.5.7.3.8";
pub const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";
const KEY_USAGE_OF_SIGNERS: u8 = 0x80;
pub const KEY_USAGE_OF_AUTHORITIES: u8 = 0x06;

/// A private key. All keys are the same in every run.
#[derive(Clone)]
pub enum Key {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    Rsa(PrivateKey),
}

impl Key {
    pub fn p256(seed: u8) -> Self {
        Self::P256(p256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap())
    }

    pub fn p384(seed: u8) -> Self {
        Self::P384(p384::ecdsa::SigningKey::from_slice(&[seed; 48]).unwrap())
    }

    pub fn rsa(seed: u8) -> Self {
        static KEYS: LazyLock<[PrivateKey; 2]> =
            LazyLock::new(|| [1, 2].map(|seed| PrivateKey::new(&mut Numbers(seed), 2048).unwrap()));
        Self::Rsa(KEYS[usize::from(seed - 1)].clone())
    }

    /// `SubjectPublicKeyInfo`.
    pub fn public(&self) -> Vec<u8> {
        let elliptic =
            |curve: &str, point: &[u8]| sequence(&[&sequence(&[&oid("1.2.840.10045.2.1"), &oid(curve)]), &bits(point)]);
        match self {
            Self::P256(key) => elliptic("1.2.840.10045.3.1.7", key.verifying_key().to_sec1_point(false).as_bytes()),
            Self::P384(key) => elliptic("1.3.132.0.34", key.verifying_key().to_sec1_point(false).as_bytes()),
            Self::Rsa(key) => {
                let numbers = sequence(&[&integer(&key.n_bytes()), &integer(&key.e_bytes())]);
                sequence(&[&sequence(&[&oid("1.2.840.113549.1.1.1"), &null()]), &bits(&numbers)])
            }
        }
    }

    /// `AlgorithmIdentifier` of [`Self::sign`].
    pub fn algorithm(&self) -> Vec<u8> {
        match self {
            Self::P256(_) => sequence(&[&oid("1.2.840.10045.4.3.2")]),
            Self::P384(_) => sequence(&[&oid("1.2.840.10045.4.3.3")]),
            Self::Rsa(_) => sequence(&[&oid("1.2.840.113549.1.1.11"), &null()]),
        }
    }

    /// Signs as in certificates and time stamps.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            Self::P384(key) => {
                let signature: p384::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            Self::Rsa(key) => pkcs1v15::SigningKey::<Sha256>::new(key.clone()).sign(message).to_vec(),
        }
    }

    /// The COSE number of the algorithm of [`Self::sign_claim`].
    pub fn cose_algorithm(&self) -> i8 {
        match self {
            Self::P256(_) => -7,
            Self::P384(_) => -35,
            Self::Rsa(_) => -37,
        }
    }

    /// Signs as in COSE.
    pub fn sign_claim(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_bytes().to_vec()
            }
            Self::P384(key) => {
                let signature: p384::ecdsa::Signature = key.sign(message);
                signature.to_bytes().to_vec()
            }
            Self::Rsa(key) => {
                pss::SigningKey::<Sha256>::new(key.clone()).sign_with_rng(&mut Numbers(9), message).to_vec()
            }
        }
    }
}

/// Reproducible numbers, for keys that protect nothing.
struct Numbers(u64);

impl TryRng for Numbers {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for piece in bytes.chunks_mut(32) {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            piece.copy_from_slice(&Sha256::digest(self.0.to_be_bytes())[..piece.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Numbers {}

/// What a certificate states.
#[derive(Clone)]
pub struct Certificate {
    pub common_name: &'static str,
    pub organization: &'static str,
    pub second_organization: Option<&'static str>,
    pub serial: u8,
    /// Seconds since 1970.
    pub not_before: u64,
    pub not_after: u64,
    /// Bits of the first byte of the extension.
    pub key_usage: u8,
    pub purposes: Vec<&'static str>,
    pub is_authority: bool,
    pub path_length: Option<u8>,
}

impl Certificate {
    pub fn signer(purpose: &'static str, now: u64) -> Self {
        Self {
            common_name: "OpenAI Media Service",
            organization: "OpenAI OpCo, LLC",
            second_organization: None,
            serial: 3,
            not_before: now - 30 * DAY,
            not_after: now + 30 * DAY,
            key_usage: KEY_USAGE_OF_SIGNERS,
            purposes: vec![purpose],
            is_authority: false,
            path_length: None,
        }
    }

    pub fn authority(common_name: &'static str, serial: u8, path_length: u8, now: u64) -> Self {
        Self {
            common_name,
            organization: "Test",
            second_organization: None,
            serial,
            not_before: now - 90 * DAY,
            not_after: now + 90 * DAY,
            key_usage: KEY_USAGE_OF_AUTHORITIES,
            purposes: vec![],
            is_authority: true,
            path_length: Some(path_length),
        }
    }

    pub fn name(&self) -> Vec<u8> {
        let part = |kind: &str, text: &str| set(&[&sequence(&[&oid(kind), &element(0x0c, text.as_bytes())])]);
        let organizations = [Some(self.organization), self.second_organization];
        let organizations: Vec<_> = organizations.iter().flatten().map(|name| part("2.5.4.10", name)).collect();
        sequence(&[&organizations.concat(), &part("2.5.4.3", self.common_name)])
    }

    pub fn serial(&self) -> Vec<u8> {
        integer(&[self.serial])
    }

    /// Signs the certificate of `key`.
    fn issue(&self, key: &Key, issuer: &Self, issuer_key: &Key) -> Vec<u8> {
        let critical = element(1, &[0xff]);
        let extension = |kind: &str, is_critical: bool, value: &[u8]| {
            let flag = if is_critical { critical.as_slice() } else { &[] };
            sequence(&[&oid(kind), flag, &octets(value)])
        };
        let constraints = match (self.is_authority, self.path_length) {
            (false, _) => sequence(&[]),
            (true, None) => sequence(&[&critical]),
            (true, Some(length)) => sequence(&[&critical, &element(2, &[length])]),
        };
        let unused = u8::try_from(self.key_usage.trailing_zeros()).unwrap();
        let mut extensions = vec![
            extension("2.5.29.19", true, &constraints),
            extension("2.5.29.15", true, &element(3, &[unused, self.key_usage])),
            extension("2.5.29.14", false, &octets(&key_id(key))),
            extension("2.5.29.35", false, &sequence(&[&element(0x80, &key_id(issuer_key))])),
        ];
        if !self.purposes.is_empty() {
            let purposes: Vec<u8> = self.purposes.iter().flat_map(|purpose| oid(purpose)).collect();
            extensions.push(extension("2.5.29.37", true, &sequence(&[&purposes])));
        }
        let body = sequence(&[
            &element(0xa0, &integer(&[2])),
            &self.serial(),
            &issuer_key.algorithm(),
            &issuer.name(),
            &sequence(&[&time(self.not_before), &time(self.not_after)]),
            &self.name(),
            &key.public(),
            &element(0xa3, &sequence(&[&extensions.concat()])),
        ]);
        sequence(&[&body, &issuer_key.algorithm(), &bits(&issuer_key.sign(&body))])
    }
}

fn key_id(key: &Key) -> Vec<u8> {
    Sha256::digest(key.public())[..20].to_vec()
}

/// A signer with its certificates, an issuing authority and a root.
#[derive(Clone)]
pub struct Identity {
    pub key: Key,
    pub issuer: Certificate,
    pub signer: Certificate,
    /// Signer, issuing authority, root.
    pub chain: Vec<Vec<u8>>,
    /// `SubjectPublicKeyInfo` of the root.
    pub root: Vec<u8>,
}

impl Identity {
    /// `keys` are those of the signer, the issuing authority and the root.
    pub fn new(keys: [Key; 3], signer: Certificate, issuer: Certificate, root: &Certificate) -> Self {
        let [key, issuer_key, root_key] = keys;
        let chain = vec![
            signer.issue(&key, &issuer, &issuer_key),
            issuer.issue(&issuer_key, root, &root_key),
            root.issue(&root_key, root, &root_key),
        ];
        Self { key, issuer, signer, chain, root: root_key.public() }
    }

    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(&self.root).into()
    }
}
