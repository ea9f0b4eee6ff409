//! Reasons why content credentials do not hold, as sentences for people.

use crate::png::PngError;

/// The first reason why content credentials are not intact or not trusted, or why the time of
/// signing is not proven.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The PNG is not whole.
    #[error("The content credentials cannot be checked: the PNG is not whole, {0}.")]
    Png(PngError),
    /// The PNG or its manifest store has several manifests.
    #[error("The PNG has more than one manifest.")]
    SeveralManifests,
    /// The manifest breaks the rules of its format.
    #[error("The manifest is malformed: {0}.")]
    Malformed(&'static str),
    /// The manifest uses a part of the standard that OpenAI's service was not seen to use.
    #[error("The manifest cannot be checked: {0}.")]
    Unsupported(&'static str),
    /// The signature is not that of this claim by this certificate.
    #[error("The signature does not match the manifest.")]
    ClaimSignature,
    /// The hash of an assertion is not the signed one.
    #[error("The manifest was changed after it was signed.")]
    AssertionChanged,
    /// The manifest has an assertion that the claim does not name.
    #[error("The manifest has a part that is not signed.")]
    AssertionUndeclared,
    /// The claim names an assertion that the manifest does not have.
    #[error("The manifest lacks a part that was signed.")]
    AssertionMissing,
    /// The signed exclusions are not exactly the chunk of the manifest.
    #[error("The signature does not cover exactly the picture.")]
    Exclusions,
    /// The hash of the file is not the signed one.
    #[error("The picture was changed after it was signed.")]
    PictureChanged,
    /// The signature holds, but is not known to be OpenAI's.
    #[error("The signer is not known to be OpenAI: {0}.")]
    Signer(&'static str),
    /// The signature holds, but its time is not known.
    #[error("The time of signing is not proven: {0}.")]
    Time(&'static str),
}

pub type Result<T> = std::result::Result<T, Problem>;
