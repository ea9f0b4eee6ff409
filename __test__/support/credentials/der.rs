//! Writes DER.

use x509_cert::der::Encode as _;
use x509_cert::der::asn1::ObjectIdentifier;

pub fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut bytes = vec![tag];
    match length {
        0..0x80 => bytes.push(u8::try_from(length).unwrap()),
        0x80..0x100 => bytes.extend([0x81, u8::try_from(length).unwrap()]),
        _ => {
            bytes.push(0x82);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    bytes.extend(content);
    bytes
}

pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(0x30, &parts.concat())
}

pub fn set(parts: &[&[u8]]) -> Vec<u8> {
    element(0x31, &parts.concat())
}

pub fn oid(text: &str) -> Vec<u8> {
    let oid: ObjectIdentifier = ObjectIdentifier::new_unwrap(text);
    oid.to_der().unwrap()
}

/// A positive integer.
pub fn integer(digits: &[u8]) -> Vec<u8> {
    let padded = if digits[0] >= 0x80 { [&[0], digits].concat() } else { digits.to_vec() };
    element(2, &padded)
}

pub fn octets(content: &[u8]) -> Vec<u8> {
    element(4, content)
}

pub fn bits(content: &[u8]) -> Vec<u8> {
    element(3, &[&[0], content].concat())
}

pub fn null() -> Vec<u8> {
    element(5, &[])
}

/// `YYYYMMDDhhmmss` of a time in seconds since 1970.
pub fn moment(seconds: u64) -> String {
    let at = x509_cert::der::DateTime::from_unix_duration(std::time::Duration::from_secs(seconds)).unwrap();
    format!("{:04}{:02}{:02}{:02}{:02}{:02}", at.year(), at.month(), at.day(), at.hour(), at.minutes(), at.seconds())
}

/// A `UTCTime` or `GeneralizedTime`, without fractions.
pub fn time(seconds: u64) -> Vec<u8> {
    element(0x17, format!("{}Z", &moment(seconds)[2..]).as_bytes())
}
