//! Converts JavaScript options to a [`Request`], or to an error that names the invalid option.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use napi::JsValue as _;
use napi::bindgen_prelude::{FromNapiValue as _, Object, Unknown, ValueType};

use super::js::{self, Js};
use super::progress::Callback;
use crate::codex::ThreadId;
use crate::credentials::OPENAI;
use crate::environment::Environment;
use crate::error::Cause;
use crate::queue::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::reference::MAX_COUNT;
use crate::request::{
    CodexHome, Completion, Draft, KILL_GRACE_MS, LEAN, MAX_IMAGE_BYTES, MAX_RECONNECTS, NETWORK_ACCESS, QUOTA,
    REQUIRE_VERIFIED, Request, Switch, TIMEOUT_MS, TRANSPARENT, Validation, WholeNumber, aspect_problem,
    config_key_problem, name_problem, text_problem, variable_name_problem,
};
use crate::sandbox::{Sandbox, needs_danger_full_access};

pub const SIGNAL: &str = "signal";

pub type Parsed<T> = std::result::Result<T, Cause>;

/// Reads the options of a generation and its signal, if there is one.
pub fn parse<'env>(js: &Js<'env>, options: Unknown<'env>) -> Parsed<(Draft, Option<Unknown<'env>>)> {
    let reader = Reader::new(js, options)?;
    let prompt = reader.required_text("prompt")?;
    Ok((reader.request(prompt)?, reader.signal()?))
}

/// Reads the options of a readiness check, and whether it asks for the quota.
pub fn parse_check<'env>(js: &Js<'env>, options: Unknown<'env>) -> Parsed<(Draft, bool)> {
    let reader = if matches!(options.get_type(), Ok(ValueType::Undefined | ValueType::Null)) {
        let nothing = Object::new(js.env).map_err(|_| Cause::Internal)?;
        Reader::new(js, nothing.to_unknown())?
    } else {
        Reader::new(js, options)?
    };
    Ok((reader.request(String::new())?, reader.switch(QUOTA)?))
}

/// Reads the options of a recovery.
pub fn parse_recovery<'env>(js: &Js<'env>, options: Unknown<'env>) -> Parsed<(Draft, ThreadId)> {
    let reader = Reader::new(js, options)?;
    let thread = reader.required_text("threadId")?;
    let thread =
        ThreadId::parse(&thread).ok_or_else(|| invalid("threadId", "it must be the id of a Codex thread, a UUID"))?;
    Ok((reader.request(String::new())?, thread))
}

const CONCURRENT_RUNS: WholeNumber = WholeNumber {
    option: "maxConcurrentRuns",
    least: 1,
    most: MAX_LIMIT as u64,
    default: DEFAULT_LIMIT as u64,
    unit: "",
};

/// Reads the argument of `setMaxConcurrentRuns`.
pub fn parse_limit(value: Unknown<'_>) -> Parsed<usize> {
    const OPTION: &str = CONCURRENT_RUNS.option;
    let number = js::number(value).map_err(|_| Cause::Internal)?;
    let number = number.ok_or_else(|| invalid(OPTION, &format!("it must be a number, not {}", type_name(value))))?;
    let limit = CONCURRENT_RUNS.check(number).map_err(|problem| invalid(OPTION, &problem))?;
    usize::try_from(limit).map_err(|_| Cause::Internal)
}

/// Reads `onProgress`.
pub fn callback(value: Unknown<'_>) -> Parsed<Option<Callback<'_>>> {
    match value.get_type() {
        Ok(ValueType::Undefined | ValueType::Null) => Ok(None),
        Ok(ValueType::Function) => Callback::from_unknown(value).map(Some).map_err(|_| Cause::Internal),
        _ => Err(invalid("onProgress", &format!("it must be a function, not {}", type_name(value)))),
    }
}

pub fn invalid(option: &str, problem: &str) -> Cause {
    Cause::InvalidOption { option: option.to_owned(), problem: problem.to_owned() }
}

/// Returns an argument for `map_err`: the error if the getter or the Proxy of an option throws.
pub fn unreadable(option: &str) -> impl FnOnce(napi::Error) -> Cause {
    move |_| invalid(option, "reading it threw an error")
}

/// Returns the text, unless `check` finds a problem.
fn validated(option: &str, text: String, check: fn(&str) -> Option<&'static str>) -> Parsed<String> {
    match check(&text) {
        Some(problem) => Err(invalid(option, problem)),
        None => Ok(text),
    }
}

/// Returns the type of a value, for messages.
pub fn type_name(value: Unknown<'_>) -> &'static str {
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

/// Reads single options.
struct Reader<'js, 'env> {
    js: &'js Js<'env>,
    options: Unknown<'env>,
}

impl<'js, 'env> Reader<'js, 'env> {
    fn new(js: &'js Js<'env>, options: Unknown<'env>) -> Parsed<Self> {
        match js::object(options) {
            Ok(Some(_)) => Ok(Self { js, options }),
            _ => Err(invalid("options", &format!("it must be an object, not {}", type_name(options)))),
        }
    }

    /// Reads every option but the signal. The prompt is given.
    fn request(&self, prompt: String) -> Parsed<Draft> {
        let defaults = Request::new(prompt);
        let env = self.environment()?;
        let named_home = self.absolute_path("codexHome")?.map(CodexHome::named);
        let network = self.switch(NETWORK_ACCESS)?;
        let sandboxes = [
            ("auto", None),
            ("read-only", Some(Sandbox::ReadOnly)),
            ("workspace-write", Some(Sandbox::WorkspaceWrite { network })),
            ("danger-full-access", Some(Sandbox::DangerFullAccess)),
        ];
        let sandbox = self.choice("sandbox", &sandboxes)?.flatten();
        let completions = [("image", Completion::Image), ("exit", Completion::Exit)];
        let validations = [("full", Validation::Full), ("signature", Validation::Signature)];
        let exec_path = self.js.exec_path().ok().flatten();
        let request = Request {
            aspect: self.checked_text("aspect", aspect_problem)?,
            codex_path: self.absolute_path("codexPath")?,
            node_dir: exec_path.and_then(|path| Path::new(&path).parent().map(Path::to_path_buf)),
            model: self.checked_text("model", name_problem)?,
            sandbox: match sandbox {
                Some(sandbox) => sandbox,
                None if needs_danger_full_access(&self.js.platform().unwrap_or_default(), &env) => {
                    Sandbox::DangerFullAccess
                }
                None => Sandbox::WorkspaceWrite { network },
            },
            completion: self.choice("completion", &completions)?.unwrap_or(defaults.completion),
            config: self.config()?,
            disable_features: self.names("disableFeatures")?,
            timeout: Duration::from_millis(self.whole(TIMEOUT_MS)?),
            kill_grace: Duration::from_millis(self.whole(KILL_GRACE_MS)?),
            max_image_bytes: self.whole(MAX_IMAGE_BYTES)?,
            validation: self.choice("validation", &validations)?.unwrap_or(defaults.validation),
            require_verified: self.switch(REQUIRE_VERIFIED)?,
            references: self.references()?,
            transparent: self.switch(TRANSPARENT)?,
            lean: self.switch(LEAN)?,
            max_reconnects: self.whole(MAX_RECONNECTS)?,
            trust: OPENAI,
            env,
            ..defaults
        };
        Ok(Draft { named_home, request })
    }

    fn references(&self) -> Parsed<Vec<PathBuf>> {
        const OPTION: &str = "referenceImages";
        let paths = self.texts(OPTION, |at, text| {
            let path = PathBuf::from(validated(at, text, text_problem)?);
            if path.is_absolute() { Ok(path) } else { Err(invalid(at, "it must be an absolute path")) }
        })?;
        if paths.len() > MAX_COUNT {
            return Err(invalid(OPTION, &format!("it must not have more than {MAX_COUNT} entries")));
        }
        Ok(paths)
    }

    /// Returns the option's value, unless it is missing, undefined or null.
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
            None => Err(invalid(option, &format!("it must be {wanted}, not {}", type_name(value)))),
        }
    }

    fn text(&self, option: &str) -> Parsed<Option<String>> {
        let text = self.typed(option, "a string", js::text)?;
        text.map(|text| validated(option, text, text_problem)).transpose()
    }

    fn required_text(&self, option: &str) -> Parsed<String> {
        let text = self.text(option)?.ok_or_else(|| invalid(option, "it is required and must be a string"))?;
        if text.trim().is_empty() { Err(invalid(option, "it must not be blank")) } else { Ok(text) }
    }

    fn switch(&self, Switch { option, default }: Switch) -> Parsed<bool> {
        Ok(self.typed(option, "a boolean", js::boolean)?.unwrap_or(default))
    }

    fn whole(&self, number: WholeNumber) -> Parsed<u64> {
        match self.typed(number.option, "a number", js::number)? {
            Some(value) => number.check(value).map_err(|problem| invalid(number.option, &problem)),
            None => Ok(number.default),
        }
    }

    fn choice<T: Copy>(&self, option: &str, choices: &[(&str, T)]) -> Parsed<Option<T>> {
        let Some(text) = self.text(option)? else { return Ok(None) };
        if let Some((_, chosen)) = choices.iter().find(|(name, _)| *name == text) {
            return Ok(Some(*chosen));
        }
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        Err(invalid(option, &format!("it must be one of '{}'", names.join("', '"))))
    }

    fn absolute_path(&self, option: &str) -> Parsed<Option<PathBuf>> {
        let Some(path) = self.text(option)?.map(PathBuf::from) else { return Ok(None) };
        if path.is_absolute() { Ok(Some(path)) } else { Err(invalid(option, "it must be an absolute path")) }
    }

    fn checked_text(&self, option: &str, check: fn(&str) -> Option<&'static str>) -> Parsed<Option<String>> {
        self.text(option)?.map(|text| validated(option, text, check)).transpose()
    }

    fn names(&self, option: &str) -> Parsed<Vec<String>> {
        self.texts(option, |at, name| validated(at, name, name_problem))
    }

    fn texts<T>(&self, option: &str, check: impl Fn(&str, String) -> Parsed<T>) -> Parsed<Vec<T>> {
        let elements = self.typed(option, "an array of strings", |value| self.js.array(value))?.unwrap_or_default();
        let checked = elements.into_iter().enumerate().map(|(index, element)| {
            let at = format!("{option}[{index}]");
            match js::text(element) {
                Ok(Some(text)) => check(&at, text),
                _ => Err(invalid(&at, &format!("it must be a string, not {}", type_name(element)))),
            }
        });
        checked.collect()
    }

    /// Returns the entries of an object of strings. Leaves out undefined values.
    fn record(
        &self,
        option: &str,
        check_key: fn(&str) -> Option<&'static str>,
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
            if let Some(problem) = check_key(&key) {
                return Err(invalid(&at, problem));
            }
            let Ok(Some(text)) = js::text(value) else {
                return Err(invalid(&at, &format!("it must be a string, not {}", type_name(value))));
            };
            entries.push((key, validated(&at, text, text_problem)?));
        }
        Ok(Some(entries))
    }

    fn config(&self) -> Parsed<Vec<(String, String)>> {
        Ok(self.record("config", config_key_problem)?.unwrap_or_default())
    }

    /// Returns the child's environment: `env`, otherwise `process.env`.
    fn environment(&self) -> Parsed<Environment> {
        if let Some(entries) = self.record("env", variable_name_problem)? {
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
        let has = |name: &str, expected: ValueType| {
            let value = self.js.read(signal, name).map_err(unreadable(SIGNAL))?;
            Ok::<_, Cause>(matches!(value.get_type(), Ok(found) if found == expected))
        };
        let is_signal = has("aborted", ValueType::Boolean)?
            && has("addEventListener", ValueType::Function)?
            && has("removeEventListener", ValueType::Function)?;
        if is_signal { Ok(Some(signal)) } else { Err(invalid(SIGNAL, "it must be an AbortSignal")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::DEFAULT_ASPECT;

    const TYPES: &str = include_str!("types.d.ts");
    const GUIDE: &str = include_str!("../../docs/options.md");
    const HELP: &str = include_str!("../../bin/help.mts");
    const COMMAND_LINE: &str = include_str!("../../docs/command-line.md");

    /// Returns the doc comment of `option` in `GenerateOptions` as one line.
    fn doc_comment(option: &str) -> String {
        let (before, _) = TYPES.split_once(&format!("\n  {option}?: ")).unwrap();
        let (_, comment) = before.rsplit_once("/**").unwrap();
        comment.replace("\n   * ", " ")
    }

    /// Returns the names of the members of `GenerateOptions` that have the type `name`, in order.
    fn options_of_type(name: &str) -> Vec<&'static str> {
        let (_, options) = TYPES.split_once("export interface GenerateOptions {\n").unwrap();
        let (options, _) = options.split_once("\n}\n").unwrap();
        options
            .lines()
            .filter_map(|line| line.strip_suffix(" | null | undefined")?.strip_suffix(name)?.strip_suffix("?: "))
            .map(str::trim)
            .collect()
    }

    #[test]
    fn the_documentation_has_the_bounds_and_defaults_of_numbers() {
        let numbers = [TIMEOUT_MS, KILL_GRACE_MS, MAX_IMAGE_BYTES, MAX_RECONNECTS];
        assert_eq!(numbers.map(|number| number.option), *options_of_type("number"));
        for WholeNumber { option, least, most, default, .. } in numbers {
            let comment = doc_comment(option);
            assert!(comment.contains(&format!("{least} to {most}; {default}")), "{comment}");
            let row = GUIDE.lines().find(|line| line.starts_with(&format!("| `{option}` "))).unwrap();
            assert!(row.contains(&format!("| `{default}` ")), "{row}");
            assert!(GUIDE.contains(&format!("{least} to {most}")), "{option}");
        }
        let WholeNumber { least, most, default, .. } = CONCURRENT_RUNS;
        let comment = include_str!("mod.rs").replace("\n/// ", " ");
        assert!(comment.contains(&format!("{least} to {most}; {default} by default")));
        assert!(GUIDE.contains(&format!("from {least} to {most}")));
    }

    #[test]
    fn the_documentation_has_the_other_defaults() {
        let aspect = DEFAULT_ASPECT;
        assert!(doc_comment("aspect").contains(&format!("`'{aspect}'` by default")));
        assert!(
            HELP.contains(&format!("{aspect} by default")) && COMMAND_LINE.contains(&format!("`{aspect}` by default"))
        );
        let switches = [NETWORK_ACCESS, TRANSPARENT, REQUIRE_VERIFIED, LEAN];
        assert_eq!(switches.map(|switch| switch.option), *options_of_type("boolean"));
        for Switch { option, default } in switches {
            assert!(doc_comment(option).contains(&format!("{default} by default")), "{option}");
        }
        let minutes = TIMEOUT_MS.default / 60_000;
        let help: Vec<_> = HELP.split_whitespace().collect();
        assert!(help.join(" ").contains(&format!("{minutes}m by default")));
        assert!(COMMAND_LINE.contains(&format!("`{minutes}m` by default")));
        assert!(doc_comment("referenceImages").contains(&format!("at most {MAX_COUNT} PNG")));
        for text in [HELP, COMMAND_LINE] {
            assert!(text.contains(&format!("up to {MAX_COUNT} times")));
        }
    }
}
