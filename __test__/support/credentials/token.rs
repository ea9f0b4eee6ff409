//! Makes time stamp tokens (RFC 3161).

use sha2::{Digest as _, Sha256};

use super::der::{element, integer, moment, null, octets, oid, sequence, set};
use super::identity::Identity;

/// Returns the token with which `authority` confirms `message` at a time in seconds since 1970.
pub fn token(authority: &Identity, message: &[u8], at: u64) -> Vec<u8> {
    let sha_256 = sequence(&[&oid("2.16.840.1.101.3.4.2.1"), &null()]);
    let info = sequence(&[
        &integer(&[1]),
        &oid("1.3.6.1.4.1.57264.1.1"),
        &sequence(&[&sha_256, &octets(&Sha256::digest(message))]),
        &integer(&[7]),
        &element(0x18, format!("{}.25Z", moment(at)).as_bytes()),
        &sequence(&[&element(0x80, &[1])]),
    ]);
    let kind = oid("1.2.840.113549.1.9.16.1.4");
    let attribute = |name: &str, value: &[u8]| sequence(&[&oid(name), &set(&[value])]);
    let hash = |bytes: &[u8]| octets(&Sha256::digest(bytes));
    let attributes = [
        attribute("1.2.840.113549.1.9.3", &kind),
        attribute("1.2.840.113549.1.9.4", &hash(&info)),
        // The hash of the signer's certificate (RFC 5816).
        attribute("1.2.840.113549.1.9.16.2.47", &sequence(&[&sequence(&[&sequence(&[&hash(&authority.chain[0])])])])),
    ]
    .concat();
    let signer = sequence(&[
        &integer(&[1]),
        &sequence(&[&authority.issuer.name(), &authority.signer.serial()]),
        &sha_256,
        &element(0xa0, &attributes),
        &authority.key.algorithm(),
        &octets(&authority.key.sign(&element(0x31, &attributes))),
    ]);
    let data = sequence(&[
        &integer(&[3]),
        &set(&[&sha_256]),
        &sequence(&[&kind, &element(0xa0, &octets(&info))]),
        &element(0xa0, &authority.chain.concat()),
        &set(&[&signer]),
    ]);
    sequence(&[&oid("1.2.840.113549.1.7.2"), &element(0xa0, &data)])
}
