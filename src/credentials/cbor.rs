//! Reads CBOR (RFC 8949) in place: items of definite length, maps without repeated labels.
//!
//! An item is the slice of its encoding. Reading one level never descends into the next, so deep
//! nesting costs no stack.

use minicbor::Decoder;
use minicbor::data::Type;

/// Largest number of items of an array, and of pairs of a map. OpenAI's manifests have up to six.
const MAX_ITEMS: u64 = 256;

/// An item breaks the rules of CBOR, or is of another type than expected.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

impl From<minicbor::decode::Error> for Malformed {
    fn from(_: minicbor::decode::Error) -> Self {
        Self
    }
}

pub type Result<T> = std::result::Result<T, Malformed>;

/// The key of a pair in a map. COSE uses numbers as well as texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label<'a> {
    Text(&'a str),
    Number(i64),
}

/// A map, its values as encoded items.
#[derive(Debug)]
pub struct Map<'a>(Vec<(Label<'a>, &'a [u8])>);

impl<'a> Map<'a> {
    pub fn read(item: &'a [u8]) -> Result<Self> {
        let mut decoder = Decoder::new(item);
        let count = bounded(decoder.map()?)?;
        let mut pairs = Vec::<(Label<'a>, &'a [u8])>::new();
        for _ in 0..count {
            let label = match decoder.datatype()? {
                Type::String => Label::Text(decoder.str()?),
                _ => Label::Number(decoder.i64()?),
            };
            if pairs.iter().any(|(known, _)| *known == label) {
                return Err(Malformed);
            }
            pairs.push((label, next(&mut decoder)?));
        }
        end(&decoder)?;
        Ok(Self(pairs))
    }

    pub fn get(&self, label: Label<'_>) -> Option<&'a [u8]> {
        self.0.iter().find(|(known, _)| *known == label).map(|(_, value)| *value)
    }

    pub fn text(&self, label: &str) -> Option<&'a [u8]> {
        self.get(Label::Text(label))
    }

    pub fn iter(&self) -> impl Iterator<Item = (Label<'a>, &'a [u8])> {
        self.0.iter().copied()
    }
}

/// Returns the elements of an array as encoded items.
pub fn array(item: &[u8]) -> Result<Vec<&[u8]>> {
    let mut decoder = Decoder::new(item);
    let count = bounded(decoder.array()?)?;
    let elements = (0..count).map(|_| next(&mut decoder)).collect::<Result<_>>()?;
    end(&decoder)?;
    Ok(elements)
}

/// Returns the content of the item with the tag `expected`.
pub fn tagged(item: &[u8], expected: u64) -> Result<&[u8]> {
    let mut decoder = Decoder::new(item);
    if decoder.tag()?.as_u64() != expected {
        return Err(Malformed);
    }
    item.get(decoder.position()..).ok_or(Malformed)
}

pub fn text(item: &[u8]) -> Result<&str> {
    whole(item, Decoder::str)
}

pub fn bytes(item: &[u8]) -> Result<&[u8]> {
    whole(item, Decoder::bytes)
}

pub fn natural(item: &[u8]) -> Result<u64> {
    whole(item, Decoder::u64)
}

pub fn integer(item: &[u8]) -> Result<i64> {
    whole(item, Decoder::i64)
}

pub fn null(item: &[u8]) -> Result<()> {
    whole(item, Decoder::null)
}

fn whole<'a, T>(
    item: &'a [u8],
    read: impl FnOnce(&mut Decoder<'a>) -> std::result::Result<T, minicbor::decode::Error>,
) -> Result<T> {
    let mut decoder = Decoder::new(item);
    let value = read(&mut decoder)?;
    end(&decoder)?;
    Ok(value)
}

fn bounded(count: Option<u64>) -> Result<u64> {
    count.filter(|count| *count <= MAX_ITEMS).ok_or(Malformed)
}

/// Returns the next item, and moves beyond it.
fn next<'a>(decoder: &mut Decoder<'a>) -> Result<&'a [u8]> {
    let start = decoder.position();
    decoder.skip()?;
    decoder.input().get(start..decoder.position()).ok_or(Malformed)
}

fn end(decoder: &Decoder<'_>) -> Result<()> {
    if decoder.position() == decoder.input().len() { Ok(()) } else { Err(Malformed) }
}
