//! Converts content credentials to JavaScript.

use std::time::{SystemTime, UNIX_EPOCH};

use napi::bindgen_prelude::{FromNapiValue as _, Null, Result, ToNapiValue as _, Uint8ArraySlice, Unknown};
use napi::{Env, JsValue as _};
use napi_derive::napi;

use super::js::{IntoJs, define, object_from};
use super::options::{Parsed, invalid, type_name};
use crate::blocking;
use crate::credentials::{self, OPENAI, Problem};
use crate::error::Failure;

/// The argument of `readContentCredentials`.
const PNG: &str = "png";

/// The C2PA manifest of a PNG file: who signed it, and whether that holds.
#[napi(object, object_from_js = false)]
pub struct ContentCredentials {
    /// Whether the signature and all hashes hold, so that every byte of the file but the manifest
    /// is as it was signed.
    pub intact: bool,
    /// Whether they do, and the signing certificate is OpenAI's.
    pub trusted: bool,
    /// The holder of the signing certificate. Proven only if `trusted` is true.
    pub signer: Option<String>,
    /// The program that made the manifest. Proven only if `trusted` is true.
    pub generator: Option<String>,
    /// When OpenAI's time stamp authority confirmed the signature, if it did.
    #[napi(ts_type = "Date")]
    pub signed_at: Option<f64>,
    /// The first problem, as a sentence; absent if everything holds.
    pub problem: Option<String>,
}

/// Copies the bytes of a PNG file.
pub fn parse(png: Unknown<'_>) -> Parsed<Vec<u8>> {
    let bytes = Uint8ArraySlice::from_unknown(png);
    let bytes = bytes.map_err(|_| invalid(PNG, &format!("it must be a Uint8Array, not {}", type_name(png))))?;
    Ok(bytes.to_vec())
}

/// Verifies the content credentials of a PNG file, on a blocking thread.
///
/// # Errors
/// If the bytes are no PNG.
pub async fn read(png: Vec<u8>) -> std::result::Result<Option<credentials::ContentCredentials>, Failure> {
    let found = blocking::run(move || credentials::read(&png, &OPENAI, SystemTime::now())).await?;
    found.map_err(|error| invalid(PNG, &error.to_string()).into())
}

impl From<credentials::ContentCredentials> for ContentCredentials {
    fn from(found: credentials::ContentCredentials) -> Self {
        let credentials::ContentCredentials { signer, generator, signed_at, intact, trusted, problem } = found;
        let milliseconds = signed_at.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Self {
            intact,
            trusted,
            signer,
            generator,
            signed_at: milliseconds.map(|since| (since.as_secs_f64() * 1e3).floor()),
            problem: problem.as_ref().map(Problem::to_string),
        }
    }
}

impl IntoJs for ContentCredentials {
    fn into_js(mut self, env: &Env) -> Result<Unknown<'_>> {
        let (signer, generator, problem) = (self.signer.take(), self.generator.take(), self.problem.take());
        let signed_at = self.signed_at.take().map(|at| env.create_date(at)).transpose()?;
        let mut found = object_from(env, self)?;
        define(env, &mut found, "signer", signer)?;
        define(env, &mut found, "generator", generator)?;
        define(env, &mut found, "signedAt", signed_at)?;
        define(env, &mut found, "problem", problem)?;
        Ok(found.to_unknown())
    }
}

impl<T: IntoJs> IntoJs for Option<T> {
    fn into_js(self, env: &Env) -> Result<Unknown<'_>> {
        match self {
            Some(value) => value.into_js(env),
            None => Null.into_unknown(env),
        }
    }
}
