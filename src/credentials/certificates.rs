//! Certificates (X.509): their holder, their purpose, and their path to a pinned root.
//!
//! webpki checks paths: signatures, names, validity, constraints, unknown critical extensions. It
//! ignores key usage, so this module checks that as well.

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode as _, Encode as _, Tag};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter, anchor_from_trusted_cert};
use x509_cert::Certificate;
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage};
use x509_cert::name::Name;

use super::algorithms::{Algorithm, OF_CERTIFICATES};
use super::roots::Root;
use crate::text;

/// Largest number of certificates of a chain or a time stamp, root included. OpenAI's have three.
const MAX_CERTIFICATES: usize = 5;

/// What a certificate signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Claims,
    TimeStamps,
}

/// Claim signing (C2PA 2.2, 14.4.1). The C2PA trust list holds for this purpose only.
const CLAIM_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.62558.2.1");
const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
const OCSP_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9");
const ANY_PURPOSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");

/// The certificates of one signature, in DER: that of the signer first.
#[derive(Debug)]
pub struct Chain<'a> {
    signer: CertificateDer<'a>,
    others: Vec<CertificateDer<'a>>,
}

impl<'a> Chain<'a> {
    /// Returns None if there is no certificate, or there are too many.
    pub fn new(certificates: &[&'a [u8]]) -> Option<Self> {
        let certificates = certificates.iter().map(|der| CertificateDer::from(*der));
        let mut certificates: Vec<_> = certificates.take(MAX_CERTIFICATES + 1).collect();
        if certificates.is_empty() || certificates.len() > MAX_CERTIFICATES {
            return None;
        }
        Some(Self { signer: certificates.remove(0), others: certificates })
    }

    /// Returns whether `signature` is that of the signer for `message`.
    pub fn has_signed(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        EndEntityCert::try_from(&self.signer)
            .is_ok_and(|signer| signer.verify_signature(&algorithm, message, signature).is_ok())
    }

    /// Like [`Self::has_signed`], for the content of an `AlgorithmIdentifier`.
    pub fn has_signed_with(&self, algorithm: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let Ok(signer) = EndEntityCert::try_from(&self.signer) else { return false };
        let named = |known: &&&dyn SignatureVerificationAlgorithm| *known.signature_alg_id() == *algorithm;
        OF_CERTIFICATES.iter().filter(named).any(|known| signer.verify_signature(*known, message, signature).is_ok())
    }

    /// Returns the name of the signer for people, and its organization.
    pub fn signer(&self) -> Option<Holder> {
        Holder::of(Certificate::from_der(&self.signer).ok()?.tbs_certificate().subject())
    }

    /// Fails, with the reason, unless the certificate of the signer is for `purpose` and leads to
    /// one of `roots`, all of it at the time `at`.
    pub fn verify(&self, purpose: Purpose, roots: &[Root], at: UnixTime) -> Result<(), &'static str> {
        let signer = Certificate::from_der(&self.signer).map_err(|_| "its certificate is malformed")?;
        check_signer(&signer, purpose).ok_or("its certificate is for another purpose")?;
        let anchors: Vec<TrustAnchor<'_>> = self
            .others
            .iter()
            .filter_map(|other| anchor_from_trusted_cert(other).ok())
            .filter(|anchor| public_key(anchor).is_ok_and(|key| roots.iter().any(|root| root.has(&key))))
            .collect();
        if anchors.is_empty() {
            return Err("its certificate comes from an unknown authority");
        }
        let path = EndEntityCert::try_from(&self.signer).map_err(reason)?;
        let path = path
            .verify_for_usage(&OF_CERTIFICATES, &anchors, &self.others, at, AnyUsage, None, None)
            .map_err(reason)?;
        let may_issue = path.intermediate_certificates().all(|issuer| may_issue(&issuer.der()) == Some(true));
        may_issue.then_some(()).ok_or("its certificate comes from an authority that may not issue it")
    }
}

/// The holder of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Common name and organization, for people.
    pub name: String,
    /// The organization, if there is exactly one.
    pub organization: Option<String>,
}

impl Holder {
    fn of(subject: &Name) -> Option<Self> {
        let common = subject.common_name().ok().flatten().map(|name| text::name(&name.value()));
        let is_organization = |part: &&x509_cert::attr::AttributeTypeAndValue| part.oid == ORGANIZATION;
        let organization = subject.organization().ok().flatten();
        let organization = organization.filter(|_| subject.iter().filter(is_organization).count() == 1);
        let organization = organization.map(|name| name.value().into_owned());
        let name = match (common, organization.as_deref().map(text::name)) {
            (Some(common), Some(organization)) => format!("{common} ({organization})"),
            (common, organization) => common.or(organization)?,
        };
        if name.is_empty() {
            return None;
        }
        Some(Self { name, organization })
    }
}

const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");

/// Returns the `SubjectPublicKeyInfo`, of which the anchor has the content.
fn public_key(anchor: &TrustAnchor<'_>) -> der::Result<Vec<u8>> {
    AnyRef::new(Tag::Sequence, &anchor.subject_public_key_info)?.to_der()
}

/// Returns Some if the certificate of a signer is for `purpose`, and for no other one that excludes
/// it (C2PA 2.2, 14.5.1.1).
fn check_signer(certificate: &Certificate, purpose: Purpose) -> Option<()> {
    let certificate = certificate.tbs_certificate();
    let (_, usage) = certificate.get_extension::<KeyUsage>().ok()??;
    let (is_critical, ExtendedKeyUsage(purposes)) = certificate.get_extension().ok()??;
    let is_for = |purpose| purposes.contains(&purpose);
    let is_for_purpose = match purpose {
        Purpose::Claims => {
            is_for(CLAIM_SIGNING) && !is_for(TIME_STAMPING) && !is_for(OCSP_SIGNING) && !is_for(ANY_PURPOSE)
        }
        // RFC 3161, 2.3: critical, and the only purpose.
        Purpose::TimeStamps => is_critical && purposes == [TIME_STAMPING],
    };
    (is_for_purpose && usage.digital_signature() && !usage.key_cert_sign()).then_some(())
}

/// Returns whether the key usage of an authority's certificate lets it sign certificates.
fn may_issue(certificate: &[u8]) -> Option<bool> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let (_, usage) = certificate.tbs_certificate().get_extension::<KeyUsage>().ok()??;
    Some(usage.key_cert_sign())
}

/// Accepts all purposes: C2PA ignores those of authorities, and [`check_signer`] checks those of
/// the signer.
struct AnyUsage;

impl ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        for purpose in purposes {
            purpose?;
        }
        Ok(())
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the argument of `map_err`")]
fn reason(error: Error) -> &'static str {
    match error {
        Error::CertExpired { .. } => "its certificate had expired",
        Error::CertNotValidYet { .. } => "its certificate was not valid yet",
        Error::CaUsedAsEndEntity => "its certificate is that of an authority",
        Error::UnknownIssuer => "its certificate comes from an unknown authority",
        _ => "its certificate is not valid",
    }
}
