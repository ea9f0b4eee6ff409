//! JavaScript's options become a [`Request`], or an error that names the option and what was wrong
//! with it.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use napi::JsValue as _;
use napi::bindgen_prelude::{FromNapiValue as _, Function, Object, Unknown, ValueType};

use super::js::{self, Js};
use super::progress::{Arguments, Returned};
use crate::codex::ThreadId;
use crate::environment::Environment;
use crate::error::Cause;
use crate::reference::MAX_COUNT;
use crate::request::{
    CodexHome, Completion, Draft, Request, Validation, aspect_fault, config_key_fault, name_fault, text_fault,
    variable_name_fault, whole,
};
use crate::sandbox::{Sandbox, needs_danger_full_access};

/// `onProgress`, as a function of JavaScript's.
pub type Callback<'env> = Function<'env, Arguments, Returned>;

pub const SIGNAL: &str = "signal";
/// The most that Node's own timers can wait, in milliseconds.
const MAX_TIMEOUT_MS: u64 = i32::MAX as u64;
const MAX_GRACE_MS: u64 = 600_000;
const MAX_IMAGE_BYTES: u64 = 1 << 30;
const MAX_RUNS: u64 = 1_000;
const MAX_RECONNECTS: u64 = 1_000;
/// Codex itself tries four times by WebSocket and then, where that is blocked, goes over to plain
/// requests: no fewer may be waited for.
const DEFAULT_RECONNECTS: u64 = 6;

pub type Parsed<T> = std::result::Result<T, Cause>;

/// Reads the options of a generation. The second part is the signal, if there is one.
pub fn parse<'env>(js: &Js<'env>, options: Unknown<'env>) -> Parsed<(Draft, Option<Unknown<'env>>)> {
    let reader = Reader::new(js, options)?;
    let prompt = reader.required_text("prompt")?;
    Ok((reader.request(prompt)?, reader.signal()?))
}

/// Reads the options of a readiness check: those of a generation that say where and how Codex would
/// be run.
pub fn parse_check<'env>(js: &Js<'env>, options: Unknown<'env>) -> Parsed<Draft> {
    if matches!(options.get_type(), Ok(ValueType::Undefined | ValueType::Null)) {
        let nothing = Object::new(js.env).map_err(|_| Cause::Internal)?;
        return Reader::new(js, nothing.to_unknown())?.request(String::new());
    }
    Reader::new(js, options)?.request(String::new())
}

/// Reads the options of a recovery.
pub fn parse_recovery<'env>(js: &Js<'env>, options: Unknown<'env>) -> Parsed<(Draft, ThreadId)> {
    let reader = Reader::new(js, options)?;
    let thread = reader.required_text("threadId")?;
    let thread =
        ThreadId::parse(&thread).ok_or_else(|| invalid("threadId", "it must be the id of a Codex thread, a UUID"))?;
    Ok((reader.request(String::new())?, thread))
}

/// Reads the argument of `setMaxConcurrentRuns`.
pub fn parse_limit(value: Unknown<'_>) -> Parsed<usize> {
    const OPTION: &str = "maxConcurrentRuns";
    let number = js::number(value).map_err(|_| Cause::Internal)?;
    let number = number.ok_or_else(|| invalid(OPTION, &format!("it must be a number, not {}", kind(value))))?;
    let whole = to_whole(OPTION, number, 1..=MAX_RUNS)?;
    usize::try_from(whole).map_err(|_| Cause::Internal)
}

/// Reads `onProgress`.
pub fn callback(value: Unknown<'_>) -> Parsed<Option<Callback<'_>>> {
    match value.get_type() {
        Ok(ValueType::Undefined | ValueType::Null) => Ok(None),
        Ok(ValueType::Function) => Callback::from_unknown(value).map(Some).map_err(|_| Cause::Internal),
        _ => Err(invalid("onProgress", &format!("it must be a function, not {}", kind(value)))),
    }
}

pub fn invalid(option: &str, problem: &str) -> Cause {
    Cause::InvalidOption { option: option.to_owned(), problem: problem.to_owned() }
}

/// For `map_err`: what is wrong with an option whose getter or Proxy has thrown.
pub fn unreadable(option: &str) -> impl FnOnce(napi::Error) -> Cause {
    move |_| invalid(option, "reading it threw an error")
}

/// The text, unless there is something wrong with it.
fn sound(option: &str, text: String, fault: fn(&str) -> Option<&'static str>) -> Parsed<String> {
    match fault(&text) {
        Some(fault) => Err(invalid(option, fault)),
        None => Ok(text),
    }
}

/// What a value is, for people.
fn kind(value: Unknown<'_>) -> &'static str {
    let is_array = || Object::from_unknown(value).and_then(|object| object.is_array()).unwrap_or(false);
    match value.get_type() {
        Ok(ValueType::Undefined) => "undefined",
        Ok(ValueType::Null) => "null",
        Ok(ValueType::Boolean) => "a boolean",
        Ok(ValueType::Number) => "a number",
        Ok(ValueType::String) => "a string",
        Ok(ValueType::Symbol) => "a symbol",
        Ok(ValueType::Function) => "a function",
        Ok(ValueType::BigInt) => "a bigint",
        Ok(ValueType::Object) if is_array() => "an array",
        Ok(ValueType::Object) => "an object",
        _ => "an unknown kind of value",
    }
}

/// Reads one option after the other.
struct Reader<'js, 'env> {
    js: &'js Js<'env>,
    options: Unknown<'env>,
}

impl<'js, 'env> Reader<'js, 'env> {
    fn new(js: &'js Js<'env>, options: Unknown<'env>) -> Parsed<Self> {
        match js::object(options) {
            Ok(Some(_)) => Ok(Self { js, options }),
            _ => Err(invalid("options", &format!("it must be an object, not {}", kind(options)))),
        }
    }

    /// Everything but the signal, whose prompt is given.
    fn request(&self, prompt: String) -> Parsed<Draft> {
        let aspect = sound("aspect", self.text("aspect")?.unwrap_or_else(|| "1:1".to_owned()), aspect_fault)?;
        let env = self.environment()?;
        let named_home = self.absolute_path("codexHome")?.map(CodexHome::named);
        let network = self.boolean("networkAccess")?.unwrap_or(true);
        let sandbox = self.choice("sandbox", &["auto", "read-only", "workspace-write", "danger-full-access"])?;
        let exec_path = self.js.exec_path().ok().flatten();
        let max_reconnects = self.whole("maxReconnects", 0..=MAX_RECONNECTS)?.unwrap_or(DEFAULT_RECONNECTS);
        let request = Request {
            prompt,
            aspect,
            codex_path: self.absolute_path("codexPath")?,
            node_dir: exec_path.and_then(|path| Path::new(&path).parent().map(Path::to_path_buf)),
            model: self.name("model")?,
            sandbox: match sandbox {
                Some("read-only") => Sandbox::ReadOnly,
                Some("workspace-write") => Sandbox::WorkspaceWrite { network },
                Some("danger-full-access") => Sandbox::DangerFullAccess,
                _ if needs_danger_full_access(&self.js.platform().unwrap_or_default(), &env) => {
                    Sandbox::DangerFullAccess
                }
                _ => Sandbox::WorkspaceWrite { network },
            },
            completion: match self.choice("completion", &["image", "exit"])? {
                Some("exit") => Completion::Exit,
                _ => Completion::Image,
            },
            config: self.config()?,
            disable_features: self.names("disableFeatures")?,
            timeout: Duration::from_millis(self.whole("timeoutMs", 1..=MAX_TIMEOUT_MS)?.unwrap_or(600_000)),
            kill_grace: Duration::from_millis(self.whole("killGraceMs", 0..=MAX_GRACE_MS)?.unwrap_or(2_000)),
            max_image_bytes: self.whole("maxImageBytes", 1..=MAX_IMAGE_BYTES)?.unwrap_or(32 << 20),
            validation: match self.choice("validation", &["full", "signature"])? {
                Some("signature") => Validation::Signature,
                _ => Validation::Full,
            },
            require_verified: self.boolean("requireVerified")?.unwrap_or(false),
            references: self.references()?,
            transparent: self.boolean("transparent")?.unwrap_or(false),
            lean: self.boolean("lean")?.unwrap_or(true),
            max_reconnects: u32::try_from(max_reconnects).map_err(|_| Cause::Internal)?,
            // Does not count: see [`Draft`].
            codex_home: CodexHome::named(PathBuf::new()),
            env,
        };
        Ok(Draft { named_home, request })
    }

    fn references(&self) -> Parsed<Vec<PathBuf>> {
        const OPTION: &str = "referenceImages";
        let paths = self.texts(OPTION, |at, text| {
            let path = PathBuf::from(sound(at, text, text_fault)?);
            if path.is_absolute() { Ok(path) } else { Err(invalid(at, "it must be an absolute path")) }
        })?;
        if paths.len() > MAX_COUNT {
            return Err(invalid(OPTION, &format!("it must not have more than {MAX_COUNT} entries")));
        }
        Ok(paths)
    }

    /// The option, unless it is absent: missing, undefined or null.
    fn get(&self, option: &str) -> Parsed<Option<Unknown<'env>>> {
        let value = self.js.read(self.options, option).map_err(unreadable(option))?;
        js::present(value).map_err(|_| Cause::Internal)
    }

    fn typed<T>(
        &self,
        option: &str,
        wanted: &str,
        convert: impl FnOnce(Unknown<'env>) -> napi::Result<Option<T>>,
    ) -> Parsed<Option<T>> {
        let Some(value) = self.get(option)? else { return Ok(None) };
        match convert(value).map_err(unreadable(option))? {
            Some(value) => Ok(Some(value)),
            None => Err(invalid(option, &format!("it must be {wanted}, not {}", kind(value)))),
        }
    }

    fn text(&self, option: &str) -> Parsed<Option<String>> {
        let text = self.typed(option, "a string", js::text)?;
        text.map(|text| sound(option, text, text_fault)).transpose()
    }

    fn required_text(&self, option: &str) -> Parsed<String> {
        let text = self.text(option)?.ok_or_else(|| invalid(option, "it is required and must be a string"))?;
        if text.trim().is_empty() { Err(invalid(option, "it must not be blank")) } else { Ok(text) }
    }

    fn boolean(&self, option: &str) -> Parsed<Option<bool>> {
        self.typed(option, "a boolean", js::boolean)
    }

    fn whole(&self, option: &str, range: RangeInclusive<u64>) -> Parsed<Option<u64>> {
        let number = self.typed(option, "a number", js::number)?;
        number.map(|number| to_whole(option, number, range)).transpose()
    }

    fn choice<'c>(&self, option: &str, choices: &[&'c str]) -> Parsed<Option<&'c str>> {
        let Some(text) = self.text(option)? else { return Ok(None) };
        let chosen = choices.iter().find(|choice| **choice == text).copied();
        chosen.map(Some).ok_or_else(|| invalid(option, &format!("it must be one of '{}'", choices.join("', '"))))
    }

    fn absolute_path(&self, option: &str) -> Parsed<Option<PathBuf>> {
        let Some(path) = self.text(option)?.map(PathBuf::from) else { return Ok(None) };
        if path.is_absolute() { Ok(Some(path)) } else { Err(invalid(option, "it must be an absolute path")) }
    }

    fn name(&self, option: &str) -> Parsed<Option<String>> {
        self.text(option)?.map(|name| sound(option, name, name_fault)).transpose()
    }

    fn names(&self, option: &str) -> Parsed<Vec<String>> {
        self.texts(option, |at, name| sound(at, name, name_fault))
    }

    fn texts<T>(&self, option: &str, check: impl Fn(&str, String) -> Parsed<T>) -> Parsed<Vec<T>> {
        let elements = self.typed(option, "an array of strings", |value| self.js.array(value))?.unwrap_or_default();
        let checked = elements.into_iter().enumerate().map(|(index, element)| {
            let at = format!("{option}[{index}]");
            match js::text(element) {
                Ok(Some(text)) => check(&at, text),
                _ => Err(invalid(&at, &format!("it must be a string, not {}", kind(element)))),
            }
        });
        checked.collect()
    }

    /// An object whose values are strings. Undefined values are left out.
    fn record(
        &self,
        option: &str,
        key_fault: fn(&str) -> Option<&'static str>,
    ) -> Parsed<Option<Vec<(String, String)>>> {
        let Some(object) = self.typed(option, "an object of strings", |value| Ok(js::object(value)?.map(|_| value)))?
        else {
            return Ok(None);
        };
        let mut entries = Vec::new();
        for key in self.js.keys(object).map_err(unreadable(option))? {
            let at = format!("{option}.{key}");
            let value = self.js.own(object, &key).map_err(unreadable(&at))?;
            if matches!(value.get_type(), Ok(ValueType::Undefined)) {
                continue;
            }
            if let Some(fault) = key_fault(&key) {
                return Err(invalid(&at, fault));
            }
            let Ok(Some(text)) = js::text(value) else {
                return Err(invalid(&at, &format!("it must be a string, not {}", kind(value))));
            };
            entries.push((key, sound(&at, text, text_fault)?));
        }
        Ok(Some(entries))
    }

    fn config(&self) -> Parsed<Vec<(String, String)>> {
        Ok(self.record("config", config_key_fault)?.unwrap_or_default())
    }

    /// The child's environment: the option's, else `process.env`.
    fn environment(&self) -> Parsed<Environment> {
        if let Some(entries) = self.record("env", variable_name_fault)? {
            let given = Environment::new(entries);
            let text =
                |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
            return Ok(if cfg!(windows) {
                given.completed_for_windows(std::env::vars_os().filter_map(text))
            } else {
                given
            });
        }
        let inherited = self.js.process_env().and_then(|env| self.js.environment(env));
        inherited.map_err(|_| invalid("env", "it is not given, and reading process.env threw an error"))
    }

    fn signal(&self) -> Parsed<Option<Unknown<'env>>> {
        let Some(signal) = self.typed(SIGNAL, "an AbortSignal", |value| Ok(js::object(value)?.map(|_| value)))? else {
            return Ok(None);
        };
        let is = |name: &str, kind: ValueType| {
            let value = self.js.read(signal, name).map_err(unreadable(SIGNAL))?;
            Ok::<_, Cause>(matches!(value.get_type(), Ok(found) if found == kind))
        };
        let is_signal = is("aborted", ValueType::Boolean)?
            && is("addEventListener", ValueType::Function)?
            && is("removeEventListener", ValueType::Function)?;
        if is_signal { Ok(Some(signal)) } else { Err(invalid(SIGNAL, "it must be an AbortSignal")) }
    }
}

fn to_whole(option: &str, number: f64, range: RangeInclusive<u64>) -> Parsed<u64> {
    let problem = format!("it must be a whole number from {} to {}", range.start(), range.end());
    whole(number, range).ok_or_else(|| invalid(option, &problem))
}
