//! Reads the images in a rollout.

use std::borrow::Cow;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::READ_BYTES;
use super::locate::find;
use crate::codex::ThreadId;
use crate::text::lines::Lines;

/// Image in the rollout that image_gen returned.
#[derive(Debug, PartialEq, Eq)]
pub struct RecordedImage {
    /// Decoded bytes, not checked.
    pub bytes: Vec<u8>,
    /// Prompt that the image model received.
    pub revised_prompt: Option<String>,
}

/// Upper limit for the JSON around an image in its line, in bytes.
const LINE_OVERHEAD: u64 = 64 << 10;
/// Text in every line that records an image, and in few others.
const IMAGE_MARKER: &[u8] = b"\"image_gen";

/// Calls `each` for every image in the thread's rollout of at most `limit` bytes, in order, until
/// `each` breaks. An image that is recorded twice is passed twice. Returns whether there was a
/// larger image. Keeps one line in memory at a time. Blocks on the disk until `given_up` is
/// cancelled.
pub fn images(
    codex_home: &Path,
    thread: &ThreadId,
    limit: u64,
    given_up: &CancellationToken,
    each: impl FnMut(RecordedImage) -> ControlFlow<()>,
) -> bool {
    let Some((rollout, format)) = find(codex_home, thread) else { return false };
    images_in(format.read(CancellableReader { rollout, given_up }), limit, each)
}

/// Reader that fails once `given_up` is cancelled.
struct CancellableReader<'a, R> {
    rollout: R,
    given_up: &'a CancellationToken,
}

impl<R: Read> Read for CancellableReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given_up.is_cancelled() { Err(io::Error::other("given up")) } else { self.rollout.read(buffer) }
    }
}

/// Same as [`images`], for an open rollout. Treats a read error as the end of the rollout.
pub fn images_in(mut rollout: impl Read, limit: u64, mut each: impl FnMut(RecordedImage) -> ControlFlow<()>) -> bool {
    // Base64 has four characters for three bytes; the rest is for line breaks.
    let cap = (limit / 2).saturating_mul(3).saturating_add(LINE_OVERHEAD);
    let mut lines = Lines::new(usize::try_from(cap).unwrap_or(usize::MAX));
    let mut buffer = vec![0; READ_BYTES];
    let mut flow = ControlFlow::Continue(());
    let mut too_large = false;
    let mut take = |line: &[u8], flow: &mut ControlFlow<()>| {
        let recorded = if flow.is_continue() { parse(line) } else { None };
        match recorded {
            Some(recorded) if recorded.bytes.len() as u64 > limit => too_large = true,
            Some(recorded) => *flow = each(recorded),
            None => {}
        }
    };
    while flow.is_continue() {
        match rollout.read(&mut buffer) {
            Ok(0) | Err(_) => {
                lines.finish(|line| take(line, &mut flow));
                break;
            }
            Ok(count) => lines.push(&buffer[..count], |line| take(line, &mut flow)),
        }
    }
    // Only an image makes a line that long.
    too_large || lines.dropped() > 0
}

/// Line that records a result of image_gen. There are three kinds:
///
/// * `event_msg` / `image_generation_end` (to 0.150.1),
/// * `response_item` / `image_generation_call` (the hosted tool),
/// * `event_msg` / `item_completed` with an item of kind `image_gen.generation` (0.169.0).
///
/// Outputs of the agent's tool calls do not count: their images may be any that the agent viewed or
/// drew itself.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    payload: Payload<'a>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Payload<'a> {
    #[serde(alias = "image_generation_call")]
    ImageGenerationEnd {
        #[serde(borrow)]
        result: Option<Text<'a>>,
        revised_prompt: Option<String>,
    },
    ItemCompleted {
        #[serde(borrow)]
        item: Item<'a>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Item<'a> {
    kind: Option<&'a str>,
    #[serde(borrow)]
    result: Option<Text<'a>>,
    #[serde(rename = "revisedPrompt")]
    revised_prompt: Option<String>,
}

/// Borrows from its line unless it has escapes, so that an image's text is not copied.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn parse(line: &[u8]) -> Option<RecordedImage> {
    memchr::memmem::find(line, IMAGE_MARKER)?;
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    let (result, revised_prompt) = match line.payload {
        Payload::ImageGenerationEnd { result, revised_prompt } => (result, revised_prompt),
        Payload::ItemCompleted { item } if item.kind == Some("image_gen.generation") => {
            (item.result, item.revised_prompt)
        }
        Payload::ItemCompleted { .. } | Payload::Other => return None,
    };
    let bytes = bytes_of(&result?.0);
    (!bytes.is_empty()).then_some(RecordedImage { bytes, revised_prompt })
}

/// Lenient base64: accepts missing padding and trailing bits, which do not affect the bytes.
pub(super) static BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Decodes a result: base64, with or without line breaks, alone or in a `data:` URL. Returns any
/// other text unchanged, so that the error can name what it is.
pub(super) fn bytes_of(result: &str) -> Vec<u8> {
    let data = match result.split_once(',') {
        Some((head, data)) if is_base64_url(head) => percent_decoded(data),
        _ => result.as_bytes().into(),
    };
    let unwrapped = || data.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<_>>();
    BASE64.decode(&data).or_else(|_| BASE64.decode(unwrapped())).unwrap_or_else(|_| result.as_bytes().to_vec())
}

/// Whether `head` is the part before the comma of a base64 `data:` URL (WHATWG Fetch, 6 "`data:`
/// URLs").
fn is_base64_url(head: &str) -> bool {
    let head = head.trim().to_ascii_lowercase();
    head.starts_with("data:") && head.strip_suffix("base64").is_some_and(|before| before.trim_end().ends_with(';'))
}

/// Decodes the percent-encoding of a part of a URL.
fn percent_decoded(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('%') {
        return text.as_bytes().into();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).filter(|_| *first == b'%').and_then(|digits| str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    bytes.into()
}
