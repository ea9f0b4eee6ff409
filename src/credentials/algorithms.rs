//! The signature algorithms of OpenAI's service and of its certificates, for webpki.

use der::asn1::UintRef;
use der::{Decode as _, Reader as _, SliceReader};
use p256::ecdsa::signature::Verifier as _;
use rsa::{BoxedUint, PublicKey, pkcs1v15, pss};
use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};
use sha2::{Sha256, Sha384};

/// Sizes of an RSA modulus, in bits. C2PA asks for at least 2048.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// In certificates and time stamps: the signature is DER.
    EcdsaP256Sha256,
    /// In certificates and time stamps: the signature is DER.
    EcdsaP384Sha384,
    /// In certificates and time stamps: PKCS #1 v1.5.
    RsaSha256,
    /// In certificates and time stamps: PKCS #1 v1.5.
    RsaSha384,
    /// In COSE: the signature is two numbers of 32 bytes.
    Es256,
    /// In COSE: RSASSA-PSS with SHA-256 and a salt of 32 bytes.
    Ps256,
}

/// The algorithms of certificates and time stamps.
pub const OF_CERTIFICATES: [&dyn SignatureVerificationAlgorithm; 4] =
    [&Algorithm::EcdsaP256Sha256, &Algorithm::EcdsaP384Sha384, &Algorithm::RsaSha256, &Algorithm::RsaSha384];

impl SignatureVerificationAlgorithm for Algorithm {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        self.verify(key, message, signature).ok_or(InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        match self {
            Self::EcdsaP256Sha256 | Self::Es256 => alg_id::ECDSA_P256,
            Self::EcdsaP384Sha384 => alg_id::ECDSA_P384,
            Self::RsaSha256 | Self::RsaSha384 | Self::Ps256 => alg_id::RSA_ENCRYPTION,
        }
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        match self {
            Self::EcdsaP256Sha256 | Self::Es256 => alg_id::ECDSA_SHA256,
            Self::EcdsaP384Sha384 => alg_id::ECDSA_SHA384,
            Self::RsaSha256 => alg_id::RSA_PKCS1_SHA256,
            Self::RsaSha384 => alg_id::RSA_PKCS1_SHA384,
            Self::Ps256 => alg_id::RSA_PSS_SHA256,
        }
    }
}

impl Algorithm {
    fn verify(self, key: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
        match self {
            Self::EcdsaP256Sha256 => {
                let signature = p256::ecdsa::Signature::from_der(signature).ok()?;
                p256::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()?.verify(message, &signature)
            }
            Self::Es256 => {
                let signature = p256::ecdsa::Signature::from_slice(signature).ok()?;
                p256::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()?.verify(message, &signature)
            }
            Self::EcdsaP384Sha384 => {
                let signature = p384::ecdsa::Signature::from_der(signature).ok()?;
                p384::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()?.verify(message, &signature)
            }
            Self::RsaSha256 => {
                let signature = pkcs1v15::Signature::try_from(signature).ok()?;
                pkcs1v15::VerifyingKey::<Sha256>::new(rsa_key(key)?).verify(message, &signature)
            }
            Self::RsaSha384 => {
                let signature = pkcs1v15::Signature::try_from(signature).ok()?;
                pkcs1v15::VerifyingKey::<Sha384>::new(rsa_key(key)?).verify(message, &signature)
            }
            Self::Ps256 => {
                let signature = pss::Signature::try_from(signature).ok()?;
                pss::VerifyingKey::<Sha256>::new(rsa_key(key)?).verify(message, &signature)
            }
        }
        .ok()
    }
}

/// Reads an `RSAPublicKey` (RFC 8017, A.1.1) of a reasonable size.
fn rsa_key(key: &[u8]) -> Option<PublicKey> {
    let (modulus, exponent) = read_rsa_key(key).ok()?;
    if modulus.len() > RSA_BITS.end() / 8 || exponent.len() > 8 {
        return None;
    }
    let number = BoxedUint::from_be_slice_vartime;
    PublicKey::new_with_size_limits(number(modulus), number(exponent), RSA_BITS).ok()
}

fn read_rsa_key(key: &[u8]) -> der::Result<(&[u8], &[u8])> {
    let mut reader = SliceReader::new(key)?;
    let numbers = reader.sequence(|inner| {
        let (modulus, exponent) = (UintRef::decode(inner)?, UintRef::decode(inner)?);
        Ok::<_, der::Error>((modulus.as_bytes(), exponent.as_bytes()))
    })?;
    reader.finish()?;
    Ok(numbers)
}
