//! Signs the picture in a file with each algorithm, then verifies and hashes it in turn. Prints the
//! milliseconds of each run as JSON.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failure fails the benchmark")]

#[path = "../../__test__/support/credentials/mod.rs"]
mod credentials;

use std::hint::black_box;
use std::time::{Instant, SystemTime};
use std::{env, fs};

use codex_image::credentials::read;
use credentials::cases::World;
use sha2::{Digest as _, Sha256};

fn main() {
    let mut args = env::args_os().skip(1);
    let picture = fs::read(args.next().expect("the file")).unwrap();
    let runs: usize = args.next().expect("the number of runs").to_str().unwrap().parse().unwrap();
    let world = World::new(SystemTime::now());
    let (mut measured, trust) = (Vec::new(), world.trust());
    for (algorithm, signer) in [("ES256", &world.elliptic), ("PS256", &world.rsa)] {
        let png = world.recipe(signer, &picture).png();
        let runs: Vec<_> = (0..runs)
            .map(|_| {
                let verified = timed(|| {
                    let found = read(&png, &trust, SystemTime::now()).unwrap().unwrap();
                    assert!(found.trusted && found.signed_at.is_some(), "{found:?}");
                });
                let hashed = timed(|| {
                    black_box(Sha256::digest(&png));
                });
                serde_json::json!({ "verified": verified, "hashed": hashed })
            })
            .collect();
        measured.push(serde_json::json!({ "algorithm": algorithm, "runs": runs }));
    }
    println!("{}", serde_json::Value::from(measured));
}

fn timed(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64() * 1e3
}
