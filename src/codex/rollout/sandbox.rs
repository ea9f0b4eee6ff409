//! Reads the sandbox in force from a rollout.

use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::READ_BYTES;
use super::locate::find;
use crate::codex::ThreadId;

/// Sandbox of the turn according to the rollout: the first line of type `turn_context`, which Codex
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

/// Longest beginning of a rollout that is searched for `turn_context`, in bytes. Instructions and
/// the user's `AGENTS.md` come before it.
const HEAD_BYTES: u64 = 8 << 20;

/// Reads the sandbox from the head of the thread's rollout. Returns `None` while Codex has not
/// written it. Blocks on the disk.
#[must_use]
pub fn recorded_sandbox(codex_home: &Path, thread: &ThreadId) -> Option<RecordedSandbox> {
    let (rollout, format) = find(codex_home, thread)?;
    recorded_sandbox_in(format.read(rollout))
}

/// Same as [`recorded_sandbox`], for an open rollout.
#[must_use]
pub fn recorded_sandbox_in(rollout: impl Read) -> Option<RecordedSandbox> {
    const MARKER: &[u8] = b"\"turn_context\"";
    let mut head = BufReader::with_capacity(READ_BYTES, rollout.take(HEAD_BYTES));
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
