//! Converts a generated image and its facts to JavaScript.

use std::time::Duration;

use napi::Env;
use napi::JsValue as _;
use napi::bindgen_prelude::{Buffer, JsObjectValue as _, Object, Result, ToNapiValue as _, Unknown};
use napi_derive::napi;

use super::js::{IntoJs, define, object_from};
use crate::codex::events;
use crate::generate::{self, Generated};
use crate::provenance::FoundImage;

/// An image and facts about it.
#[napi(object, object_from_js = false)]
pub struct GeneratedImage {
    /// Exactly the PNG file's bytes.
    pub png: Buffer,
    /// In pixels. 0 if the header is damaged, which only `validation: 'signature'` accepts.
    pub width: u32,
    /// In pixels. 0 as for the width.
    pub height: u32,
    /// The aspect ratio that Codex was asked for, and that of the image; absent after a recovery,
    /// which does not know what was asked for, and if the size is unknown.
    pub aspect: Option<Aspect>,
    /// Whether at least one pixel is not fully opaque. False if the pixels cannot be decoded, which
    /// only `validation: 'signature'` accepts.
    pub has_alpha: bool,
    /// The Codex thread that drew the image.
    pub thread_id: Option<String>,
    /// The location in which the image was found: Codex's own store, the workspace (left by the
    /// agent), or the thread's record.
    #[napi(ts_type = "'store' | 'workspace' | 'rollout'")]
    pub source: &'static str,
    /// Whether the image provably came from image_gen: it is in this thread's store, to which the
    /// agent could not write, or this thread's record holds the same bytes. Always false if the
    /// requested sandbox was not in force.
    pub verified: bool,
    /// The version of the CLI: that of its npm package, or the output of `--version`.
    pub codex_version: Option<String>,
    /// The prompt that the image model received, if this package read it in the thread's record.
    pub revised_prompt: Option<String>,
    /// The tokens of the turn; absent if it was stopped before Codex reported them.
    pub usage: Option<Usage>,
    /// Duration of each step.
    pub timings: Timings,
    /// Problems that did not affect the image, as sentences.
    pub warnings: Vec<String>,
}

/// The aspect ratio that Codex was asked for, and that of the image. Images are never resized.
#[napi(object, object_from_js = false)]
pub struct Aspect {
    /// Width to height, as in the option `aspect`, `'1:1'` by default.
    pub requested: String,
    /// Width to height of the image, as its size reduced to the smallest whole numbers: `'3:2'` for
    /// 1536 by 1024 pixels, `'1672:941'` for 1672 by 941.
    pub received: String,
    /// Whether the two differ by at most 3 per cent, which is about what rounding the sides makes.
    /// If not, and the option `aspect` was given, the result has a warning.
    pub matches: bool,
}

/// The tokens of one turn.
#[allow(clippy::struct_field_names, reason = "the names of the JavaScript API")]
#[napi(object, object_from_js = false)]
pub struct Usage {
    /// Tokens sent.
    pub input_tokens: f64,
    /// Tokens sent that the backend had cached.
    pub cached_input_tokens: f64,
    /// Tokens received.
    pub output_tokens: f64,
    /// Tokens received that were spent on reasoning; absent with older versions of Codex.
    pub reasoning_output_tokens: Option<f64>,
    /// Tokens sent and received.
    pub total_tokens: f64,
}

/// Duration of each step of a call, in milliseconds.
#[allow(clippy::struct_field_names, reason = "the names of the JavaScript API")]
#[napi(object, object_from_js = false)]
pub struct Timings {
    /// Waiting in the queue.
    pub queue_ms: f64,
    /// Finding the CLI, checking its login, creating the run directory.
    pub preflight_ms: f64,
    /// Copying the reference images, reading the state of the store, starting the process.
    pub start_ms: f64,
    /// From then until the image was complete on disk and its pixels were checked; absent if it was
    /// found only after Codex had ended.
    pub image_ms: Option<f64>,
    /// Stopping the process tree and removing the run directory, without the search between the two
    /// for an image that was found only after Codex had ended.
    pub stop_ms: f64,
    /// The whole call.
    pub total_ms: f64,
}

impl From<Generated> for GeneratedImage {
    fn from(generated: Generated) -> Self {
        let Generated { image, aspect, thread, codex_version, usage, timings, warnings } = generated;
        let FoundImage { png, info, source, verified, revised_prompt } = image;
        Self {
            png: Buffer::from(png),
            width: info.width,
            height: info.height,
            aspect: aspect.map(|generate::Aspect { requested, received, matches }| Aspect {
                requested,
                received,
                matches,
            }),
            has_alpha: info.has_alpha == Some(true),
            thread_id: thread.map(|thread| thread.to_string()),
            source: source.as_str(),
            verified,
            codex_version,
            revised_prompt,
            usage: usage.map(Usage::from),
            timings: Timings::from(timings),
            warnings,
        }
    }
}

impl IntoJs for GeneratedImage {
    fn into_js(mut self, env: &Env) -> Result<Unknown<'_>> {
        let (thread_id, codex_version) = (self.thread_id.take(), self.codex_version.take());
        let (revised_prompt, usage) = (self.revised_prompt.take(), self.usage.take());
        let (aspect, image_ms) = (self.aspect.take(), self.timings.image_ms.take());
        let mut image = object_from(env, self)?;
        define(env, &mut image, "aspect", aspect)?;
        define(env, &mut image, "threadId", thread_id)?;
        define(env, &mut image, "codexVersion", codex_version)?;
        define(env, &mut image, "revisedPrompt", revised_prompt)?;
        define(env, &mut image, "usage", usage.map(|usage| usage.into_js(env)).transpose()?)?;
        let mut timings: Object<'_> = image.get_named_property("timings")?;
        define(env, &mut timings, "imageMs", image_ms)?;
        Ok(image.to_unknown())
    }
}

impl IntoJs for Usage {
    fn into_js(mut self, env: &Env) -> Result<Unknown<'_>> {
        let reasoning_output_tokens = self.reasoning_output_tokens.take();
        let mut usage = object_from(env, self)?;
        define(env, &mut usage, "reasoningOutputTokens", reasoning_output_tokens)?;
        Ok(usage.to_unknown())
    }
}

impl IntoJs for Buffer {
    fn into_js(self, env: &Env) -> Result<Unknown<'_>> {
        self.into_unknown(env)
    }
}

impl From<events::Usage> for Usage {
    fn from(usage: events::Usage) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^53")]
        let number = |tokens: u64| tokens as f64;
        Self {
            input_tokens: number(usage.input_tokens),
            cached_input_tokens: number(usage.cached_input_tokens),
            output_tokens: number(usage.output_tokens),
            reasoning_output_tokens: usage.reasoning_output_tokens.map(number),
            total_tokens: number(usage.input_tokens.saturating_add(usage.output_tokens)),
        }
    }
}

impl From<generate::Timings> for Timings {
    fn from(timings: generate::Timings) -> Self {
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1e3;
        Self {
            queue_ms: milliseconds(timings.queue),
            preflight_ms: milliseconds(timings.preflight),
            start_ms: milliseconds(timings.start),
            image_ms: timings.image.map(milliseconds),
            stop_ms: milliseconds(timings.stop),
            total_ms: milliseconds(timings.total),
        }
    }
}
