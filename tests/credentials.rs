//! Verifies signed pictures, sound and with every single fault, with the test's own roots.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a broken picture fails the test")]

#[path = "../__test__/support/credentials/mod.rs"]
mod support;

use std::sync::LazyLock;
use std::time::SystemTime;

use codex_image::credentials::{ContentCredentials, OPENAI, Problem, read};
use codex_image::png::PngError;
use support::cases::{Verdict, World, cases};
use support::picture::{AFTER_HEADER, Recipe, Signed, chunk, unsigned};

static WORLD: LazyLock<World> = LazyLock::new(|| World::new(SystemTime::now()));

fn found(png: &[u8]) -> Option<ContentCredentials> {
    read(png, &WORLD.trust(), SystemTime::now()).unwrap()
}

fn signed() -> Signed {
    WORLD.recipe(&WORLD.elliptic, &unsigned(8, 0)).sign()
}

/// The content of the chunk, and the picture with another content in its place.
fn in_place_of_content(signed: &Signed) -> (Vec<u8>, impl Fn(&[u8]) -> Vec<u8> + use<>) {
    let whole = signed.chunk();
    let (before, after) = (signed.picture[..signed.at].to_vec(), signed.picture[signed.at..].to_vec());
    let replace = move |content: &[u8]| [&before[..], &chunk(*b"caBX", content), &after].concat();
    (whole[8..whole.len() - 4].to_vec(), replace)
}

#[test]
fn every_picture_has_its_verdict() {
    let mut wrong = Vec::new();
    for case in cases(&WORLD) {
        let expected = |intact, trusted, dated: bool| {
            Some((intact, trusted, dated.then(|| WORLD.signed_at()), case.problem.to_owned()))
        };
        let expected = match case.verdict {
            Verdict::Holds => expected(true, true, true),
            Verdict::WithoutTime => expected(true, true, false),
            Verdict::Untrusted => expected(true, false, true),
            Verdict::NotIntact => expected(false, false, false),
            Verdict::Absent => None,
        };
        let actual = found(&case.png).map(|found| {
            let problem = found.problem.map(|problem| problem.to_string()).unwrap_or_default();
            (found.intact, found.trusted, found.signed_at, problem)
        });
        if actual != expected {
            wrong.push(format!("{}:\n  {actual:?}\n  instead of {expected:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_sound_picture_names_its_signer_and_its_generator() {
    let found = found(&signed().png()).unwrap();
    assert_eq!(found.signer.as_deref(), Some("OpenAI Media Service (OpenAI OpCo, LLC)"));
    assert_eq!(found.generator.as_deref(), Some("Test Media Service"));
    assert_eq!(found.signed_at, Some(WORLD.signed_at()));
}

#[test]
fn the_roots_of_a_test_count_only_in_the_test() {
    let found = read(&signed().png(), &OPENAI, SystemTime::now()).unwrap().unwrap();
    assert!(found.intact && !found.trusted && found.signed_at.is_none(), "{found:?}");
    assert_eq!(found.problem, Some(Problem::Signer("its certificate comes from an unknown authority")));
}

#[test]
fn a_time_stamp_keeps_an_expired_certificate_valid() {
    use std::time::Duration;

    let years_later = SystemTime::now() + Duration::from_secs(10 * 365 * 24 * 60 * 60);
    let at = |png: &[u8]| read(png, &WORLD.trust(), years_later).unwrap().unwrap();
    assert!(at(&signed().png()).trusted);
    let picture = unsigned(8, 0);
    let undated = Recipe { time_stamp: None, ..WORLD.recipe(&WORLD.elliptic, &picture) };
    let found = at(&undated.png());
    assert!(found.intact && !found.trusted, "{found:?}");
    assert_eq!(found.problem, Some(Problem::Signer("its certificate had expired")));
}

#[test]
fn a_changed_manifest_is_not_intact_wherever_the_bit_is() {
    let signed = signed();
    let (content, replace) = in_place_of_content(&signed);
    let token = signed.tokens[0].clone();
    let start = content.windows(token.len()).position(|bytes| bytes == token).unwrap();
    let token = start..start + token.len();
    for at in (0..content.len()).step_by(11) {
        let mut changed = content.clone();
        changed[at] ^= 1 << (at % 8);
        let found = found(&replace(&changed)).unwrap();
        // Only its own signature covers the time stamp.
        assert!(!found.intact || token.contains(&at), "byte {at}");
        let time = found.signed_at.is_none_or(|time| time == WORLD.signed_at());
        assert!(time && (found.intact || !found.trusted), "byte {at}: {found:?}");
    }
}

#[test]
fn a_cut_or_extended_manifest_is_not_intact() {
    let (content, replace) = in_place_of_content(&signed());
    for length in (0..content.len()).step_by(11) {
        assert!(!found(&replace(&content[..length])).unwrap().intact, "{length} bytes");
    }
    assert!(!found(&replace(&[&content[..], &[0]].concat())).unwrap().intact);
    assert!(found(&replace(&content)).unwrap().trusted);
}

#[test]
fn deep_nesting_costs_no_stack() {
    let mut signed = signed();
    // Arrays in arrays.
    signed.claim = vec![0x81; 200_000];
    assert!(matches!(found(&signed.png()).unwrap().problem, Some(Problem::Malformed(_))));
    signed.claim = [&[0xa1, 0x61, b'x'][..], &vec![0x81; 200_000], &[0]].concat();
    assert!(matches!(found(&signed.png()).unwrap().problem, Some(Problem::Malformed(_))));
    let mut boxes = Vec::new();
    for _ in 0..2000 {
        boxes = [&u32::try_from(boxes.len() + 8).unwrap().to_be_bytes()[..], b"jumb", &boxes].concat();
    }
    let picture = unsigned(8, 0);
    let png = [&picture[..AFTER_HEADER], &chunk(*b"caBX", &boxes), &picture[AFTER_HEADER..]].concat();
    assert!(matches!(found(&png).unwrap().problem, Some(Problem::Malformed(_))));
}

#[test]
fn a_manifest_of_more_than_256_kib_is_not_read() {
    let mut signed = signed();
    signed.pad.resize(256 << 10, 0);
    let found = found(&signed.png()).unwrap();
    assert_eq!(found.problem, Some(Problem::Unsupported("it is too large")));
    assert_eq!(found.signer, None);
}

#[test]
fn a_damaged_png_is_not_intact_and_another_format_is_an_error() {
    let png = signed().png();
    let truncated = found(&png[..png.len() - 1]).unwrap();
    assert_eq!(truncated.problem, Some(Problem::Png(PngError::Truncated)));
    let mut damaged = png.clone();
    damaged[AFTER_HEADER + 20] ^= 1;
    let damaged = found(&damaged).unwrap();
    assert_eq!(damaged.problem, Some(Problem::Png(PngError::Damaged("a checksum is wrong"))));
    assert!(!damaged.intact && !damaged.trusted && !truncated.intact);
    let of = |bytes: &[u8]| read(bytes, &OPENAI, SystemTime::now());
    let unsigned_png = unsigned(8, 0);
    assert_eq!(of(&unsigned_png[..unsigned_png.len() - 1]), Ok(None), "no trace of a manifest");
    assert_eq!(of(b""), Err(PngError::Empty));
    assert_eq!(of(b"\xff\xd8\xff\xe0"), Err(PngError::Other("a JPEG image")));
    assert_eq!(of(&unsigned(1, 0)), Ok(None));
}
