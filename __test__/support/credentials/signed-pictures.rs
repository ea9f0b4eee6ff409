//! Writes the signed pictures of `cases.rs` into a directory, with what was found in each and the
//! roots that make them trusted, so that another implementation can check them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failure fails the test that runs this program")]

#[path = "mod.rs"]
mod credentials;

use std::path::PathBuf;
use std::time::SystemTime;
use std::{env, fs};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use codex_image::credentials::read;
use credentials::cases::{World, cases};

fn main() {
    let directory = PathBuf::from(env::args_os().nth(1).expect("the directory"));
    let world = World::new(SystemTime::now());
    let pem = |root: &Vec<u8>| {
        let text = BASE64_STANDARD.encode(root);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
    };
    let roots = [&world.elliptic, &world.rsa, &world.time_stamps].map(|identity| pem(&identity.chain[2]));
    fs::write(directory.join("roots.pem"), roots.concat()).unwrap();
    let mut found = Vec::new();
    for (number, case) in cases(&world).into_iter().enumerate() {
        let file = format!("{number}.png");
        fs::write(directory.join(&file), &case.png).unwrap();
        let credentials = read(&case.png, &world.trust(), SystemTime::now()).unwrap();
        found.push(serde_json::json!({
            "name": case.name,
            "file": file,
            "found": credentials.map(|found| serde_json::json!({
                "intact": found.intact,
                "trusted": found.trusted,
                "dated": found.signed_at.is_some(),
            })),
        }));
    }
    fs::write(directory.join("cases.json"), serde_json::Value::from(found).to_string()).unwrap();
}
