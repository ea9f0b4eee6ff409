//! Generations whose agent, without any sandbox, leaves a signed picture at the path of the prompt.
//! The test's own roots count instead of OpenAI's.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failure fails the test")]

#[path = "../__test__/support/credentials/mod.rs"]
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use codex_image::environment::Environment;
use codex_image::error::Failure;
use codex_image::generate::{Generated, generate};
use codex_image::interrupts::Cancel;
use codex_image::progress::Progress;
use codex_image::provenance::Source;
use codex_image::queue::Queue;
use codex_image::request::{CodexHome, Draft, Request};
use codex_image::sandbox::Sandbox;
use support::cases::{World, cases};
use support::picture::{Recipe, unsigned};
use tokio_util::sync::CancellationToken;

static WORLD: LazyLock<World> = LazyLock::new(|| World::new(SystemTime::now()));

/// A `codex` that copies a file to the path that the prompt names, in its working directory.
const STUB: &str = r#"#!/bin/sh
case "$*" in
*--version*) echo 'codex-cli 0.171.0' ;;
*'login status'*) echo 'Logged in using ChatGPT' ;;
*)
  cat > /dev/null
  echo '{"type":"thread.started","thread_id":"019e5f2a-7c44-7bb0-9d3e-0123456789ab"}'
  echo '{"type":"turn.started"}'
  cp "$SIGNED_PICTURE" od-codex-image.png
  echo '{"type":"turn.completed","usage":{"input_tokens":1,"cached_input_tokens":0,"output_tokens":1}}'
  ;;
esac
"#;

fn write_stub(directory: &Path) -> std::path::PathBuf {
    let program = directory.join("codex");
    fs::write(&program, STUB).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

/// Generates an image with an agent that leaves `picture`.
async fn generate_with(picture: &[u8], require_verified: bool) -> Result<Generated, Failure> {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("home");
    fs::create_dir(&home).unwrap();
    // An invented login: the header and the payload of a token without a signature.
    let token = "eyJhbGciOiJub25lIn0.eyJlbWFpbCI6ImFAYi5jIn0.c2ln";
    let login = format!(
        r#"{{"auth_mode":"chatgpt","tokens":{{"id_token":"{token}","access_token":"x","refresh_token":"x"}}}}"#
    );
    fs::write(home.join("auth.json"), login).unwrap();
    let signed = directory.path().join("signed.png");
    fs::write(&signed, picture).unwrap();
    let variables = [("PATH", std::env::var("PATH").unwrap()), ("SIGNED_PICTURE", signed.to_str().unwrap().to_owned())];
    let request = Request {
        codex_path: Some(write_stub(directory.path())),
        env: Environment::new(variables.map(|(name, value)| (name.to_owned(), value)).to_vec()),
        sandbox: Sandbox::DangerFullAccess,
        require_verified,
        trust: WORLD.trust(),
        ..Request::new("a red fox".to_owned())
    };
    let draft = Draft { named_home: Some(CodexHome::named(home)), request };
    let cancel = Cancel { abort: CancellationToken::new(), shutdown: CancellationToken::new() };
    generate(draft, Queue::default().join(), Progress::new(|_| ()), cancel).await
}

fn signed(seconds_ago: u64) -> Vec<u8> {
    let picture = unsigned(16, 0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    Recipe { signed_at: now - seconds_ago, ..WORLD.recipe(&WORLD.elliptic, &picture) }.png()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_was_signed_during_the_call_is_verified() {
    let picture = signed(0);
    let generated = generate_with(&picture, true).await.unwrap();
    assert_eq!((generated.image.source, generated.image.verified), (Source::Workspace, true));
    assert_eq!(generated.image.png, picture);
    assert!(generated.image.credentials.unwrap().trusted);
    assert_eq!(generated.warnings, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_picture_is_not_verified_and_the_warning_says_so() {
    let generated = generate_with(&signed(600), false).await.unwrap();
    assert!(!generated.image.verified);
    assert_eq!(generated.warnings, ["OpenAI signed the picture at another time than that of this call."]);
    assert!(generate_with(&signed(600), true).await.is_err_and(|failure| failure.cause.code() == "NO_IMAGE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_of_the_future_is_not_verified() {
    let picture = unsigned(16, 0);
    let later = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() + Duration::from_secs(600);
    let recipe = Recipe { signed_at: later.as_secs(), ..WORLD.recipe(&WORLD.elliptic, &picture) };
    assert!(!generate_with(&recipe.png(), false).await.unwrap().image.verified);
}

/// These are signed a minute before the test, which is within the tolerance.
#[tokio::test(flavor = "multi_thread")]
async fn only_a_trusted_signature_with_a_time_verifies_a_picture() {
    let expected = [
        ("unsigned", false, ""),
        ("an unknown root", false, ""),
        ("no time stamp", false, ""),
        ("a time stamp of other bytes", false, ""),
        ("a byte after the end", false, "The picture was changed after it was signed."),
        ("two chunks", false, "The PNG has more than one manifest."),
    ];
    let all = cases(&WORLD);
    for (name, verified, problem) in expected {
        let case = all.iter().find(|case| case.name == name).unwrap();
        let generated = generate_with(&case.png, false).await.unwrap();
        assert_eq!(generated.image.verified, verified, "{name}");
        let warning = format!("The content credentials of the picture do not hold. {problem}");
        let expected: &[String] = if problem.is_empty() { &[] } else { &[warning] };
        assert_eq!(generated.warnings, expected, "{name}");
    }
}
