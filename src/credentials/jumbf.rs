//! Reads JUMBF superboxes (ISO 19566-5), the containers of a C2PA manifest, in place.
//!
//! Accepts only boxes with a length of 32 bits, which is the only form that was seen.

use super::problem::{Problem, Result};

const MALFORMED: Problem = Problem::Malformed("its boxes do not fit into each other");

/// Type of a superbox: a UUID.
pub type Kind = [u8; 16];

/// Returns the type whose first four bytes are `name` (ISO 19566-5, B.1).
pub const fn kind(name: [u8; 4]) -> Kind {
    let [a, b, c, d] = name;
    [a, b, c, d, 0x00, 0x11, 0x00, 0x10, 0x80, 0x00, 0x00, 0xaa, 0x00, 0x38, 0x9b, 0x71]
}

/// A box with a description and further boxes.
#[derive(Debug)]
pub struct Superbox<'a> {
    pub kind: Kind,
    pub label: &'a str,
    /// Everything after the header, which is what a hash of the box covers.
    pub content: &'a [u8],
    /// Whether the description consists of the type and the label alone.
    is_plain: bool,
    /// The boxes after the description.
    boxes: &'a [u8],
}

impl<'a> Superbox<'a> {
    /// Reads the only superbox of `bytes`.
    pub fn read_only(bytes: &'a [u8]) -> Result<Self> {
        let (inner, rest) = split_box(bytes)?;
        if rest.is_empty() { Self::read(&inner) } else { Err(MALFORMED) }
    }

    fn read(outer: &Inner<'a>) -> Result<Self> {
        if outer.kind != b"jumb" {
            return Err(MALFORMED);
        }
        let (description, boxes) = split_box(outer.content)?;
        if description.kind != b"jumd" {
            return Err(MALFORMED);
        }
        let (kind, rest) = description.content.split_first_chunk().ok_or(MALFORMED)?;
        let (&toggles, rest) = rest.split_first().ok_or(MALFORMED)?;
        // Bit 1: there is a label, which ends with a NUL.
        let end = memchr::memchr(0, rest).filter(|_| toggles & 2 != 0).ok_or(MALFORMED)?;
        let (label, rest) = rest.split_at_checked(end).ok_or(MALFORMED)?;
        let label = std::str::from_utf8(label).map_err(|_| MALFORMED)?;
        // Bit 0: others may refer to the box. Further bits: an id, a hash, a salt.
        let is_plain = toggles == 3 && rest == [0];
        Ok(Self { kind: *kind, label, content: outer.content, is_plain, boxes })
    }

    /// Fails unless the box has this type and this label, and its description nothing else: no hash
    /// covers the description, so it must not have room for other data.
    pub fn expect(self, kind: Kind, label: &str) -> Result<Self> {
        if self.kind == kind && self.label == label && self.is_plain { Ok(self) } else { Err(MALFORMED) }
    }

    /// As [`Self::expect`], with any label.
    pub fn expect_kind(self, kind: Kind) -> Result<Self> {
        if self.kind == kind && self.is_plain { Ok(self) } else { Err(MALFORMED) }
    }

    /// Returns the superboxes in this one, at most `most`.
    pub fn children(&self, most: usize) -> Result<Vec<Self>> {
        let mut rest = self.boxes;
        let mut children = Vec::new();
        while !rest.is_empty() {
            let (inner, after) = split_box(rest)?;
            if children.len() == most {
                return Err(Problem::Unsupported("it has too many parts"));
            }
            children.push(Self::read(&inner)?);
            rest = after;
        }
        Ok(children)
    }

    /// Returns the content of the only box in this one, a CBOR item.
    pub fn cbor(&self) -> Result<&'a [u8]> {
        let (inner, rest) = split_box(self.boxes)?;
        if inner.kind == b"cbor" && rest.is_empty() { Ok(inner.content) } else { Err(MALFORMED) }
    }
}

struct Inner<'a> {
    kind: &'a [u8; 4],
    content: &'a [u8],
}

/// Splits off the first box.
fn split_box(bytes: &[u8]) -> Result<(Inner<'_>, &[u8])> {
    let (length, after) = bytes.split_first_chunk::<4>().ok_or(MALFORMED)?;
    let (kind, _) = after.split_first_chunk::<4>().ok_or(MALFORMED)?;
    let (whole, rest) = bytes.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or(MALFORMED)?;
    let content = whole.get(8..).ok_or(MALFORMED)?;
    Ok((Inner { kind, content }, rest))
}
