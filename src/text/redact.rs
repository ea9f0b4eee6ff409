//! Redacts text before it is shown: secrets, personal identifiers, paths of the user's directories.
//!
//! [`RULES`], [`NAMED`] and [`LAST_RULES`] list every kind of secret with its source. To add one,
//! add it there, and a sample to the tests below.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use regex::{Captures, Regex};

use super::pattern::regex;
use super::printable::{SEQUENCES, printable};

/// Replacement for a secret.
const HIDDEN: &str = "[redacted]";

/// Pattern of one kind of secret. No pattern goes by length or randomness alone, so digests,
/// identifiers and addresses stay readable.
#[derive(Debug)]
pub struct Rule {
    /// Regular expression whose group is hidden, or of several groups the one that takes part.
    /// Names in braces stand for [`PARTS`]. Word boundaries are ASCII: with Unicode boundaries the
    /// fast regex engines give up at the first non-ASCII character.
    pub pattern: &'static str,
    /// Secrets that the rule hides.
    pub hides: &'static str,
    /// Specification or documentation of the format.
    pub source: &'static str,
}

/// Pattern of values that are secrets because of the name before them, as in `token: …`.
#[derive(Debug)]
pub struct Named {
    /// Regular expression of the name.
    pub name: &'static str,
    /// Regular expression of a value that is not in quotes, like [`Rule::pattern`].
    pub value: &'static str,
    /// Values that are hidden.
    pub hides: &'static str,
    /// Specification of the value.
    pub source: &'static str,
}

/// Secrets that their own format tells, or the text around them.
pub static RULES: [Rule; 19] = [
    Rule {
        pattern: concat!(
            r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----",
            r"((?:{break}(?:Proc-Type|DEK-Info|Version|Comment): [^\n\\]+)*(?:{break}[A-Za-z0-9+/=]{16,})+(?:{break}[A-Za-z0-9+/=]{1,15}{break}-----END)?)",
        ),
        hides: "private keys",
        source: "RFC 7468, RFC 1421 and RFC 9580, also with the line breaks escaped",
    },
    Rule {
        pattern: r"{start}(eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+)(?:\.[A-Za-z0-9_-]*){0,3})",
        hides: "JSON Web Tokens: Codex's access and id tokens",
        source: "RFC 7519, also without a signature, and encrypted ones (RFC 7516)",
    },
    Rule {
        pattern: r"{start}((?:sk|sess)[-_][A-Za-z0-9_*.-]{6,})",
        hides: "keys of OpenAI, Anthropic, Stripe and others, whole or masked, and sessions of OpenAI",
        source: "platform.openai.com/docs, and what Codex prints of a key",
    },
    Rule {
        pattern: r"{start}(rt(?:_|\.[0-9]\.)[A-Za-z0-9_.-]{6,})",
        hides: "refresh tokens of ChatGPT",
        source: "Codex's auth.json",
    },
    Rule {
        pattern: r"{start}((?:gh[opsur]|github_pat)_[A-Za-z0-9_]{6,})",
        hides: "tokens of GitHub",
        source: "docs.github.com: GitHub's token formats",
    },
    Rule {
        pattern: r"{start}(gl(?:pat|ptt|dt|rt|rtr|soat|ft|oas|cbt|agent|imt|ffct|wt)-[A-Za-z0-9_.-]{6,})",
        hides: "tokens of GitLab",
        source: "docs.gitlab.com: token prefixes",
    },
    Rule {
        pattern: r"{start}((?:xox[a-z]|xapp|xwfp)-[A-Za-z0-9.-]{6,})",
        hides: "tokens of Slack",
        source: "docs.slack.dev: token types",
    },
    Rule {
        pattern: r"hooks\.slack\.com/[a-z]+/([A-Za-z0-9/_-]+)",
        hides: "webhooks of Slack",
        source: "docs.slack.dev: incoming webhooks",
    },
    Rule {
        pattern: r"{start}((?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,})",
        hides: "access key ids of AWS",
        source: "docs.aws.amazon.com: IAM unique identifiers",
    },
    Rule {
        pattern: r"{start}((?:hf|api_org)_[A-Za-z0-9]{16,})",
        hides: "tokens of Hugging Face",
        source: "huggingface.co/docs: user access tokens",
    },
    Rule {
        pattern: r"{start}((?:npm|pypi|dckr_pat|gsk|r8|rk_(?:live|test)|dop_v1)[_-][A-Za-z0-9_-]{16,})",
        hides: "tokens of npm, PyPI, Docker, Groq, Replicate, Stripe and DigitalOcean",
        source: "docs.npmjs.com, pypi.org/help, docs.docker.com, console.groq.com, replicate.com, docs.stripe.com",
    },
    Rule {
        pattern: r"{start}((?:xai|nvapi|pplx)-[A-Za-z0-9_-]{16,})",
        hides: "keys of xAI, NVIDIA and Perplexity",
        source: "docs.x.ai, docs.nvidia.com, docs.perplexity.ai",
    },
    Rule {
        pattern: r"{start}(AIza[A-Za-z0-9_-]{20,}|ya29\.[A-Za-z0-9_.-]{6,}|GOCSPX-[A-Za-z0-9_-]{6,})",
        hides: "keys, access tokens and client secrets of Google",
        source: "cloud.google.com/docs/authentication",
    },
    Rule {
        pattern: r"[A-Za-z][A-Za-z0-9+.-]*://([^/\s?#\x00-\x1f]+)@",
        hides: "the user of a URL, whose password may hold an @ of its own",
        source: "RFC 3986, 3.2.1",
    },
    Rule {
        pattern: concat!(
            r"(?i)(?:(?:\(|\[{break}\[|\],{break}\[){break}b?\\*[\x22'][^\x22'\s]*(?:{any})\\*[\x22']{break},{break}",
            r"{quoted}\\*[\x22']{break},?{break}[)\]]",
            r"|(?:name|key|header)\\*[\x22']?{break}[:=]{break}\\*[\x22'][^\x22'\s]*(?:{any})\\*[\x22']{break},?{break}",
            r"\\*[\x22']?value\\*[\x22']?{break}[:=]{break}{quoted}",
            r"|name[ \t]*:[ \t]*[^\x22'\s]*(?:{any})(?:\n|\\+n)[ \t]*value[ \t]*:[ \t]*(?:{quoted}|({word}))",
            r"|<[a-z0-9:._-]*(?:{any})(?:\s[^<>]*)?>([^<>]+)</)",
        ),
        hides: "values beside such a name: in pairs, in members called name and value, in XML",
        source: "headers in Python and Rust's Debug, variables of containers in JSON and YAML, answers of AWS",
    },
    Rule {
        pattern: r"(?i)--[a-z0-9-]*(?:token|secret|password|passphrase|api-?key|access-?key|cookie)[ \t]+(?:{quoted}|({word}))",
        hides: "secrets on a command line",
        source: "the options of npm, docker, vault and others",
    },
    Rule {
        pattern: r#"(?:[?&]|&amp;|\\+u0026)(?:code|key|sig|[Ss]ignature|auth)=([^\s"'&#\\<>)]+)"#,
        hides: "codes, keys and signatures in the query of a URL",
        source: "RFC 6749, 4.1.2; cloud.google.com; learn.microsoft.com: shared access signatures",
    },
    Rule {
        pattern: r"(?i){start}(?:bearer|basic|negotiate|ntlm)[ \t]+([A-Za-z0-9._~+/-]{16,}=*)",
        hides: "credentials without the name of their header",
        source: "RFC 6750, RFC 7617, RFC 4559",
    },
    Rule {
        pattern: concat!(
            r"(?i){start}digest[ \t]+((?:username|realm|nonce|uri|response|qop|algorithm|opaque|cnonce|nc)=",
            r"{value}(?:[ \t]*,[ \t]*{parameter})*)",
        ),
        hides: "digests without the name of their header",
        source: "RFC 7616",
    },
];

/// Secrets, persons and accounts that a name tells.
pub static NAMED: [Named; 3] = [
    Named {
        name: "authorization",
        value: concat!(
            r"((?:{schemes}[ \t]+)?{parameter}{more}",
            // An unknown scheme.
            r"|(?-i:[A-Z])[a-z0-9_-]*[ \t]+(?:[a-z0-9._~+/-]+:)?[a-z0-9._~+-][a-z0-9._~+/-]{15,}=*",
            r"|(?:{schemes}[ \t]+)?{word})",
        ),
        hides: "the credentials of any scheme, with all parameters",
        source: "RFC 9110, 11.4",
    },
    Named { name: "cookies?", value: "({cookie}{more})", hides: "all cookies", source: "RFC 6265, 4" },
    Named {
        name: "{names}",
        value: r"((?:bearer[ \t]+)?{word})",
        hides: "one word behind any other name, also after `Bearer`",
        source: "RFC 6749, 5.1; environment variables",
    },
];

/// Values that every name may have, and Rust's constructors around them: a block of YAML, a word on
/// the next line, all that is quoted, and lists of that.
const ANY_VALUE: &str = concat!(
    r"([|>][+-]?[ \t]*(?:(?:\n|\\+n)[ \t]+[^\n\\]+)+)|(?:\n|\\+n)[ \t]+([A-Za-z0-9+/=_.-]{16,})",
    "|{break}{quoted}",
);

/// Rules for a text in which [`RULES`] and [`NAMED`] are already applied.
pub static LAST_RULES: [Rule; 2] = [
    Rule {
        pattern: r"([\w.%+-]+(?:@|%40)[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,})",
        hides: "e-mail addresses: Codex logs that of the account with RUST_LOG=trace",
        source: "RFC 5322, as far as it is in use",
    },
    Rule {
        pattern: r"((?:eyJ[A-Za-z0-9_-]{8,}\.)?\[redacted\][A-Za-z0-9_*-]+|eyJ[A-Za-z0-9_-]{8,}\.\[redacted\])",
        hides: "what is left of a secret that an escape sequence had torn",
        source: "this module",
    },
];

/// Parts that patterns share.
const PARTS: [(&str, &str); 16] = [
    // Further parameters of an authorization, further cookies.
    ("{more}", r"(?:[ \t]*,[ \t]*{parameter}|;[ \t]*{cookie})*"),
    ("{any}", "authorization|cookies?|{names}"),
    (
        "{names}",
        concat!(
            r"token|secret|passw(?:or)?d|_pwd|passphrase|passcode|credentials?|(?:{start}|_)_auth|code[_-]?verifier",
            "|(?:access|account|api|auth|encryption|master|private|secret|session|shared|signing|subscription)[ _-]?key",
            r#"(?:[ _-]?id|s\\*")?"#,
            "|(?:auth|authorization|device|user)[_-]?code",
            "|x-(?:amz|goog)-(?:signature|credential)",
            "|e[_-]?mail(?:[ _-]?address)?|openai-(?:organization|project)",
            "|(?:account|device|installation|org|organi[sz]ation|user|workspace)[ _-]?id",
        ),
    ),
    // Quotes and signs, also percent-encoded, as HTML entities, and as JSON escapes them.
    (
        "{is}",
        concat!(
            r#"(?:[\\"']|{quote})*[ \t\u{a0}]*(?:=>|:=|[:=\u{ff1a}\u{ff1d}]|%3[ad]|\\+u003[ad])[ \t\u{a0}]*"#,
            r"(?:%20|{quote})*",
        ),
    ),
    ("{quote}", r"%22|%27|%5c|&quot;|&#3[49];|&#x2[27];|\\+u002[27]"),
    (
        "{quoted}",
        concat!(
            r#"(?:b?"""([^"]+)|b?"((?:[^"\\\n]|\\[^\n])+)|b?['`]([^'`\n]+)"#,
            r#"|b?\\+"((?:[^"\\\n]|\\+[^"'\\\n])+)|b?\\+'((?:[^'\\\n]|\\+[^"'\\\n])+)"#,
            r"|(\[{break}{element}(?:{break},{break}{element})*{break}\]?))",
        ),
    ),
    ("{element}", r#"b?(?:"(?:[^"\\\n]|\\[^\n])*"|\\+"[^"\n]*"|\\*'[^'\n]*')"#),
    ("{word}", r#"[^\s"'`\\,;&)}<\x00-\x1f\x7f-\u{9f}]+"#),
    ("{schemes}", "(?:bearer|basic|digest|negotiate|ntlm|hawk|dpop|oauth|token|api-?key|aws4-hmac-sha256)"),
    ("{parameter}", r"[A-Za-z0-9_-]+[ \t]*=[ \t]*{value}"),
    ("{cookie}", r#"[^\s;,"'`=)}\\\x00-\x1f]+(?:[ \t]*=[ \t]*(?:\\*"[^"\n]*"|{bare}*(?:,{bare}+)*))?"#),
    ("{value}", r#"(?:\\*"[^"\n]*"|{bare}+)"#),
    ("{bare}", r#"[^\s;,"'\\\x00-\x1f]"#),
    // A call or constructor around the value, as in str("…") and Some(…).
    ("{call}", r"(?:[a-z_]\w*\()"),
    // White space, also with its line breaks escaped.
    ("{break}", r"(?:\s|\\+[nrt])*"),
    // The start of a word, also after an escaped character.
    ("{start}", r"(?:(?-u:\b)|\\[nrt]|%[0-9A-Fa-f]{2})"),
];

/// The rules, compiled.
struct Patterns {
    rules: [Regex; RULES.len()],
    /// Each name, up to its value, and the value.
    named: [(Regex, Regex); NAMED.len()],
    last_rules: [Regex; LAST_RULES.len()],
}

static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    let compiled =
        |pattern: &str| regex(&PARTS.iter().fold(pattern.to_owned(), |text, (name, part)| text.replace(name, part)));
    // A call around quotes needs its closing bracket: without it, `pa55(` in `"A=pa55(","B=c"`
    // would be taken for a call, and the quotes behind it for its argument.
    let value = |value| {
        format!(r#"^(?i:(?-i:[A-Z]\w*\()*(?:{ANY_VALUE})|{{call}}+{{quoted}}\\*["']{{break}}\)|{{call}}*{value})"#)
    };
    Patterns {
        rules: RULES.each_ref().map(|rule| compiled(rule.pattern)),
        named: NAMED
            .each_ref()
            .map(|named| (compiled(&format!("(?i)(?:{}){{is}}", named.name)), compiled(&value(named.value)))),
        last_rules: LAST_RULES.each_ref().map(|rule| compiled(rule.pattern)),
    }
});

/// Returns the text printable and without secrets.
#[must_use]
pub fn redact(text: &str) -> String {
    Redactor::default().redact(text)
}

/// Removes secrets and the paths of the user's directories from text. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    /// Paths and their replacements, longest path first.
    directories: Arc<[(String, &'static str)]>,
}

impl Redactor {
    /// Creates a redactor that also replaces `directories`, each by the given text.
    ///
    /// Blocks on the disk: resolves links, since a program may print the path without links.
    #[must_use]
    pub fn new(directories: &[(PathBuf, &'static str)]) -> Self {
        let mut spelled: Vec<_> = directories
            .iter()
            .flat_map(|(path, replacement)| spellings(path).map(|path| (path, *replacement)))
            .collect();
        spelled.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        Self { directories: spelled.into() }
    }

    /// Returns the text printable, without secrets, and with the directories replaced.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let text = without_sequences(without_sequences(text.into(), &SEQUENCES), &ESCAPED_SEQUENCES);
        let text = match printable(&text) {
            Cow::Borrowed(text) => Cow::Borrowed(text),
            // Redacts before and after: the removed characters may have split a secret, or have
            // been all that was between a word and a secret.
            Cow::Owned(_) => Cow::Owned(printable(&hide(text)).into_owned()),
        };
        hide(self.without_directories(text)).into_owned()
    }

    fn without_directories<'t>(&self, text: Cow<'t, str>) -> Cow<'t, str> {
        self.directories.iter().fold(text, |text, (path, to)| match replaced(&text, path, to) {
            Some(replaced) => replaced.into(),
            None => text,
        })
    }
}

/// Colours and other CSI sequences in which the escape character is itself escaped, as JSON, Rust's
/// Debug and both together write it.
static ESCAPED_SEQUENCES: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i)(?:\\+(?:u001b|u\{1b\}|x1b)\[[0-?]*[@-~])+"));

/// Removes terminal sequences. Leaves a NUL, which [`printable`] removes, for one between two
/// words: without it a secret would be taken for the end of the word before.
fn without_sequences<'t>(text: Cow<'t, str>, sequences: &Regex) -> Cow<'t, str> {
    let replaced = sequences.replace_all(&text, |found: &Captures<'_>| {
        let found = found.get_match();
        let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
        let (before, after) = (&text[..found.start()], &text[found.end()..]);
        if before.ends_with(is_of_word) && after.starts_with(is_of_word) { "\0" } else { "" }
    });
    match replaced {
        Cow::Borrowed(_) => text,
        Cow::Owned(replaced) => replaced.into(),
    }
}

/// Whether any rule could apply: every match holds one of these characters, or a word of at least
/// 11 bytes. Most progress messages have neither, which saves compiling the rules (about 10 ms).
fn may_hold_secrets(text: &str) -> bool {
    !text.is_ascii()
        || text.bytes().any(|byte| b"-_:=@\"'<".contains(&byte))
        || text.split_whitespace().any(|word| word.len() >= 11)
}

/// Applies the rules until nothing changes: once a secret is hidden, a rule may match the text
/// around it.
fn hide(mut text: Cow<'_, str>) -> Cow<'_, str> {
    if !may_hold_secrets(&text) {
        return text;
    }
    for _ in 0..MAX_PASSES {
        let Some(hidden) = hide_once(&text) else { break };
        text = hidden.into();
    }
    text
}

/// A limit, which no known text reaches.
const MAX_PASSES: usize = 4;

/// Returns the text without its secrets, or `None` if that is the same text.
fn hide_once(text: &str) -> Option<String> {
    let hidden = without(text, secrets_of(&PATTERNS.rules, text).chain(named_secrets(text)).collect());
    let last = secrets_of(&PATTERNS.last_rules, &hidden).collect();
    let hidden = without(&hidden, last);
    (hidden != text).then(|| hidden.into_owned())
}

/// Finds what the rules hide.
fn secrets_of<'t>(rules: &'t [Regex], text: &'t str) -> impl Iterator<Item = Range<usize>> {
    rules.iter().flat_map(|rule| rule.captures_iter(text).filter_map(|found| secret_in(&found, 0)))
}

/// Finds the values behind names.
fn named_secrets(text: &str) -> Vec<Range<usize>> {
    let mut names: Vec<_> = PATTERNS
        .named
        .iter()
        .flat_map(|(name, value)| name.find_iter(text).map(move |name| (name.end(), value)))
        .collect();
    names.sort_by_key(|(end, _)| *end);
    let mut covered = 0;
    let mut secrets = Vec::new();
    for (start, value) in names {
        // The value of another name contains this one, and is hidden.
        let limit = if start < covered { MAX_NESTED_BYTES } else { usize::MAX };
        let searched = &text[start..text.floor_char_boundary(start.saturating_add(limit))];
        let Some(found) = value.captures(searched) else { continue };
        let Some(secret) = secret_in(&found, start) else { continue };
        covered = covered.max(secret.end);
        secrets.push(secret);
    }
    secrets
}

/// How much of the text is searched for the value of a name that is itself hidden. The limit keeps
/// the time linear: with it, 32 KiB of `token=` take less than a second.
const MAX_NESTED_BYTES: usize = 4 << 10;

/// Returns the place of the first group that takes part, unless it is a placeholder. `start` is the
/// place of the text that was searched.
fn secret_in(found: &Captures<'_>, start: usize) -> Option<Range<usize>> {
    let secret = found.iter().skip(1).flatten().next()?;
    (!is_no_secret(secret.as_str())).then(|| start + secret.start()..start + secret.end())
}

/// Replaces the secrets by [`HIDDEN`], and by only one where they overlap or have only spaces
/// between them. All are found first, so that none hides the name or the quotes of another one.
fn without(text: &str, mut secrets: Vec<Range<usize>>) -> Cow<'_, str> {
    if secrets.is_empty() {
        return text.into();
    }
    secrets.sort_by_key(|secret| secret.start);
    let mut shown = String::with_capacity(text.len());
    let mut end = 0;
    for secret in secrets {
        let between = text.get(end..secret.start);
        if end == 0 || between.is_some_and(|between| !between.bytes().all(|byte| byte == b' ')) {
            shown.push_str(between.unwrap_or_default());
            shown.push_str(HIDDEN);
        }
        end = end.max(secret.end);
    }
    shown.push_str(&text[end..]);
    shown.into()
}

/// Values that are no secrets: programs print them for an absent or faulty one.
const PLACEHOLDERS: [&str; 14] = [
    "none",
    "null",
    "nil",
    "true",
    "false",
    "undefined",
    "empty",
    "missing",
    "required",
    "invalid",
    "expired",
    "enabled",
    "found",
    "eof",
];

/// Whether the text is one of [`PLACEHOLDERS`], a bracket (of a parser's message), or an HTTP
/// status, as in "Failed to refresh token: 503 Service Unavailable".
fn is_no_secret(text: &str) -> bool {
    PLACEHOLDERS.iter().any(|placeholder| text.eq_ignore_ascii_case(placeholder))
        || ["{", "}", "[", "]", "(", ")", "<", ">"].contains(&text)
        || text.parse().is_ok_and(|status: u16| matches!(status, 400..=599))
}

/// Spellings of a directory in text: as given and without links, each plain, escaped and as part
/// of a URL. Empty for the root of a file system.
fn spellings(path: &Path) -> impl Iterator<Item = String> {
    let real = dunce::canonicalize(path).ok();
    let own = [Some(path.to_path_buf()), real].into_iter().flatten().filter(|path| path.parent().is_some());
    own.flat_map(|path| {
        // Normalises trailing and doubled separators.
        let path = path.components().collect::<PathBuf>().to_string_lossy().into_owned();
        let quoted = path.contains('\\').then(|| path.replace('\\', r"\\"));
        let slashed = (cfg!(windows) && path.contains('\\')).then(|| path.replace('\\', "/"));
        let in_url = in_url(slashed.as_ref().unwrap_or(&path));
        [Some(path), quoted, slashed, Some(in_url)].into_iter().flatten()
    })
}

/// Percent-encodes a path.
fn in_url(path: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~:".contains(&byte);
    path.bytes().map(|byte| if is_plain(byte) { char::from(byte).into() } else { format!("%{byte:02X}") }).collect()
}

/// Replaces each `path` in the text with `to`, unless the path is only a part of a longer name.
/// None if nothing was replaced.
fn replaced(text: &str, path: &str, to: &str) -> Option<String> {
    // Ignores the case where the system does. Only ASCII, so that the length stays the same.
    let folded =
        |text: &str| if cfg!(any(windows, target_os = "macos")) { text.to_ascii_lowercase() } else { text.to_owned() };
    let (searched, path) = (folded(text), folded(path));
    let is_of_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let goes_on = |at: usize| text[at..].starts_with(is_of_name);
    // A path of one component is easily the end of another one, such as `image/a`.
    let is_short = path.matches('/').count() == 1;
    let is_end = |at: usize| {
        let before = &text[..at];
        let is_escaped = ["\\n", "\\r", "\\t"].into_iter().any(|escape| before.ends_with(escape));
        is_short && !is_escaped && before.ends_with(|c| is_of_name(c) || c == '.')
    };
    let (mut shown, mut from) = (String::new(), 0);
    for (at, _) in searched.match_indices(&path) {
        let end = at + path.len();
        if !goes_on(end) && !is_end(at) {
            shown.push_str(&text[from..at]);
            shown.push_str(to);
            from = end;
        }
    }
    if from == 0 {
        return None;
    }
    shown.push_str(&text[from..]);
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds a made-up secret at run time, so that secret scanners do not report this file.
    fn made_up(prefix: &str) -> String {
        format!("{prefix}{}", "aB3xY9".repeat(7))
    }

    /// The made-up part of [`made_up`].
    const MADE_UP: &str = "aB3xY9";

    /// Prefixes of tokens and keys.
    const PREFIXES: &[&str] = &[
        "sk-proj-",
        "sk-ant-api03-",
        "sk_live_",
        "sess-",
        "rt_",
        "rt.1.",
        "ghp_",
        "gho_",
        "ghs_",
        "ghu_",
        "ghr_",
        "github_pat_",
        "glpat-",
        "glptt-",
        "gldt-",
        "glrt-",
        "xoxb-1234-",
        "xoxp-",
        "xoxe.xoxp-1-",
        "xapp-1-",
        "hf_",
        "api_org_",
        "npm_",
        "pypi-",
        "dckr_pat_",
        "gsk_",
        "r8_",
        "rk_live_",
        "xai-",
        "nvapi-",
        "pplx-",
        "AIza",
        "ya29.",
        "GOCSPX-",
        "https://hooks.slack.com/services/T0/B0/",
    ];

    /// Names of secrets.
    const NAMES: &[&str] = &[
        "access_token",
        "refreshToken",
        "id-token",
        "token",
        "Token",
        "secret",
        "client_secret",
        "password",
        "passwd",
        "passphrase",
        "api_key",
        "API key",
        "apikey",
        "OPENAI_API_KEY",
        "GITHUB_TOKEN",
        "HF_TOKEN",
        "NPM_TOKEN",
        "aws_secret_access_key",
        "AWS_SESSION_TOKEN",
        "SecretAccessKey",
        "AccountKey",
        "x-api-key",
        "_authToken",
        "_auth",
        "credential",
        "X-Amz-Signature",
        "code_verifier",
        "device_code",
        "cookie",
        "Set-Cookie",
        "authorization",
        "Proxy-Authorization",
        "chatgpt_account_id",
        "chatgpt-account-id",
        "user.account_id",
        "accountId",
        "user_id",
        "email",
        "user.email",
    ];

    /// Texts with a secret in the place of `{}`.
    const TEXTS: &[&str] = &[
        "Cookie: a=1; b={}",
        "cookie: a=1; __Secure-b={}; c=3",
        "Cookie: a=\"x y\"; b={}",
        "\"access_token\":\n\\\"refresh_token\\\":\\\"{}\\\"",
        "Cookie: a=1; b(Cookie: a=1; b={}",
        "Cookie: a=1; b(Authorization: Bearer {}",
        "Authorization: Digest a=1, b=1(Cookie: a=1; b={}",
        "\"cookie\": \"a=1; b={}\"",
        "\"set-cookie\": [\"a=1\", \"b={}\"]",
        "cookie: a = 1; b = {}",
        "\\\"cookie\\\":\\\"a=1; b={}\\\"",
        "Authorization: Bearer {}",
        "authorization: bearer {}",
        "Authorization: Basic {}==",
        "\"authorization\": \"Bearer {}\"",
        "access_token: Bearer {}",
        "api-key: Digest username=\"u\", response=\"{}\"",
        "Authorization: Digest username=\"u\", realm=\"r r\", response=\"{}\"",
        "Authorization: Digest username=\"{}\", uri=\"/\", qop=auth, response=\"0\"",
        "\\\"authorization\\\": Digest username=\\\"u\\\", response=\\\"{}\\\"",
        "Digest username=\"u\", response=\"{}\"",
        "digest nonce={}, qop=auth",
        "Authorization: AWS4-HMAC-SHA256 Credential=A/b, SignedHeaders=host;x-date, Signature={}",
        "Bearer {}",
        // Colours, as JSON and Rust's Debug write them.
        r"Bearer\u001b[0m \u001b[1m{}",
        r"Bearer\\u001b[0m \\u001b[1m{}",
        r"Authorization:\u{1b}[0m\x1b[1m {}",
        "basic {}=",
        "GET /x?a=1&code={}&state=2",
        "https://example.org/x?key={}#y",
        "https://user:{}@proxy.example:8080/",
        "https://user:a@{}@proxy.example:8080/",
        "postgres://{}@db.example/x",
        "--token {}",
        "--token Bearer {}",
        "--api-key \"a b {}\"",
        "--registry-password={}",
        "-----BEGIN RSA PRIVATE KEY-----\n{}\n{}\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\\n{}\\n-----END PRIVATE KEY-----\\n",
        "write to {}@mail.example.org",
        "secret: authorization: Bearer {}",
        "authorization: password: {}",
        "cookie: password = {}",
        "cookie: \\\"refresh_token\\\":\\\"{}\\\"",
        "\"set-cookie\": [\"a=1; csrf_token=\", \"session={}\"]",
        "\"set-cookie\": [\"a=\\\"x y\\\"; b={}\"]",
        "Cookie: a=1,2; b={}",
        "Authorization: Digest username=\"u\", realm=\"Your password:\", response=\"{}\"",
        "Authorization: Key {}",
        "Authorization:[Bearer {}]",
        "DB_PASSWORD={}( \"x\"",
        "DB_PASSWORD=a(\ntoken={}",
        "[(b'Set-Cookie', b'a={}; path=/')]",
        "{'X-Api-Key': b'{}'}",
        "(\n    \"cookie\",\n    \"a={}\",\n)",
        "token: V1(\"{}\")",
        "token: str('{}')",
        "Proxy-Authorization: Some(Basic {})",
        "{proxy-authorization: Sensitive(Bearer {})}",
        "\"Env\":[\"DB_PASSWORD={}(\",\"PATH=/bin\"]",
        "[(\\\"authorization\\\", b\\\"Basic {}\\\")]",
        "{ name: \\\"authorization\\\", value: b\\\"Basic {}\\\" }",
        "Authorization: Key id:{}",
        "token: Some(\n    \"{}\",\n)",
        "- name: API_TOKEN\n  value: {}",
        "- name: API_TOKEN\n  value: \"{}\"",
        "\\u0022token\\u0022:\\u0022{}\\u0022",
        "token\\u003d{}",
        "https://example.org/?se=1\\u0026sig={}",
        "https://example.org/?se=1&amp;sig={}",
        "https://example.org/?Expires=1&Signature={}",
        "{&#x27;token&#x27;: &#x27;{}&#x27;}",
        "<wsse:Password Type=\"x\">{}</wsse:Password>",
        "npm_config__auth={}",
        "\"api_keys\": [\"{}\"]",
        "api_key = \"\"\"{}\"\"\"",
        "{\\\"password\\\":\\\"it's-{}\\\"}",
        "{\\\"password\\\":\\\"a\\\\n{}\\\"}",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{}\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n{}\n-----END RSA PRIVATE KEY-----",
        "cookie: a=b; client-secret= \\\"refresh_token\\\":\\\"{}\\\" \"x\"",
        "Authorization: Digest nc=1, qop=\"x\" , realm=\"cookie\": \"{}\"",
        // Lists, on one line and on several.
        "\"set-cookie\" : [ \"a=1\", \"b={}\" ]",
        "\"set-cookie\": [\n  \"a=1\",\n  \"b={}\"\n]",
        "\\\"set-cookie\\\": [ \\\"a=1\\\", \\\"b={}\\\" ]",
        "\"token\":\n    \"{}\"",
        // YAML.
        "token:\n  {}",
        "client_secret: |\n  {}\n  {}\nend: 1",
        "password: >-\n  a b {}",
        // Pairs, as Rust's Debug and others print headers and variables.
        "Some(\"client_secret: |\\\\n  {}\\\\nend\")",
        "Some(\"\\\"set-cookie\\\": [\\n \\\"a=1\\\",\\n \\\"b={}\\\"\\n]\")",
        "[(\"authorization\", \"Bearer {}\"), (\"x\", \"y\")]",
        "[[\"cookie\", \"a={}\"]]",
        "Header { name: \"authorization\", value: \"{}\" }",
        "{\"name\":\"AWS_SECRET_ACCESS_KEY\",\"value\":\"{}\"}",
        "{ \\\"name\\\" : \\\"HF_TOKEN\\\", \\\"value\\\" : \\\"{}\\\" }",
        "<add key=\"ApiKey\" value=\"{}\"/>",
        "token: Some(Token(\"{}\"))",
        "authorization: b\"{}\"",
        // XML: what AWS answers.
        "<SessionToken>{}</SessionToken>",
        "<sts:SecretAccessKey>{}</sts:SecretAccessKey>",
        // Percent-encoded, and as HTML entities.
        "x%3D1%26access_token%3D{}",
        "%7B%22token%22%3A%22{}%22%7D",
        "{&quot;token&quot;:&quot;{}&quot;}",
        "{&#34;token&#34;: &#34;{}&#34;}",
        "to=me+{}%40example.org",
        "write to {}@b\u{fc}cher.example.org",
        // Colons and spaces of other scripts.
        "token\u{ff1a}{}",
        "token\u{a0}: {}",
        "account id: {}",
        "MYSQL_PWD={}",
        "openai-organization: org-{}",
        "curl --cookie \"a={}\"",
    ];

    /// Texts with a secret, at least one for each rule, and the part that must not be shown.
    fn secrets() -> Vec<(String, &'static str)> {
        let jwt = format!("{}.{}.c2ln", made_up("eyJ"), made_up("eyJ"));
        let plain = PREFIXES.iter().map(|prefix| (made_up(prefix), MADE_UP));
        let named = NAMES.iter().flat_map(|name| {
            let value = made_up("");
            [
                format!("{name}={value}"),
                format!("{name}: {value}"),
                format!("{name} = \"{value}\""),
                format!("{name}: Some(\"{value}\")"),
                format!("{{\"{name}\":\"{value}\",\"x\":1}}"),
                format!("{{ '{name}' : '{value}' }}"),
                format!("Some(\"{{\\\"{name}\\\":\\\"{value}\\\"}}\")"),
                format!("{name}=\"a b {value}\""),
                format!("{name}: \"a \\\" b {value}\""),
                format!("{name} => {value}"),
                format!("{name}: {name}: {value}"),
            ]
            .map(|text| (text, MADE_UP))
        });
        let texts = TEXTS.iter().map(|text| (text.replace("{}", &made_up("")), MADE_UP));
        let others = [
            (format!("{jwt} end"), MADE_UP),
            (format!("AKIA{}", "Z9Q7".repeat(4)), "Z9Q7"),
            (format!("ASIA{}", "Z9Q7".repeat(4)), "Z9Q7"),
            ("API key configured - sk-abc***xyz".to_owned(), "abc"),
            ("password = hunter2".to_owned(), "hunter2"),
            ("access_token: Bearer hunter2".to_owned(), "hunter2"),
            ("Authorization: Some(Basic hunter2)".to_owned(), "hunter2"),
            ("[(\\\"authorization\\\", b\\\"Basic hunter2\\\")]".to_owned(), "hunter2"),
            ("DB_PASSWORD=hunter2(\", \"x\"".to_owned(), "hunter2"),
            ("token=hunter2".to_owned(), "hunter2"),
            ("my secret: hunter2".to_owned(), "hunter2"),
            ("Basic authorization: hunter2".to_owned(), "hunter2"),
            ("account someone@example.org".to_owned(), "someone"),
        ];
        plain.chain(named).chain(texts).chain(others).collect()
    }

    /// Text before and after a secret.
    const AROUND: [(&str, &str); 17] = [
        ("", ""),
        ("before ", " after"),
        ("(", ")"),
        ("\"", "\""),
        ("\n", "\n"),
        ("clé", " clé"),
        ("\u{1b}[31m", "\u{1b}[0m"),
        ("\u{1b}[ ", "\u{1b}["),
        ("\\u001b[31m", "\\u001b[0m"),
        // A word that ends where the colour begins.
        ("Using\u{1b}[32m", "\u{1b}[0m"),
        ("Using\u{9b}32m", "\u{9b}0m"),
        ("Using\u{1b}]0;title\u{7}", "\u{7}"),
        ("Using\\u001b[32m", "\\u001b[0mand"),
        ("Using\\x1b[32m", "\\u{1b}[0mand"),
        // As JSON and Rust's Debug write line breaks and tabs.
        ("a\\n", "\\nb"),
        ("\\t", "\\r\\n"),
        ("%20", " "),
    ];

    #[test]
    fn hides_every_secret() {
        for (text, secret) in secrets() {
            for (before, after) in AROUND {
                let text = format!("{before}{text}{after}");
                let shown = redact(&text);
                assert!(!shown.contains(secret), "{text:?} -> {shown:?}");
                assert!(shown.contains(HIDDEN), "{text:?} -> {shown:?}");
                assert_eq!(redact(&shown), shown, "redacting twice changes nothing: {text:?}");
            }
        }
    }

    #[test]
    fn hides_a_secret_after_another_secret() {
        let secrets = secrets();
        for (first, _) in secrets.iter().step_by(17) {
            for (text, secret) in secrets.iter().step_by(11) {
                let text = format!("{first} {text}");
                let shown = redact(&text);
                assert!(!shown.contains(secret), "{text:?} -> {shown:?}");
                assert_eq!(redact(&shown), shown, "{text:?}");
            }
        }
    }

    #[test]
    fn hides_a_secret_split_by_invisible_characters() {
        let secret = made_up("sk-proj-");
        for torn in ["\u{1b}[0m", "\0", "\u{200b}", "\u{1b}[1 q", "\u{9b}1m", "\u{ad}", "\u{1b}"] {
            for at in 0..secret.len() {
                let (head, tail) = secret.split_at(at);
                for text in [format!("key {head}{torn}{tail} end"), format!("password={head}{torn}{tail} end")] {
                    let shown = redact(&text);
                    assert!(!shown.contains(MADE_UP) && shown.ends_with(" end"), "{text:?} -> {shown:?}");
                }
            }
        }
    }

    #[test]
    fn skips_the_rules_only_for_text_that_no_rule_matches() {
        assert!(!may_hold_secrets(""));
        assert!(!may_hold_secrets("Codex draws 1 of 2 pictures; characters are short"));
        for (text, _) in secrets() {
            assert!(may_hold_secrets(&text), "{text:?}");
        }
    }

    #[test]
    fn every_rule_matches_a_sample() {
        let secrets = secrets();
        let rules = RULES.iter().zip(&PATTERNS.rules).chain(LAST_RULES.iter().zip(&PATTERNS.last_rules));
        for (rule, pattern) in rules {
            assert!(!rule.hides.is_empty() && !rule.source.is_empty());
            let is_found = secrets.iter().any(|(text, _)| pattern.is_match(text)) || rule.pattern.contains("redacted");
            assert!(is_found, "no text here has {}", rule.hides);
        }
        for (named, (name, value)) in NAMED.iter().zip(&PATTERNS.named) {
            assert!(!named.hides.is_empty() && !named.source.is_empty());
            let is_found =
                secrets.iter().any(|(text, _)| name.find_iter(text).any(|name| value.is_match(&text[name.end()..])));
            assert!(is_found, "no text here has {}", named.name);
        }
    }

    #[test]
    fn leaves_harmless_text_unchanged() {
        let hex = "0123456789abcdef".repeat(4);
        let base64 = "iVBORw0KGgoAAAANSUhEUgAABAAAAAQACAIAAADwf7zU".repeat(200);
        for text in [
            "ERROR codex_core::tools::router: error=image generation failed: http 429 Too Many Requests\n\tat task-runner",
            "see https://example.org/a@b and https://example.org/x?size=3&page=2#top",
            "url: https://chatgpt.com/backend-api/codex/responses, cf-ray: 8f1e2d3c4b5a6978-FRA, request id: req_0123456789",
            "unexpected status 401 Unauthorized: Missing bearer or basic authentication in header",
            "thread 019e5f2a-7c44-7bb0-9d3e-0123456789ab, session_id: 019e5f2a-7c44-7bb0-9d3e-0123456789ac",
            "thread_id=019e5f2a-7c44-7bb0-9d3e-0123456789ab turn_id=5 call_id=call_abcDEF0123456789abcDEF01",
            "input_tokens: 1200, max_tokens=4096, total_tokens: 1300, tokenizer: o200k",
            "sk-learn rt-kernel npm_config_registry hf_hub_download basic PNG, the digest of a bearer of secrets",
            "pull mcr.example.org/x@sha256:0123456789abcdef and left-pad@1.3.0, @openai/codex@0.169.0-linux-x64",
            "TOML parse error at line 1, column 9: unknown variant `hihg`, expected one of `low`, `high`",
            "a fox 🦊 in Zürich, 狐狸, and a family 👨‍👩‍👧",
            "requires_openai_auth: yes, auth_mode=\"Chatgpt\" auth.header_name=\"authorization\" endpoint=\"/models\"",
            "PWD=. OLDPWD=- keyboard: qwerty monkey: banana",
            "Invalid option `env.OPENAI_API_KEY`: it must be a string, not a number.",
            "Failed to refresh token: 503 Service Unavailable: upstream, tokens used: 1234",
            "secret: none, authorization: None, password: required, token: expired, api key: missing",
            "expected a token: `}`, unexpected token: '<', unexpected token: EOF, Invalid 'refresh_token': empty string",
            "Failed to refresh token: 401 Unauthorized: refresh token invalid or expired. Invalid refresh token: expired",
            "token: Some(None), api key: Err(Expired), secret: Err(503), password: Ok(None)",
            "POST https://api.openai.com/v1/api-keys: connection refused, access keys: quota exceeded",
            "key: api_key, value: must be text, header: authorization, value: not a string, name: TOKEN value: unset",
            "start rt-kernel, a secret garden: a painting, token limit, token_type: Bearer, [\"token\", \"secret\"]",
            "[\"token\", \"secret\", \"password\"], name: \"x\", value: \"y\", <token> is missing, <b>bold</b>",
            &format!("sha256 {hex}, sha1 {}, md5 {}", &hex[..40], &hex[..32]),
            &format!("data:image/png;base64,{base64}"),
            &"a long harmless sentence about nothing in particular. ".repeat(400),
        ] {
            assert_eq!(redact(text), text);
        }
    }

    #[test]
    fn keeps_the_text_beside_a_secret() {
        for (text, shown) in [
            ("{\"access_token\":\"abc\",\"expires_in\":1}", "{\"access_token\":\"[redacted]\",\"expires_in\":1}"),
            ("{\\\"token\\\":\\\"abc\\\",\\\"x\\\":1}", "{\\\"token\\\":\\\"[redacted]\\\",\\\"x\\\":1}"),
            ("token=abc, thread=7", "token=[redacted], thread=7"),
            ("grant=x&client_secret=abc&scope=y", "grant=x&client_secret=[redacted]&scope=y"),
            ("Cookie: a=1; b=2 then more", "Cookie: [redacted] then more"),
            ("Cookie: a=1, then more", "Cookie: [redacted], then more"),
            ("Authorization: Bearer abc then more", "Authorization: [redacted] then more"),
            ("http://me:abc@proxy.example:80/ failed", "http://[redacted]@proxy.example:80/ failed"),
            ("email: Some(\"me@example.org\"), plan: Plus", "email: Some(\"[redacted]\"), plan: Plus"),
            (
                "account_id: None, \"token\":\"\", \"secret\":null, token=true",
                "account_id: None, \"token\":\"\", \"secret\":null, token=true",
            ),
            ("token=<your token>", "token=<your token>"),
            (
                "authorization: failed https://platform.openai.com/account/api-keys",
                "authorization: [redacted] https://platform.openai.com/account/api-keys",
            ),
            (
                "Authorization: See https://platform.openai.com/account/api-keys",
                "Authorization: [redacted] https://platform.openai.com/account/api-keys",
            ),
            ("token: Token data is not available.", "token: [redacted] data is not available."),
            ("token: Some(abc), Some(None)", "token: Some([redacted]), Some(None)"),
            ("- name: TOKEN\n  value: abc\n", "- name: TOKEN\n  value: [redacted]\n"),
            ("secret: authorization: Bearer abc end", "secret: [redacted] end"),
        ] {
            assert_eq!(redact(text), shown);
        }
    }

    #[test]
    fn replaces_directories() {
        let home = tempfile::tempdir().unwrap();
        let real = dunce::canonicalize(home.path()).unwrap();
        let (user, codex) = (real.join("jane"), real.join("jane").join("codex home"));
        std::fs::create_dir_all(&codex).unwrap();
        let root = real.ancestors().last().unwrap().to_path_buf();
        let redactor = Redactor::new(&[
            (codex.clone(), "CODEX_HOME"),
            (user.join(""), "~"),
            (root, "nothing"),
            (PathBuf::new(), "nothing"),
            (PathBuf::from("/does/not/exist"), "elsewhere"),
        ]);
        let (user, codex) = (user.to_str().unwrap(), codex.to_str().unwrap());
        let shown = |text: &str| redactor.redact(text);
        assert_eq!(shown(&format!("read {codex}/auth.json")), "read CODEX_HOME/auth.json");
        assert_eq!(shown(&format!("in {user}, \"{user}\" and {user}.")), "in ~, \"~\" and ~.");
        assert_eq!(shown(&format!("{user}:{user}/bin")), "~:~/bin");
        assert_eq!(shown(&format!("{user}tte {user}-old")), format!("{user}tte {user}-old"));
        assert_eq!(shown("at /does/not/exist/x"), "at elsewhere/x");
        assert_eq!(shown(&format!("{}\u{1b}[0m{}", &user[..5], &user[5..])), "~");
        assert_eq!(shown(&format!("token={user}")), "token=[redacted]");
        assert_eq!(shown(&format!("{:?}", std::path::Path::new(user))), "\"~\"");
    }

    #[cfg(unix)]
    #[test]
    fn replaces_a_directory_in_a_url_but_not_within_another_name() {
        let named = |path: &str| Redactor::new(&[(PathBuf::from(path), "~")]);
        assert_eq!(named("/home/Jos\u{e9} \u{72d0}").redact("file:///home/Jos%C3%A9%20%E7%8B%90/x"), "file://~/x");
        assert_eq!(named("/home/a+b (c)").redact("/home/a+b (c)/x /home/aab (c)"), "~/x /home/aab (c)");
        for home in ["/a", "/a/", "//a//"] {
            for other in ["image/a", "x.example/a?b", "either/a-b", "/ab", "/a_b", "../a"] {
                assert_eq!(named(home).redact(other), other);
            }
            for (text, shown) in [
                ("/a", "~"),
                ("in /a/x.", "in ~/x."),
                ("\"/a\"", "\"~\""),
                ("x=/a:/a/b", "x=~:~/b"),
                ("a\\n/a/x", "a\\n~/x"),
            ] {
                assert_eq!(named(home).redact(text), shown);
            }
        }
        let other = "/home/user2 /home/u-x /home/\u{fc}";
        assert_eq!(named("/home/u").redact(&format!("{other} /home/u")), format!("{other} ~"));
    }

    #[cfg(unix)]
    #[test]
    fn replaces_a_directory_with_a_backslash_in_its_name() {
        let redactor = Redactor::new(&[(PathBuf::from(r"/home/a\b"), "~")]);
        assert_eq!(redactor.redact(r#"/home/a\b/x "/home/a\\b/x" file:///home/a%5Cb/x"#), r#"~/x "~/x" file://~/x"#);
        assert_eq!(redactor.redact("/home/a/b"), "/home/a/b", "another directory");
    }

    #[cfg(unix)]
    #[test]
    fn replaces_a_linked_directory_by_either_path() {
        let temp = tempfile::tempdir().unwrap();
        let (real, link) = (temp.path().join("real"), temp.path().join("link"));
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let redactor = Redactor::new(&[(link.clone(), "~")]);
        assert_eq!(redactor.redact(&format!("{} {}", real.display(), link.display())), "~ ~");
    }
}
