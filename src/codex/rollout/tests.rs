//! Checks what is read from rollouts as Codex writes them.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use tokio_util::sync::CancellationToken;

use super::images::{BASE64, bytes_of};
use super::*;
use crate::codex::ThreadId;

const THREAD: &str = "01a202f5-609c-72c1-8213-7ba33eb17046";

/// Returns a line as 0.132.0, 0.140.0 or 0.169.0 writes it, with a short image.
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
    images(home, &ThreadId::parse(THREAD).unwrap(), limit, &CancellationToken::new(), |recorded| {
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
fn an_image_in_the_output_of_a_tool_is_ignored() {
    let home = home_with(&[line("output", b"looked at"), line("item", b"drawn")]);
    assert_eq!(all(home.path(), 100).len(), 1);
}

#[test]
fn an_item_of_another_kind_or_without_a_result_is_ignored() {
    let other = line("item", b"x").replace("image_gen.generation", "image_gen.other");
    let failed = r#"{"payload":{"type":"image_generation_end","call_id":"image_gen","status":"failed","result":null}}"#;
    let empty = r#"{"payload":{"type":"image_generation_end","status":"in_progress","result":""}}"#;
    assert_eq!(all(home_with(&[other, failed.into(), empty.into()]).path(), 100), []);
}

#[test]
fn an_image_over_the_limit_is_skipped_and_reported() {
    let home = home_with(&[line("end", &vec![7; 200_000]), line("end", &[7; 50])]);
    assert_eq!(all(home.path(), 50).len(), 1);
    assert_eq!(all(home.path(), 49).len(), 0);
    let thread = ThreadId::parse(THREAD).unwrap();
    let go_on = |_| ControlFlow::Continue(());
    let too_large = |limit| images(home.path(), &thread, limit, &CancellationToken::new(), go_on);
    assert!(too_large(50) && too_large(49) && !too_large(300_000));
}

/// The lines are shortened; their relevant parts are as 0.132.0, 0.150.1 and 0.171.0 wrote
/// them.
#[test]
fn the_sandbox_is_read_from_the_head_of_the_rollout() {
    let context = |rest: &str| {
        format!(
            r#"{{"timestamp":"2026-11-26T20:17:13.976Z","type":"turn_context","payload":{{"turn_id":"t","cwd":"/w","approval_policy":"never",{rest},"model":"m"}}}}"#
        )
    };
    let old = r#""sandbox_policy":{"type":"workspace-write","writable_roots":["/h/memories"],"network_access":true}"#;
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
        let rollout = [head, &context(rest), &context(r#""sandbox_policy":{"type":"read-only"}"#), ""].join("\n");
        recorded_sandbox_in(rollout.as_bytes()).unwrap()
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
    for rollout in ["", "{}\n", line, r#"{"type":"other","payload":{"x":"\"turn_context\""}}"#, "{\n\n"] {
        assert_eq!(recorded_sandbox_in(rollout.as_bytes()), None, "{rollout}");
    }
    assert_eq!(recorded_sandbox_in(format!("{line}\n").as_bytes()).unwrap().sandbox, "read-only");
    let endless = std::io::repeat(b'x');
    assert_eq!(recorded_sandbox_in(endless), None);
}

#[cfg(unix)]
#[test]
fn a_rollout_that_is_not_a_regular_file_is_not_opened() {
    let home = tempfile::tempdir().unwrap();
    let day = home.path().join("sessions/2026/11/22");
    std::fs::create_dir_all(&day).unwrap();
    let rollout = day.join(format!("rollout-x-{THREAD}.jsonl"));
    assert!(std::process::Command::new("mkfifo").arg(&rollout).status().unwrap().success());
    assert_eq!(all(home.path(), 100), []);
    std::fs::remove_file(&rollout).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &rollout).unwrap();
    assert_eq!(all(home.path(), 100), []);
}

#[test]
fn neither_of_two_rollouts_is_read() {
    let home = home_with(&[line("end", b"one")]);
    let planted = home.path().join("sessions/9999/12/31");
    std::fs::create_dir_all(&planted).unwrap();
    std::fs::write(planted.join(format!("rollout-x-{THREAD}.jsonl")), line("end", b"planted")).unwrap();
    assert_eq!(all(home.path(), 100), []);
}

/// Rollout with two images, compressed as Codex does it.
const COMPRESSED: &[u8] = include_bytes!("../../../__test__/fixtures/rollout.jsonl.zst");

#[test]
fn a_rollout_that_codex_compressed_is_read() {
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
    assert_eq!(all(home.path(), 100), [], "neither of two rollouts is read");
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
fn an_image_at_the_limit_is_read_despite_its_line_breaks() {
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
    let rollout = home.path().join(format!("sessions/2026/11/22/rollout-2026-11-22T11-12-45-{THREAD}.jsonl"));
    // A sparse file that takes minutes to read.
    std::fs::File::options().write(true).open(rollout).unwrap().set_len(1 << 40).unwrap();
    let (given_up, thread) = (CancellationToken::new(), ThreadId::parse(THREAD).unwrap());
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| images(home.path(), &thread, 100, &given_up, |_| unreachable!()));
        given_up.cancel();
        reading.join().unwrap();
    });
}

#[test]
fn a_change_is_reported_once() {
    let home = tempfile::tempdir().unwrap();
    let mut watcher = RolloutWatcher::new(home.path(), &ThreadId::parse(THREAD).unwrap());
    assert!(!watcher.has_changed(), "there is no rollout");
    let day = home.path().join("sessions/2026/11/22");
    std::fs::create_dir_all(&day).unwrap();
    let rollout = day.join(format!("rollout-x-{THREAD}.jsonl"));
    for content in ["a", "ab"] {
        std::fs::write(&rollout, content).unwrap();
        assert!(watcher.has_changed());
        assert!(!watcher.has_changed());
    }
}

#[test]
fn reading_stops_when_the_callback_breaks() {
    let home = home_with(&[line("end", b"one"), line("end", b"two")]);
    let mut count = 0;
    images(home.path(), &ThreadId::parse(THREAD).unwrap(), 100, &CancellationToken::new(), |_| {
        count += 1;
        ControlFlow::Break(())
    });
    assert_eq!(count, 1);
}

#[test]
fn a_thread_without_a_rollout_has_no_image() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(all(home.path(), 100), []);
}
