//! Fuzzes the verification of content credentials: whole files, and parts of a manifest that a
//! signer of its own has signed, because nothing else gets beyond the signature.

#![no_main]

#[path = "../../__test__/support/credentials/mod.rs"]
#[allow(clippy::unwrap_used, clippy::pedantic, reason = "it makes test data")]
mod support;

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use codex_image::credentials::{ContentCredentials, read};
use codex_image_fuzz::memory::peak_of;
use codex_image_fuzz::png::repaired;
use libfuzzer_sys::fuzz_target;
use support::cases::World;
use support::picture::{References, Signed, assertion, unsigned};

/// Memory beyond three times the size of the file: 50 times the largest manifest, and the redactor
/// of names, whose expressions are compiled once.
const MAX_BYTES: usize = 16 << 20;
const NOW: Duration = Duration::from_secs(1_790_000_000);

struct Maker {
    world: World,
    signed: Signed,
}

static MAKER: LazyLock<Maker> = LazyLock::new(|| {
    let world = World::new(UNIX_EPOCH + NOW);
    let signed = world.recipe(&world.elliptic, &unsigned(2, 0)).sign();
    Maker { world, signed }
});

fn check(png: &[u8]) -> Option<ContentCredentials> {
    let now = SystemTime::UNIX_EPOCH + NOW;
    let (found, peak) = peak_of(|| read(png, &MAKER.world.trust(), now));
    assert!(peak <= 3 * png.len() + MAX_BYTES, "{peak} bytes were allocated for {}", png.len());
    let found = found.ok().flatten()?;
    assert!(found.intact || (!found.trusted && found.signed_at.is_none()), "{found:?}");
    assert_eq!(found.problem.is_none(), found.trusted && found.signed_at.is_some(), "{found:?}");
    Some(found)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let Maker { world, signed } = &*MAKER;
    let mut signed = signed.clone();
    match kind {
        b'p' => {
            check(bytes);
            check(&repaired(bytes));
            return;
        }
        b'c' => signed.claim = bytes.to_vec(),
        b'd' => {
            signed.assertions[1] = assertion("c2pa.hash.data", bytes);
            signed.name_assertions(&References::default());
        }
        b'h' => signed.protected = bytes.to_vec(),
        b'i' => {
            let mut signer = world.elliptic.clone();
            signer.chain[1] = bytes.to_vec();
            let recipe = world.recipe(&signer, &signed.picture);
            let found = check(&recipe.png());
            assert!(found.is_none_or(|found| !found.trusted || bytes == world.elliptic.chain[1]));
            return;
        }
        _ => signed.tokens = vec![bytes.to_vec()],
    }
    signed.sign(&world.elliptic);
    check(&signed.png());
});
