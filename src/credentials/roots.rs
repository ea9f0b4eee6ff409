//! The authorities that count, each pinned by its public key.
//!
//! The signing roots are on the C2PA trust list, which holds for certificates with the purpose of
//! claim signing. The root of the time stamps is not: it is OpenAI's own.

use sha2::{Digest as _, Sha256};

/// An authority, pinned by its public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Root {
    /// The common name in its certificate.
    pub name: &'static str,
    /// Where the fingerprint comes from.
    pub source: &'static str,
    /// SHA-256 of its `SubjectPublicKeyInfo` in DER.
    pub fingerprint: [u8; 32],
}

impl Root {
    /// Returns whether `key`, a `SubjectPublicKeyInfo` in DER, is that of this authority.
    pub(super) fn has(&self, key: &[u8]) -> bool {
        Sha256::digest(key)[..] == self.fingerprint
    }
}

/// The signers and the time stamp authorities that count.
#[derive(Debug, Clone, Copy)]
pub struct Trust<'a> {
    /// The organization that the signer's certificate has to name.
    pub organization: &'a str,
    /// Roots of signing certificates.
    pub signers: &'a [Root],
    /// Roots of time stamp authorities.
    pub time_stamps: &'a [Root],
}

/// OpenAI's media service.
pub const OPENAI: Trust<'static> = Trust {
    organization: "OpenAI OpCo, LLC",
    signers: &[
        Root {
            name: "Trufo C2PA Root CA (2025, ECC P384)",
            source: "C2PA trust list of 2026-08-21, c2pa-org/conformance-public",
            fingerprint: fingerprint("917131a1cc1838da8e373d62c609cf25b39e1921f2ec61c58c70576b4a0aa883"),
        },
        Root {
            name: "SSL.com C2PA RSA Root CA 2025",
            source: "C2PA trust list of 2026-08-21, c2pa-org/conformance-public",
            fingerprint: fingerprint("ca2c574f4a045d33b7d43aa528be4b9c0c00aa19a263abe1a11d0b875afab0c3"),
        },
    ],
    time_stamps: &[Root {
        name: "OpenAI TSA Root CA",
        source: "time stamps of pictures that OpenAI's media service signed in April 2026",
        fingerprint: fingerprint("e57c9bfaeb76ac0a9b336ac768a1cf09c4c764c11315513e94954d77313c04de"),
    }],
};

/// Parses 64 hexadecimal digits. Fails at compile time for any other text.
const fn fingerprint(hex: &str) -> [u8; 32] {
    let digits = hex.as_bytes();
    assert!(digits.len() == 64, "a fingerprint has 64 digits");
    let mut bytes = [0; 32];
    let mut at = 0;
    while at < 64 {
        let value = match digits[at] {
            digit @ b'0'..=b'9' => digit - b'0',
            digit @ b'a'..=b'f' => digit - b'a' + 10,
            _ => panic!("a digit is not hexadecimal"),
        };
        bytes[at / 2] = bytes[at / 2] << 4 | value;
        at += 1;
    }
    bytes
}
