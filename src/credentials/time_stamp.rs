//! Verifies time stamp tokens (RFC 3161): signed statements that some bytes existed at a time.
//!
//! A token is a CMS message (RFC 5652) with one signer and SHA-256 for all hashes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef, UintRef};
use der::{Decode as _, Encode as _, Error, ErrorKind, Header, Reader, SliceReader, Tag, TagNumber, Tagged as _};
use rustls_pki_types::UnixTime;
use sha2::{Digest as _, Sha256};

use super::certificates::{Chain, Purpose};
use super::roots::Root;

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");

/// Returns the time at which `message` existed, as an authority below one of `roots` states in
/// `token`, or the reason why the token does not count.
pub fn verify(token: &[u8], message: &[u8], roots: &[Root]) -> Result<SystemTime, &'static str> {
    let token = Token::read(token).map_err(|_| "its time stamp is malformed")?;
    let info = TstInfo::read(token.content).map_err(|_| "its time stamp is malformed")?;
    if Sha256::digest(message)[..] != *info.imprint {
        return Err("its time stamp is that of another signature");
    }
    if Sha256::digest(token.content)[..] != *token.digest {
        return Err("its time stamp was changed");
    }
    let chain = token.chain().ok_or("its time stamp lacks the certificate of its signer")?;
    let signed = token.signed_attributes().map_err(|_| "its time stamp is malformed")?;
    if !chain.has_signed_with(token.algorithm, &signed, token.signature) {
        return Err("its time stamp was changed");
    }
    chain
        .verify(Purpose::TimeStamps, roots, UnixTime::since_unix_epoch(info.time))
        .map_err(|_| "the certificate of its time stamp does not count")?;
    Ok(UNIX_EPOCH + info.time)
}

/// The parts of a `SignedData` (RFC 5652, 5.1) and of its only `SignerInfo`.
struct Token<'a> {
    /// The encoded `TSTInfo`.
    content: &'a [u8],
    /// Content of the set of certificates.
    certificates: &'a [u8],
    issuer: &'a [u8],
    serial: &'a [u8],
    /// Content of the set of signed attributes.
    attributes: &'a [u8],
    /// The attribute with the hash of the content.
    digest: &'a [u8],
    /// Content of the `AlgorithmIdentifier` of the signature.
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Token<'a> {
    fn read(token: &'a [u8]) -> der::Result<Self> {
        let message = only(AnyRef::from_der(token)?, Tag::Sequence)?;
        let mut message = SliceReader::new(message)?;
        expect_oid(&mut message, SIGNED_DATA)?;
        let data = only(AnyRef::from_der(context(&mut message, 0)?)?, Tag::Sequence)?;
        message.finish()?;

        let mut data = SliceReader::new(data)?;
        let _version = UintRef::decode(&mut data)?;
        let _digest_algorithms = field(&mut data, Tag::Set)?;
        let mut encapsulated = SliceReader::new(field(&mut data, Tag::Sequence)?)?;
        expect_oid(&mut encapsulated, TST_INFO)?;
        let content = only(AnyRef::from_der(context(&mut encapsulated, 0)?)?, Tag::OctetString)?;
        encapsulated.finish()?;
        let certificates = context(&mut data, 0)?;
        if next_is_context(&data, 1) {
            let _revocation_lists = context(&mut data, 1)?;
        }
        let signers = field(&mut data, Tag::Set)?;
        data.finish()?;

        let mut signer = SliceReader::new(only(AnyRef::from_der(signers)?, Tag::Sequence)?)?;
        let _version = UintRef::decode(&mut signer)?;
        let mut id = SliceReader::new(field(&mut signer, Tag::Sequence)?)?;
        let (issuer, serial) = (field(&mut id, Tag::Sequence)?, field(&mut id, Tag::Integer)?);
        id.finish()?;
        expect_sha_256_oid(field(&mut signer, Tag::Sequence)?)?;
        let attributes = context(&mut signer, 0)?;
        let algorithm = field(&mut signer, Tag::Sequence)?;
        let signature = field(&mut signer, Tag::OctetString)?;
        if next_is_context(&signer, 1) {
            let _unsigned_attributes = context(&mut signer, 1)?;
        }
        signer.finish()?;
        let kind = attribute(attributes, CONTENT_TYPE)?.decode_as::<ObjectIdentifier>()?;
        if kind != TST_INFO {
            return Err(malformed());
        }
        let digest = attribute(attributes, MESSAGE_DIGEST)?.decode_as::<&OctetStringRef>()?.as_bytes();
        Ok(Self { content, certificates, issuer, serial, attributes, digest, algorithm, signature })
    }

    /// Returns the bytes that the signer has signed: the attributes with the tag of a set.
    fn signed_attributes(&self) -> der::Result<Vec<u8>> {
        AnyRef::new(Tag::Set, self.attributes)?.to_der()
    }

    /// Returns the certificates, that of the signer first.
    fn chain(&self) -> Option<Chain<'a>> {
        let mut reader = SliceReader::new(self.certificates).ok()?;
        let (mut signer, mut others) = (Vec::new(), Vec::new());
        while !reader.is_finished() {
            let certificate = reader.tlv_bytes().ok()?;
            let is_signer = identity(certificate).ok()? == (self.issuer, self.serial);
            if is_signer { signer.push(certificate) } else { others.push(certificate) }
        }
        if signer.len() != 1 {
            return None;
        }
        signer.extend(others);
        Chain::new(&signer)
    }
}

/// Returns the issuer and the serial number of a certificate.
fn identity(certificate: &[u8]) -> der::Result<(&[u8], &[u8])> {
    let certificate = only(AnyRef::from_der(certificate)?, Tag::Sequence)?;
    let body = field(&mut SliceReader::new(certificate)?, Tag::Sequence)?;
    let mut body = SliceReader::new(body)?;
    let _version = context(&mut body, 0)?;
    let serial = field(&mut body, Tag::Integer)?;
    let _algorithm = field(&mut body, Tag::Sequence)?;
    Ok((field(&mut body, Tag::Sequence)?, serial))
}

/// The parts of a `TSTInfo` (RFC 3161, 2.4.2).
struct TstInfo<'a> {
    /// SHA-256 of the message.
    imprint: &'a [u8],
    /// Since 1970.
    time: Duration,
}

impl<'a> TstInfo<'a> {
    fn read(info: &'a [u8]) -> der::Result<Self> {
        let mut info = SliceReader::new(only(AnyRef::from_der(info)?, Tag::Sequence)?)?;
        let _version = UintRef::decode(&mut info)?;
        let _policy: ObjectIdentifier = ObjectIdentifier::decode(&mut info)?;
        let mut imprint = SliceReader::new(field(&mut info, Tag::Sequence)?)?;
        expect_sha_256_oid(field(&mut imprint, Tag::Sequence)?)?;
        let hash = field(&mut imprint, Tag::OctetString)?;
        imprint.finish()?;
        let _serial = field(&mut info, Tag::Integer)?;
        let time = time(field(&mut info, Tag::GeneralizedTime)?).ok_or_else(malformed)?;
        // Accuracy, ordering, nonce, authority and extensions follow.
        Ok(Self { imprint: hash, time })
    }
}

/// Parses `YYYYMMDDhhmmss[.f…]Z`. The `der` crate knows no fractions.
fn time(text: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    if whole.len() != 14 || fraction.len() > 9 || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let number = |from: usize, to: usize| whole.get(from..to)?.parse::<u8>().ok();
    let year = whole.get(..4)?.parse().ok()?;
    let (month, day) = (number(4, 6)?, number(6, 8)?);
    let moment = der::DateTime::new(year, month, day, number(8, 10)?, number(10, 12)?, number(12, 14)?).ok()?;
    let nanoseconds = format!("{fraction:0<9}").parse().ok()?;
    Some(moment.unix_duration() + Duration::from_nanos(nanoseconds))
}

/// Returns the only value of the attribute `kind`, which must occur once.
fn attribute(attributes: &[u8], kind: ObjectIdentifier) -> der::Result<AnyRef<'_>> {
    let mut reader = SliceReader::new(attributes)?;
    let mut found = None;
    while !reader.is_finished() {
        let mut attribute = SliceReader::new(field(&mut reader, Tag::Sequence)?)?;
        let oid = ObjectIdentifier::decode(&mut attribute)?;
        let values = field(&mut attribute, Tag::Set)?;
        attribute.finish()?;
        if oid == kind {
            if found.is_some() {
                return Err(malformed());
            }
            found = Some(AnyRef::from_der(values)?);
        }
    }
    found.ok_or_else(malformed)
}

/// Fails unless the content of an `AlgorithmIdentifier` names SHA-256.
fn expect_sha_256_oid(identifier: &[u8]) -> der::Result<()> {
    expect_oid(&mut SliceReader::new(identifier)?, SHA_256)
}

fn expect_oid<'a>(reader: &mut impl Reader<'a>, expected: ObjectIdentifier) -> der::Result<()> {
    if ObjectIdentifier::decode(reader)? == expected { Ok(()) } else { Err(malformed()) }
}

/// Returns the content of an element with the tag `expected`.
fn only(element: AnyRef<'_>, expected: Tag) -> der::Result<&[u8]> {
    if element.tag() == expected { Ok(element.value()) } else { Err(malformed()) }
}

/// Reads an element with the tag `expected`, and returns its content.
fn field<'a>(reader: &mut impl Reader<'a>, expected: Tag) -> der::Result<&'a [u8]> {
    only(AnyRef::decode(reader)?, expected)
}

/// Reads an element with the context-specific, constructed tag `number`, and returns its content.
fn context<'a>(reader: &mut impl Reader<'a>, number: u32) -> der::Result<&'a [u8]> {
    field(reader, context_tag(number))
}

fn next_is_context<'a>(reader: &impl Reader<'a>, number: u32) -> bool {
    Header::peek(reader).is_ok_and(|header| header.tag() == context_tag(number))
}

const fn context_tag(number: u32) -> Tag {
    Tag::ContextSpecific { constructed: true, number: TagNumber(number) }
}

fn malformed() -> Error {
    ErrorKind::Failed.into()
}
