//! The signature of a claim: a `COSE_Sign1` (RFC 9052) with the certificates and a time stamp.

use minicbor::Encoder;

use super::algorithms::Algorithm;
use super::cbor::{self, Label, Map};
use super::certificates::Chain;
use super::problem::{Problem, Result};

const MALFORMED: Problem = Problem::Malformed("its signature cannot be read");

/// Tag of a `COSE_Sign1`.
const SIGN1: u64 = 18;
/// Header parameters (RFC 9052, 3.1; RFC 9360).
const ALGORITHM: Label<'_> = Label::Number(1);
const CRITICAL: Label<'_> = Label::Number(2);
const CERTIFICATES: Label<'_> = Label::Number(33);

/// An RFC 3161 token, or why there is none that counts.
pub type Token<'a> = std::result::Result<&'a [u8], &'static str>;

#[derive(Debug)]
pub struct Signature<'a> {
    protected: &'a [u8],
    algorithm: Algorithm,
    pub chain: Chain<'a>,
    value: &'a [u8],
    pub time_stamp: Token<'a>,
}

impl<'a> Signature<'a> {
    pub fn read(item: &'a [u8]) -> Result<Self> {
        let parts = cbor::tagged(item, SIGN1).and_then(cbor::array).map_err(|_| MALFORMED)?;
        let [protected, unprotected, payload, value] = parts.as_slice() else { return Err(MALFORMED) };
        cbor::null(payload).map_err(|_| Problem::Unsupported("its signature contains the claim"))?;
        let protected = cbor::bytes(protected).map_err(|_| MALFORMED)?;
        let header = Map::read(protected).map_err(|_| MALFORMED)?;
        if header.get(CRITICAL).is_some() {
            return Err(Problem::Unsupported("its signature has an unknown extension"));
        }
        let algorithm = match header.get(ALGORITHM).map(cbor::integer) {
            Some(Ok(-7)) => Algorithm::Es256,
            Some(Ok(-37)) => Algorithm::Ps256,
            _ => return Err(Problem::Unsupported("its signature has an unknown algorithm")),
        };
        let certificates = header.get(CERTIFICATES).ok_or(MALFORMED)?;
        let certificates = cbor::array(certificates).unwrap_or_else(|_| vec![certificates]);
        let certificates = certificates.into_iter().map(cbor::bytes).collect::<cbor::Result<Vec<_>>>();
        let chain = certificates.ok().and_then(|all| Chain::new(&all)).ok_or(MALFORMED)?;
        let time_stamp = read_unprotected(unprotected)?;
        Ok(Self { protected, algorithm, chain, value: cbor::bytes(value).map_err(|_| MALFORMED)?, time_stamp })
    }

    /// Returns whether the signer has signed `claim`.
    pub fn holds_for(&self, claim: &[u8]) -> bool {
        let signed = structure("Signature1", self.protected, claim);
        signed.is_some_and(|signed| self.chain.has_signed(self.algorithm, &signed, self.value))
    }

    /// Returns what the time stamp confirms: the signature as an item (C2PA 2.2, 10.3.2.5.2).
    pub fn time_stamped(&self) -> Option<Vec<u8>> {
        let mut item = Vec::new();
        Encoder::new(&mut item).bytes(self.value).ok()?;
        structure("CounterSignature", self.protected, &item)
    }
}

/// Returns the time stamp token. Nothing signs this header, so it may have nothing else but stapled
/// revocation data, which is ignored, and zeros (C2PA 2.2, 15.12.1.1).
fn read_unprotected(header: &[u8]) -> Result<Token<'_>> {
    let mut token = Err("it has no time stamp");
    for (label, value) in Map::read(header).map_err(|_| MALFORMED)?.iter() {
        match label {
            Label::Text("sigTst2") => token = tokens(value).map_err(|_| MALFORMED)?,
            Label::Text("rVals") => {}
            Label::Text("pad" | "pad2") if cbor::bytes(value).is_ok_and(|pad| pad.iter().all(|byte| *byte == 0)) => {}
            _ => return Err(Problem::Unsupported("its signature has room for other data")),
        }
    }
    Ok(token)
}

/// Reads a `tstContainer` (C2PA 2.2, 10.3.2.5.4). A claim has one time stamp.
fn tokens(container: &[u8]) -> cbor::Result<Token<'_>> {
    let tokens = cbor::array(Map::read(container)?.text("tstTokens").ok_or(cbor::Malformed)?)?;
    let [token] = tokens.as_slice() else { return Ok(Err("it does not have exactly one time stamp")) };
    cbor::bytes(Map::read(token)?.text("val").ok_or(cbor::Malformed)?).map(Ok)
}

/// Encodes a `Sig_structure` (RFC 9052, 4.4).
fn structure(context: &str, protected: &[u8], payload: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(protected.len() + payload.len() + 64);
    let mut encoder = Encoder::new(&mut bytes);
    encoder.array(4).ok()?.str(context).ok()?.bytes(protected).ok()?.bytes(&[]).ok()?.bytes(payload).ok()?;
    Some(bytes)
}
