//! Signed pictures with every single fault, and what has to be found in each.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use codex_image::credentials::{Root, Trust};

use super::identity::{
    CLAIM_SIGNING, CODE_SIGNING, Certificate, EMAIL_PROTECTION, Identity, KEY_USAGE_OF_AUTHORITIES, Key, TIME_STAMPING,
};
use super::picture::{
    AFTER_HEADER, Recipe, References, Signed, assertion, chunk, data_hash, header, stamped, unsigned,
};
use super::token;

/// The result that a picture has to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Intact, trusted, and signed at a proven time.
    Holds,
    /// Intact and trusted, at an unknown time.
    WithoutTime,
    /// Intact, but not trusted.
    Untrusted,
    NotIntact,
    /// No content credentials.
    Absent,
}

pub struct Case {
    pub name: &'static str,
    pub png: Vec<u8>,
    pub verdict: Verdict,
    /// The message of the problem.
    pub problem: &'static str,
}

/// Signers, authorities and a time, with which the cases are made.
pub struct World {
    /// Seconds since 1970.
    pub now: u64,
    pub elliptic: Identity,
    pub rsa: Identity,
    pub time_stamps: Identity,
    roots: [Root; 2],
    time_stamp_roots: [Root; 1],
}

impl World {
    pub fn new(now: SystemTime) -> Self {
        let now = now.duration_since(UNIX_EPOCH).unwrap().as_secs();
        let elliptic = elliptic(now, |_, _| ());
        let issuer = Certificate::authority("RSA Issuing CA", 2, 0, now);
        let root = Certificate::authority("RSA Root CA", 1, 1, now);
        let keys = [Key::rsa(1), Key::rsa(2), Key::rsa(2)];
        let rsa = Identity::new(keys, Certificate::signer(CLAIM_SIGNING, now), issuer, &root);
        let time_stamps = time_stamps(now, Key::rsa(2), |_| ());
        let root = |name, identity: &Identity| Root { name, source: "this test", fingerprint: identity.fingerprint() };
        Self {
            now,
            roots: [root("EC Root CA", &elliptic), root("RSA Root CA", &rsa)],
            time_stamp_roots: [root("TSA Root CA", &time_stamps)],
            elliptic,
            rsa,
            time_stamps,
        }
    }

    pub fn trust(&self) -> Trust<'_> {
        Trust { organization: "OpenAI OpCo, LLC", signers: &self.roots, time_stamps: &self.time_stamp_roots }
    }

    /// The time at which the pictures are signed.
    pub fn signed_at(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis((self.now - 60) * 1000 + 250)
    }

    pub fn recipe<'a>(&'a self, signer: &'a Identity, picture: &'a [u8]) -> Recipe<'a> {
        let time_stamp = Some(&self.time_stamps);
        Recipe { signer, time_stamp, signed_at: self.now - 60, picture, at: AFTER_HEADER, surplus: 0 }
    }

    /// Signs a picture with a certificate that `change` has changed, as well as its issuer's.
    fn signed_by(&self, picture: &[u8], change: impl FnOnce(&mut Certificate, &mut Certificate)) -> Vec<u8> {
        self.recipe(&elliptic(self.now, change), picture).png()
    }
}

fn elliptic(now: u64, change: impl FnOnce(&mut Certificate, &mut Certificate)) -> Identity {
    let mut signer = Certificate::signer(CLAIM_SIGNING, now);
    signer.purposes.push(EMAIL_PROTECTION);
    let mut issuer = Certificate::authority("EC Issuing CA", 2, 0, now);
    change(&mut signer, &mut issuer);
    let root = Certificate::authority("EC Root CA", 1, 1, now);
    Identity::new([Key::p256(3), Key::p384(2), Key::p384(1)], signer, issuer, &root)
}

fn time_stamps(now: u64, root_key: Key, change: impl FnOnce(&mut Certificate)) -> Identity {
    let mut signer = Certificate { common_name: "TSA", ..Certificate::signer(TIME_STAMPING, now) };
    change(&mut signer);
    let issuer = Certificate::authority("TSA Issuing CA", 2, 0, now);
    let root = Certificate::authority("TSA Root CA", 1, 1, now);
    Identity::new([Key::rsa(1), Key::p384(4), root_key], signer, issuer, &root)
}

/// Returns a sound picture of each kind, and one for each fault.
pub fn cases(world: &World) -> Vec<Case> {
    let picture = unsigned(32, 0);
    let sound = world.recipe(&world.elliptic, &picture);
    let signed = sound.sign();
    let length = signed.chunk().len();
    let mut cases = Vec::new();
    let mut add = |name, png: Vec<u8>, verdict, problem| cases.push(Case { name, png, verdict, problem });

    add("es256", signed.png(), Verdict::Holds, "");
    add("ps256", world.recipe(&world.rsa, &picture).png(), Verdict::Holds, "");
    add("unsigned", picture.clone(), Verdict::Absent, "");

    let changed = "The picture was changed after it was signed.";
    add("a flipped pixel", with_flipped_pixel(&signed), Verdict::NotIntact, changed);
    add("a byte after the end", [signed.png(), vec![0]].concat(), Verdict::NotIntact, changed);
    let other = unsigned(32, 1);
    let borrowed = [&other[..AFTER_HEADER], &signed.chunk(), &other[AFTER_HEADER..]].concat();
    add("the manifest of another picture", borrowed, Verdict::NotIntact, changed);

    let exclusions = "The signature does not cover exactly the picture.";
    let moved = Signed { at: picture.len() - 12, ..signed.clone() };
    add("a moved chunk", moved.png(), Verdict::NotIntact, exclusions);
    let wide = Recipe { surplus: 16, ..sound.clone() };
    add("an exclusion that is too wide", wide.png(), Verdict::NotIntact, exclusions);

    let several = "The PNG has more than one manifest.";
    let twice = [&signed.png()[..AFTER_HEADER], &signed.chunk(), &signed.png()[AFTER_HEADER..]].concat();
    add("two chunks", twice, Verdict::NotIntact, several);
    add("two manifests in a chunk", signed.with_two_manifests(), Verdict::NotIntact, several);

    let mut added = signed.clone();
    added.assertions.push(assertion("org.example.added", &[0xa0]));
    add(
        "an added assertion",
        added.fit(length).png(),
        Verdict::NotIntact,
        "The manifest has a part that is not signed.",
    );
    let mut removed = signed.clone();
    removed.assertions.remove(0);
    add(
        "a removed assertion",
        removed.fit(length).png(),
        Verdict::NotIntact,
        "The manifest lacks a part that was signed.",
    );
    let mut edited = signed.clone();
    *edited.assertions[0].last_mut().unwrap() ^= 1;
    add("a changed assertion", edited.png(), Verdict::NotIntact, "The manifest was changed after it was signed.");

    let mismatch = "The signature does not match the manifest.";
    let mut reworded = signed.clone();
    let at = signed.claim.windows(4).position(|text| text == b"Test").unwrap();
    reworded.claim[at] = b'B';
    add("a changed claim", reworded.png(), Verdict::NotIntact, mismatch);
    let stranger = Identity { key: Key::p256(7), ..world.elliptic.clone() };
    add("the signature of another key", world.recipe(&stranger, &picture).png(), Verdict::NotIntact, mismatch);
    let mut padded = signed.clone();
    padded.pad[500] = 1;
    let room = "The manifest cannot be checked: its signature has room for other data.";
    add("data in the padding", padded.png(), Verdict::NotIntact, room);

    malformed(world, &signed, &mut add);
    untrusted(world, &picture, &mut add);
    without_time(world, &signed, &sound, &mut add);
    cases
}

type Add<'a> = &'a mut dyn FnMut(&'static str, Vec<u8>, Verdict, &'static str);

/// Manifests whose own signer has broken a rule.
fn malformed(world: &World, signed: &Signed, add: Add<'_>) {
    let mut add = |name, change: &dyn Fn(&mut Signed), problem| {
        let mut changed = signed.clone();
        change(&mut changed);
        changed.sign(&world.elliptic);
        add(name, changed.fit(signed.chunk().len()).png(), Verdict::NotIntact, problem);
    };
    let mismatch = "The signature does not match the manifest.";
    let chain = &world.elliptic.chain;
    let mut other = chain.clone();
    other[0].clone_from(&world.rsa.chain[0]);
    add("another leaf", &|signed| signed.protected = header(-7, &other, false), mismatch);
    add("the algorithm of another key", &|signed| signed.protected = header(-37, chain, false), mismatch);
    let extension = "The manifest cannot be checked: its signature has an unknown extension.";
    add("a critical extension", &|signed| signed.protected = header(-7, chain, true), extension);
    let another = |signed: &mut Signed| {
        let at = signed.claim.windows(9).position(|text| text == b"urn:c2pa:").unwrap();
        signed.claim[at + 9] ^= 1;
    };
    add("the signature of another manifest", &another, mismatch);

    let exclusions = "The signature does not cover exactly the picture.";
    let (start, length) = (signed.at as u64, signed.chunk().len() as u64);
    let with_data_hash = |exclusions: &[(u64, u64)], algorithm: &str, signed: &mut Signed| {
        signed.assertions[1] = assertion("c2pa.hash.data", &data_hash(exclusions, algorithm, &signed.hash));
        signed.name_assertions(&References::default());
    };
    add("no exclusion", &|signed| with_data_hash(&[], "sha256", signed), exclusions);
    add(
        "an exclusion that is too narrow",
        &|signed| with_data_hash(&[(start, length - 1)], "sha256", signed),
        exclusions,
    );
    let halves = [(start, 100), (start + 100, length - 100)];
    add("two exclusions", &|signed| with_data_hash(&halves, "sha256", signed), exclusions);
    let unknown = "The manifest cannot be checked: its hashes have an unknown algorithm.";
    add("another hash", &|signed| with_data_hash(&[(start, length)], "sha1", signed), unknown);

    let several = "The manifest cannot be checked: it has an unknown hash of the picture.";
    let binding = assertion("c2pa.hash.boxes", &[0xa0]);
    add("another hard binding as well", &|signed| signed.assertions.push(binding.clone()), several);
    let same = "The manifest is malformed: two of its parts have the same name.";
    add("an assertion twice", &|signed| signed.assertions.push(signed.assertions[0].clone()), same);
    let named = |created: &'static [usize], gathered: &'static [usize], is_redacted| {
        move |signed: &mut Signed| signed.name_assertions(&References { created, gathered, is_redacted })
    };
    add(
        "an assertion named twice",
        &named(&[0, 1], &[0], false),
        "The manifest is malformed: its claim names a part twice.",
    );
    let foreign = "The manifest is malformed: its hash of the picture is not its own.";
    add("a hash of the picture from elsewhere", &named(&[0], &[1], false), foreign);
    add(
        "a redacted assertion",
        &named(&[0, 1], &[], true),
        "The manifest cannot be checked: parts of it were redacted.",
    );
}

/// Signatures that hold, but are not OpenAI's.
fn untrusted(world: &World, picture: &[u8], add: Add<'_>) {
    let mut add = |name, png, problem| add(name, png, Verdict::Untrusted, problem);
    let unknown = "The signer is not known to be OpenAI: its certificate comes from an unknown authority.";
    let root = Certificate::authority("EC Root CA", 1, 1, world.now);
    let issuer = Certificate::authority("EC Issuing CA", 2, 0, world.now);
    let signer = Certificate::signer(CLAIM_SIGNING, world.now);
    let forged = Identity::new([Key::p256(3), Key::p384(2), Key::p384(9)], signer.clone(), issuer.clone(), &root);
    add("an unknown root", world.recipe(&forged, picture).png(), unknown);
    let mut grafted = forged.clone();
    grafted.chain[2].clone_from(&world.elliptic.chain[2]);
    let invalid = "The signer is not known to be OpenAI: its certificate is not valid.";
    add("the root of another chain", world.recipe(&grafted, picture).png(), invalid);
    let mut short = world.elliptic.clone();
    short.chain.remove(1);
    add("a missing issuer", world.recipe(&short, picture).png(), unknown);

    let organization = "The signer is not known to be OpenAI: its certificate names another organization.";
    let png = world.signed_by(picture, |signer, _| signer.organization = "OpenAI OpCo, LLC.");
    add("another organization", png, organization);
    let png = world.signed_by(picture, |signer, _| signer.second_organization = Some("Test"));
    add("two organizations", png, organization);

    let expired = "The signer is not known to be OpenAI: its certificate had expired.";
    let earlier = world.now - 3600;
    add("an expired certificate", world.signed_by(picture, |signer, _| signer.not_after = earlier), expired);
    add("an expired issuer", world.signed_by(picture, |_, issuer| issuer.not_after = earlier), expired);
    let early = "The signer is not known to be OpenAI: its certificate was not valid yet.";
    let png = world.signed_by(picture, |signer, _| signer.not_before = world.now + 3600);
    add("a certificate of tomorrow", png, early);

    let purpose = "The signer is not known to be OpenAI: its certificate is for another purpose.";
    let with_purposes =
        |purposes: &[&'static str]| world.signed_by(picture, |signer, _| signer.purposes = purposes.to_vec());
    add("a certificate for code", with_purposes(&[CODE_SIGNING]), purpose);
    add("a certificate for no purpose", with_purposes(&[]), purpose);
    add("a certificate for any purpose", with_purposes(&[CLAIM_SIGNING, "2.5.29.37.0"]), purpose);
    add("a certificate for time stamps too", with_purposes(&[CLAIM_SIGNING, TIME_STAMPING]), purpose);
    let png = world.signed_by(picture, |signer, _| signer.key_usage = 0x20);
    add("a certificate that may not sign", png, purpose);
    let png = world.signed_by(picture, |signer, _| {
        signer.is_authority = true;
        signer.key_usage |= KEY_USAGE_OF_AUTHORITIES;
    });
    add("the certificate of an authority", png, purpose);

    add("an issuer that is no authority", world.signed_by(picture, |_, issuer| issuer.is_authority = false), invalid);
    let may_not =
        "The signer is not known to be OpenAI: its certificate comes from an authority that may not issue it.";
    add("an issuer that may not issue", world.signed_by(picture, |_, issuer| issuer.key_usage = 0x80), may_not);
}

/// Signatures that hold at a time that nothing proves.
fn without_time(world: &World, signed: &Signed, sound: &Recipe<'_>, add: Add<'_>) {
    let mut add = |name, png, problem| add(name, png, Verdict::WithoutTime, problem);
    let none = "The time of signing is not proven: it has no time stamp.";
    add("no time stamp", Recipe { time_stamp: None, ..sound.clone() }.png(), none);

    let message = stamped(&signed.protected, &signed.signature);
    let with_token = |token: Vec<u8>| {
        let changed = Signed { tokens: vec![token], ..signed.clone() };
        changed.fit(signed.chunk().len()).png()
    };
    let of = |authority: &Identity, message: &[u8]| with_token(token::token(authority, message, world.now - 60));
    let another = "The time of signing is not proven: its time stamp is that of another signature.";
    add("a time stamp of other bytes", of(&world.time_stamps, &[&message[..], b"!"].concat()), another);

    let changed = "The time of signing is not proven: its time stamp was changed.";
    let mut token = signed.tokens[0].clone();
    let fraction = token.windows(4).position(|text| text == b".25Z").unwrap();
    token[fraction + 1] = b'3';
    add("a changed time stamp", with_token(token), changed);
    let other_key = Identity { key: Key::rsa(2), ..world.time_stamps.clone() };
    add("a time stamp by another key", of(&other_key, &message), changed);

    let several = "The time of signing is not proven: it does not have exactly one time stamp.";
    let twice = Signed { tokens: [&signed.tokens[..], &signed.tokens].concat(), ..signed.clone() };
    add("two time stamps", twice.fit(signed.chunk().len()).png(), several);

    let unknown = "The time of signing is not proven: the certificate of its time stamp does not count.";
    let stranger = time_stamps(world.now, Key::rsa(1), |_| ());
    add("a time stamp below an unknown root", of(&stranger, &message), unknown);
    let wrong = |change: &dyn Fn(&mut Certificate)| of(&time_stamps(world.now, Key::rsa(2), change), &message);
    add("a time stamp of an expired authority", wrong(&|signer| signer.not_after = world.now - 3600), unknown);
    add("a time stamp for another purpose", wrong(&|signer| signer.purposes = vec![CODE_SIGNING]), unknown);
    add("a time stamp for two purposes", wrong(&|signer| signer.purposes.push(CODE_SIGNING)), unknown);
    let malformed = "The time of signing is not proven: its time stamp is malformed.";
    add("a time stamp that is none", with_token(b"0\x03abc".to_vec()), malformed);
}

/// Changes a pixel, and repairs the checksum of its chunk.
fn with_flipped_pixel(signed: &Signed) -> Vec<u8> {
    let mut png = signed.png();
    let data = signed.at + signed.chunk().len();
    let length = u32::from_be_bytes(png[data..data + 4].try_into().unwrap()) as usize;
    let mut content = png[data + 8..data + 8 + length].to_vec();
    content[length / 2] ^= 1;
    png.splice(data..data + 12 + length, chunk(*b"IDAT", &content));
    png
}
