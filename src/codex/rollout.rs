//! Reads Codex's record of a thread (all versions; there is none with `--ephemeral`):
//! `$CODEX_HOME/sessions/YYYY/MM/DD/rollout-<time>-<thread id>.jsonl`.
//!
//! It contains the images as base64, also those that Codex does not save to the store: in 0.140.0
//! and 0.141.0 images whose status stays `generating`, and from 0.144 on those that the backend's
//! hosted tool drew.

use std::borrow::Cow;
use std::fs::{DirEntry, File};
use std::io::{self, BufRead as _, BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::ThreadId;
use crate::files::{CountedReader, Dir, Inflated, Stamp, fs_request};
use crate::text::lines::Lines;

/// Picture in the record that image_gen returned.
#[derive(Debug, PartialEq, Eq)]
pub struct RecordedImage {
    /// Decoded bytes, not checked.
    pub bytes: Vec<u8>,
    /// Prompt that the image model received.
    pub revised_prompt: Option<String>,
}

/// Directory in Codex's home that contains the records.
pub const DIRECTORY: &str = "sessions";

/// Longest wait for the record, if nothing else can verify a picture.
pub const RECORD_TIMEOUT: Duration = Duration::from_millis(500);
/// Upper limit for the JSON around a picture in its line, in bytes.
const LINE_OVERHEAD: u64 = 64 << 10;
const READ_BYTES: usize = 64 << 10;
/// Text in every line that records a picture, and in few others.
const IMAGE_MARKER: &[u8] = b"\"image_gen";

/// Calls `each` for every picture in the thread's record of at most `limit` bytes, in order, until
/// `each` breaks. A picture that is recorded twice is passed twice. Returns whether there was a
/// larger picture. Keeps one line in memory at a time. Blocks on the disk until `given_up` is
/// cancelled.
pub fn pictures(
    codex_home: &Path,
    thread: &ThreadId,
    limit: u64,
    given_up: &CancellationToken,
    each: impl FnMut(RecordedImage) -> ControlFlow<()>,
) -> bool {
    let Some((record, format)) = find(codex_home, thread) else { return false };
    pictures_in(format.read(CancellableReader { record, given_up }), limit, each)
}

/// Reader that fails once `given_up` is cancelled.
struct CancellableReader<'a, R> {
    record: R,
    given_up: &'a CancellationToken,
}

impl<R: Read> Read for CancellableReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given_up.is_cancelled() { Err(io::Error::other("given up")) } else { self.record.read(buffer) }
    }
}

/// Same as [`pictures`], for an open record. Treats a read error as the end of the record.
pub fn pictures_in(mut record: impl Read, limit: u64, mut each: impl FnMut(RecordedImage) -> ControlFlow<()>) -> bool {
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
        match record.read(&mut buffer) {
            Ok(0) | Err(_) => {
                lines.finish(|line| take(line, &mut flow));
                break;
            }
            Ok(count) => lines.push(&buffer[..count], |line| take(line, &mut flow)),
        }
    }
    // Only a picture makes a line that long.
    too_large || lines.dropped() > 0
}

/// Sandbox of the turn according to the record: the first line of type `turn_context`, which Codex
/// writes before its first request to the model (0.132.0 to 0.171.0; at an offset of 20 to 70 KB).
#[derive(Debug, PartialEq, Eq)]
pub struct RecordedSandbox {
    /// `read-only`, `workspace-write` or another mode.
    pub sandbox: String,
    /// `never` or another policy, `another` for one that is not a string. Absent if the version
    /// does not record it.
    pub approval_policy: Option<String>,
    /// Working directory.
    pub cwd: Option<PathBuf>,
    /// Paths that the agent may write to.
    pub writable: Vec<PathBuf>,
    /// Whether `writable` is complete: every rule that permits writing was understood.
    pub is_understood: bool,
}

/// Longest beginning of a record that is searched for `turn_context`, in bytes. Instructions and
/// the user's `AGENTS.md` come before it.
const HEAD_BYTES: u64 = 8 << 20;

/// Reads the sandbox from the head of the thread's record. Returns `None` while Codex has not
/// written it. Blocks on the disk.
#[must_use]
pub fn recorded_sandbox(codex_home: &Path, thread: &ThreadId) -> Option<RecordedSandbox> {
    let (record, format) = find(codex_home, thread)?;
    recorded_sandbox_in(format.read(record))
}

/// Same as [`recorded_sandbox`], for an open record.
#[must_use]
pub fn recorded_sandbox_in(record: impl Read) -> Option<RecordedSandbox> {
    const MARKER: &[u8] = b"\"turn_context\"";
    let mut head = BufReader::with_capacity(READ_BYTES, record.take(HEAD_BYTES));
    let mut line = Vec::new();
    loop {
        line.clear();
        head.read_until(b'\n', &mut line).ok()?;
        // Codex is still writing a line without a line break.
        if line.pop() != Some(b'\n') {
            return None;
        }
        if memchr::memmem::find(&line, MARKER).is_some()
            && let Ok(Entry::TurnContext { payload }) = serde_json::from_slice(&line)
        {
            return Some(payload.into());
        }
    }
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Entry {
    TurnContext {
        payload: Context,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Context {
    cwd: Option<PathBuf>,
    /// A string, or a table in versions with granular approvals.
    approval_policy: Option<serde_json::Value>,
    sandbox_policy: Option<SandboxPolicy>,
    permission_profile: Option<PermissionProfile>,
}

#[derive(Deserialize)]
struct SandboxPolicy {
    r#type: String,
    #[serde(default)]
    writable_roots: Vec<PathBuf>,
}

/// Successor of the sandbox policy. Newer versions record both (0.169.0, 0.171.0).
#[derive(Deserialize)]
struct PermissionProfile {
    r#type: String,
    file_system: Option<FileSystem>,
}

#[derive(Deserialize)]
struct FileSystem {
    r#type: String,
    #[serde(default)]
    entries: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    path: Option<RulePath>,
    access: Option<String>,
}

#[derive(Deserialize)]
struct RulePath {
    path: Option<PathBuf>,
}

impl From<Context> for RecordedSandbox {
    fn from(context: Context) -> Self {
        let Context { cwd, approval_policy, sandbox_policy, permission_profile } = context;
        let mut stated = Self {
            sandbox: String::new(),
            approval_policy: approval_policy.map(|policy| policy.as_str().unwrap_or("another").to_owned()),
            cwd,
            writable: Vec::new(),
            is_understood: true,
        };
        if let Some(policy) = sandbox_policy {
            stated.sandbox = policy.r#type;
            stated.writable = policy.writable_roots;
        }
        let Some(profile) = permission_profile else { return stated };
        match profile.file_system {
            Some(files) if profile.r#type == "managed" && files.r#type == "restricted" => {
                let writes = |rule: &Rule| !matches!(rule.access.as_deref(), Some("read" | "none" | "deny"));
                for rule in files.entries.into_iter().filter(writes) {
                    match rule.path.and_then(|path| path.path) {
                        Some(path) => stated.writable.push(path),
                        None => stated.is_understood = false,
                    }
                }
            }
            _ => stated.is_understood = stated.sandbox == "danger-full-access",
        }
        stated
    }
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

/// Borrows from its line unless it has escapes, so that a picture's text is not copied.
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
static BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Decodes a result: base64, with or without line breaks, alone or in a `data:` URL. Returns any
/// other text unchanged, so that the error can name what it is.
fn bytes_of(result: &str) -> Vec<u8> {
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

/// File format of a record.
///
/// If a record has not changed for seven days, Codex may replace it with `….jsonl.zst` in the same
/// directory: one zstd frame of level 3 without a checksum (0.140.0; later versions have the
/// feature `local_thread_store_compression`, too, off by default). During the replacement both
/// files exist, and Codex reads the plain one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Plain,
    Compressed,
}

impl Format {
    fn of(name: &str) -> Self {
        if plain_name(name) == name { Self::Plain } else { Self::Compressed }
    }

    /// Returns a reader of the decompressed record.
    fn read<'a>(self, record: impl Read + 'a) -> Box<dyn Read + 'a> {
        match self {
            Self::Plain => Box::new(record),
            Self::Compressed => Box::new(Inflated::new(record)),
        }
    }
}

/// Returns a record's name without the extension `.zst`.
fn plain_name(name: &str) -> &str {
    name.strip_suffix(".zst").unwrap_or(name)
}

/// Finds the thread's record. Searches all directories: each is named after a day in the user's
/// time zone, which Codex alone knows. Codex writes one record per thread. If there are two, one is
/// forged, so neither is returned.
fn locate(codex_home: &Path, thread: &ThreadId) -> Option<(Dir, String)> {
    let ending = format!("-{thread}.jsonl");
    let below = |dir: PathBuf| entries(&dir).map(|entry| entry.path());
    let days = below(codex_home.join(DIRECTORY)).flat_map(below).flat_map(below);
    let mut records = days.chain([codex_home.join("archived_sessions")]).flat_map(|day| {
        let names = entries(&day).filter_map(|entry| entry.file_name().into_string().ok());
        let mut of_thread: Vec<_> = names.filter(|name| plain_name(name).ends_with(&ending)).collect();
        // Of both formats of a record, keep the plain one, which sorts first.
        of_thread.sort_unstable();
        of_thread.dedup_by(|next, first| plain_name(next) == plain_name(first));
        of_thread.into_iter().map(move |name| (day.clone(), name))
    });
    let (Some((day, name)), None) = (records.next(), records.next()) else { return None };
    Some((Dir::open(&day).ok()?, name))
}

/// Opens the thread's record.
fn find(codex_home: &Path, thread: &ThreadId) -> Option<(CountedReader<File>, Format)> {
    // Between `locate` and opening, Codex may replace the plain file by the compressed one.
    for _ in 0..2 {
        let (day, name) = locate(codex_home, thread)?;
        if let Ok(record) = day.file(name.as_ref()) {
            return Some((record, Format::of(&name)));
        }
    }
    None
}

/// Detects changes of a thread's record.
#[derive(Debug)]
pub struct RecordWatcher {
    codex_home: PathBuf,
    thread: ThreadId,
    record: Option<(Dir, String)>,
    stamp: Option<Stamp>,
}

impl RecordWatcher {
    /// Creates a watcher of the record of `thread`. The record need not exist yet.
    #[must_use]
    pub fn new(codex_home: &Path, thread: &ThreadId) -> Self {
        Self { codex_home: codex_home.to_path_buf(), thread: thread.clone(), record: None, stamp: None }
    }

    /// Whether the record has changed since the last call. Blocks on the disk.
    pub fn has_changed(&mut self) -> bool {
        if self.record.is_none() {
            self.record = locate(&self.codex_home, &self.thread);
        }
        let stamp = self.record.as_ref().and_then(|(day, name)| day.stamp(name.as_ref()));
        std::mem::replace(&mut self.stamp, stamp) != stamp
    }
}

/// Lists the entries of a directory. A directory that does not exist has none.
fn entries(dir: &Path) -> impl Iterator<Item = DirEntry> + use<> {
    let mut entries = fs_request(|| std::fs::read_dir(dir)).into_iter().flatten();
    std::iter::from_fn(move || fs_request(|| entries.next())).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREAD: &str = "01a202f5-609c-72c1-8213-7ba33eb17046";

    /// Returns a line as 0.132.0, 0.140.0 or 0.169.0 writes it, with a short picture.
    fn line(kind: &str, picture: &[u8]) -> String {
        let result = BASE64.encode(picture);
        match kind {
            "end" => format!(
                r#"{{"timestamp":"2026-11-22T11:12:40.781Z","type":"event_msg","payload":{{"type":"image_generation_end","call_id":"ig_b2","status":"generating","revised_prompt":"a \"cat\"","result":"{result}"}}}}"#
            ),
            "call" => format!(
                r#"{{"timestamp":"2026-11-22T11:12:40.790Z","type":"response_item","payload":{{"type":"image_generation_call","id":"ig_b2","status":"generating","revised_prompt":"a cat","result":"{result}"}}}}"#
            ),
            "item" => format!(
                r#"{{"timestamp":"2026-11-22T11:12:45.662Z","ordinal":11,"type":"event_msg","payload":{{"type":"item_completed","thread_id":"{THREAD}","turn_id":"t","item":{{"type":"Extension","kind":"image_gen.generation","id":"call_6","status":"completed","revisedPrompt":"a cat","result":"{result}","transparentBackground":null,"failure":null,"savedPath":"/x.png"}},"completed_at_ms":1}}}}"#
            ),
            "output" => format!(
                r#"{{"type":"response_item","payload":{{"type":"function_call_output","call_id":"call_6","output":[{{"type":"input_image","image_url":"data:image/png;base64,{result}"}},{{"type":"input_text","text":"\"image_gen"}}]}}}}"#
            ),
            other => panic!("{other}"),
        }
    }

    fn home_with(lines: &[String]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        let day = home.path().join("sessions/2026/11/22");
        std::fs::create_dir_all(&day).unwrap();
        std::fs::create_dir_all(home.path().join("sessions/2026/12/01")).unwrap();
        std::fs::write(day.join(format!("rollout-2026-11-22T11-12-45-{THREAD}.jsonl")), lines.join("\n")).unwrap();
        home
    }

    fn all(home: &Path, limit: u64) -> Vec<RecordedImage> {
        let mut found = Vec::new();
        pictures(home, &ThreadId::parse(THREAD).unwrap(), limit, &CancellationToken::new(), |recorded| {
            found.push(recorded);
            ControlFlow::Continue(())
        });
        found
    }

    #[test]
    fn every_kind_of_image_line_is_read() {
        let home = home_with(&[line("end", b"one"), line("call", b"two"), "{".into(), line("item", b"three")]);
        let found = all(home.path(), 100);
        assert_eq!(
            found.iter().map(|recorded| recorded.bytes.as_slice()).collect::<Vec<_>>(),
            [b"one" as &[u8], b"two", b"three"]
        );
        assert_eq!(found[0].revised_prompt.as_deref(), Some("a \"cat\""));
        assert_eq!(found[2].revised_prompt.as_deref(), Some("a cat"));
    }

    #[test]
    fn a_picture_in_the_output_of_a_tool_is_ignored() {
        let home = home_with(&[line("output", b"looked at"), line("item", b"drawn")]);
        assert_eq!(all(home.path(), 100).len(), 1);
    }

    #[test]
    fn an_item_of_another_kind_or_without_a_result_is_ignored() {
        let other = line("item", b"x").replace("image_gen.generation", "image_gen.other");
        let failed =
            r#"{"payload":{"type":"image_generation_end","call_id":"image_gen","status":"failed","result":null}}"#;
        let empty = r#"{"payload":{"type":"image_generation_end","status":"in_progress","result":""}}"#;
        assert_eq!(all(home_with(&[other, failed.into(), empty.into()]).path(), 100), []);
    }

    #[test]
    fn a_picture_over_the_limit_is_skipped_and_reported() {
        let home = home_with(&[line("end", &vec![7; 200_000]), line("end", &[7; 50])]);
        assert_eq!(all(home.path(), 50).len(), 1);
        assert_eq!(all(home.path(), 49).len(), 0);
        let thread = ThreadId::parse(THREAD).unwrap();
        let go_on = |_| ControlFlow::Continue(());
        let too_large = |limit| pictures(home.path(), &thread, limit, &CancellationToken::new(), go_on);
        assert!(too_large(50) && too_large(49) && !too_large(300_000));
    }

    /// The lines are shortened; their relevant parts are as 0.132.0, 0.150.1 and 0.171.0 wrote
    /// them.
    #[test]
    fn the_sandbox_is_read_from_the_head_of_the_record() {
        let context = |rest: &str| {
            format!(
                r#"{{"timestamp":"2026-11-26T20:17:13.976Z","type":"turn_context","payload":{{"turn_id":"t","cwd":"/w","approval_policy":"never",{rest},"model":"m"}}}}"#
            )
        };
        let old =
            r#""sandbox_policy":{"type":"workspace-write","writable_roots":["/h/memories"],"network_access":true}"#;
        let entry = |path: &str, access: &str| format!(r#"{{"path":{path},"access":"{access}"}}"#);
        let named = r#"{"type":"path","path":"/w"}"#;
        let special = r#"{"type":"special","value":{"kind":"root"}}"#;
        let managed = |entries: &[String]| {
            format!(
                r#""permission_profile":{{"type":"managed","file_system":{{"type":"restricted","entries":[{}]}},"network":"enabled"}},"sandbox_policy":{{"type":"workspace-write"}}"#,
                entries.join(",")
            )
        };
        let read = |rest: &str| {
            let head = r#"{"type":"session_meta","payload":{"instructions":"a \"turn_context\" of words"}}"#;
            let record = [head, &context(rest), &context(r#""sandbox_policy":{"type":"read-only"}"#), ""].join("\n");
            recorded_sandbox_in(record.as_bytes()).unwrap()
        };
        let stated = read(old);
        assert_eq!((stated.sandbox.as_str(), stated.approval_policy.as_deref()), ("workspace-write", Some("never")));
        assert_eq!((stated.cwd, stated.writable), (Some("/w".into()), vec![PathBuf::from("/h/memories")]));
        assert!(stated.is_understood);

        let stated = read(&managed(&[entry(special, "read"), entry(named, "write")]));
        assert_eq!((stated.writable, stated.is_understood), (vec![PathBuf::from("/w")], true));
        assert!(!read(&managed(&[entry(special, "write")])).is_understood, "a writable root without a path");
        let open = read(r#""permission_profile":{"type":"disabled"},"sandbox_policy":{"type":"workspace-write"}"#);
        assert!(!open.is_understood);
        let asking = read(old).approval_policy;
        assert_eq!(asking.as_deref(), Some("never"));
        let granular = context(old).replace(r#""never""#, r#"{"granular":{"rules":true}}"#);
        let stated = recorded_sandbox_in(format!("{granular}\n").as_bytes()).unwrap();
        assert_eq!(stated.approval_policy.as_deref(), Some("another"));
    }

    #[test]
    fn no_sandbox_is_read_from_a_head_without_a_complete_line_of_it() {
        let line = r#"{"type":"turn_context","payload":{"sandbox_policy":{"type":"read-only"}}}"#;
        for record in ["", "{}\n", line, r#"{"type":"other","payload":{"x":"\"turn_context\""}}"#, "{\n\n"] {
            assert_eq!(recorded_sandbox_in(record.as_bytes()), None, "{record}");
        }
        assert_eq!(recorded_sandbox_in(format!("{line}\n").as_bytes()).unwrap().sandbox, "read-only");
        let endless = std::io::repeat(b'x');
        assert_eq!(recorded_sandbox_in(endless), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_record_that_is_not_a_regular_file_is_not_opened() {
        let home = tempfile::tempdir().unwrap();
        let day = home.path().join("sessions/2026/11/22");
        std::fs::create_dir_all(&day).unwrap();
        let record = day.join(format!("rollout-x-{THREAD}.jsonl"));
        assert!(std::process::Command::new("mkfifo").arg(&record).status().unwrap().success());
        assert_eq!(all(home.path(), 100), []);
        std::fs::remove_file(&record).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &record).unwrap();
        assert_eq!(all(home.path(), 100), []);
    }

    #[test]
    fn neither_of_two_records_is_read() {
        let home = home_with(&[line("end", b"one")]);
        let planted = home.path().join("sessions/9999/12/31");
        std::fs::create_dir_all(&planted).unwrap();
        std::fs::write(planted.join(format!("rollout-x-{THREAD}.jsonl")), line("end", b"planted")).unwrap();
        assert_eq!(all(home.path(), 100), []);
    }

    /// Record with two pictures, compressed as Codex does it.
    const COMPRESSED: &[u8] = include_bytes!("../../__test__/fixtures/rollout.jsonl.zst");

    #[test]
    fn a_record_that_codex_compressed_is_read() {
        let home = home_with(&[]);
        let plain = home.path().join(format!("sessions/2026/11/22/rollout-2026-11-22T11-12-45-{THREAD}.jsonl"));
        let compressed = plain.with_extension("jsonl.zst");
        std::fs::write(&compressed, COMPRESSED).unwrap();
        assert_eq!(all(home.path(), 100), [], "the plain one is read while it exists");
        std::fs::remove_file(&plain).unwrap();
        let found = all(home.path(), 1000);
        assert!(found.iter().all(|recorded| crate::png::validate(&recorded.bytes).is_ok()));
        let prompts: Vec<_> = found.iter().map(|recorded| recorded.revised_prompt.as_deref()).collect();
        assert_eq!(prompts, [Some("a red fox"), Some("a blue fox")]);
        for extension in ["jsonl.zst.tmp", "jsonl.zst.compress.1.0.tmp", "jsonl.zst.zst"] {
            std::fs::rename(&compressed, plain.with_extension(extension)).unwrap();
            assert_eq!(all(home.path(), 100), [], "{extension}");
            std::fs::rename(plain.with_extension(extension), &compressed).unwrap();
        }
        let planted = home.path().join("archived_sessions");
        std::fs::create_dir(&planted).unwrap();
        std::fs::write(planted.join(format!("rollout-x-{THREAD}.jsonl")), line("end", b"planted")).unwrap();
        assert_eq!(all(home.path(), 100), [], "neither of two records is read");
    }

    /// Same as `encodeURIComponent`, except for the case of the hexadecimal digits.
    fn percent_encoded(base64: &str) -> String {
        base64.replace('+', "%2b").replace('/', "%2F").replace('=', "%3D")
    }

    #[test]
    fn a_result_is_decoded_from_every_form_of_base64() {
        for length in 1..100 {
            let picture: Vec<u8> = (0..length).collect();
            let text = BASE64.encode(&picture);
            let lines: Vec<_> = text.as_bytes().chunks(76).map(|line| str::from_utf8(line).unwrap()).collect();
            let forms = [
                text.trim_end_matches('=').to_owned(),
                lines.join("\n"),
                lines.join("\r\n") + "\r\n",
                format!("data:image/png;base64,{text}"),
                format!("\n DATA:image/png;charset=x;BASE64,\n{}", lines.join("\n\t").trim_end_matches('=')),
                format!("data:;charset=\"x\"; base64 ,{}", percent_encoded(&text)),
            ];
            for form in forms {
                assert_eq!(bytes_of(&form), picture, "{form}");
            }
        }
        for other in ["https://example.com/a.png", "data:image/svg+xml,<svg/>", "a,b", "QUJD!", "A"] {
            assert_eq!(bytes_of(other), other.as_bytes());
        }
    }

    #[test]
    fn a_picture_of_the_limit_is_read_despite_its_line_breaks() {
        let picture = vec![7; 2 << 20];
        let whole = BASE64.encode(&picture);
        let wrapped: Vec<_> = whole.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        let home = home_with(&[line("call", &picture).replace(&whole, &wrapped.join(r"\r\n"))]);
        assert_eq!(all(home.path(), 2 << 20).len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn reading_stops_when_it_is_cancelled() {
        let home = home_with(&[]);
        let record = home.path().join(format!("sessions/2026/11/22/rollout-2026-11-22T11-12-45-{THREAD}.jsonl"));
        // A sparse file that takes minutes to read.
        File::options().write(true).open(record).unwrap().set_len(1 << 40).unwrap();
        let (given_up, thread) = (CancellationToken::new(), ThreadId::parse(THREAD).unwrap());
        std::thread::scope(|scope| {
            let reading = scope.spawn(|| pictures(home.path(), &thread, 100, &given_up, |_| unreachable!()));
            given_up.cancel();
            reading.join().unwrap();
        });
    }

    #[test]
    fn a_change_is_reported_once() {
        let home = tempfile::tempdir().unwrap();
        let mut watcher = RecordWatcher::new(home.path(), &ThreadId::parse(THREAD).unwrap());
        assert!(!watcher.has_changed(), "there is no record");
        let day = home.path().join("sessions/2026/11/22");
        std::fs::create_dir_all(&day).unwrap();
        let record = day.join(format!("rollout-x-{THREAD}.jsonl"));
        for content in ["a", "ab"] {
            std::fs::write(&record, content).unwrap();
            assert!(watcher.has_changed());
            assert!(!watcher.has_changed());
        }
    }

    #[test]
    fn reading_stops_when_the_callback_breaks() {
        let home = home_with(&[line("end", b"one"), line("end", b"two")]);
        let mut count = 0;
        pictures(home.path(), &ThreadId::parse(THREAD).unwrap(), 100, &CancellationToken::new(), |_| {
            count += 1;
            ControlFlow::Break(())
        });
        assert_eq!(count, 1);
    }

    #[test]
    fn a_thread_without_a_record_has_no_picture() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(all(home.path(), 100), []);
    }
}
