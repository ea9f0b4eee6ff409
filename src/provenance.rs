//! Decides which image counts, and whether its origin is verified.
//!
//! The image of a thread can be in Codex's own store, in the workspace (at the path that the
//! prompt asks the agent to copy it to) and in the thread's rollout. An image is *verified* if it
//! provably came from image_gen. Agents were seen drawing substitutes with a script, and copying
//! older files.

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use tokio_util::sync::{CancellationToken, DropGuard};

use crate::codex::ThreadId;
use crate::codex::confinement::{Breach, Confinement, Confirmed, WRITES_MEMORIES, confirm};
use crate::codex::rollout::{self, RecordedImage};
use crate::codex::store::{Baseline, ImageError, Scan, Store, ValidPng, read_image};
use crate::credentials::{self, ContentCredentials, OPENAI, Trust};
use crate::error::NoImageReason;
use crate::files::{Dir, retry};
use crate::png::{self, ImageInfo};
use crate::reference::Fingerprint;
use crate::request::{Completion, Request, Validation};
use crate::run_dir::IMAGE_NAME;

/// Location in which an image was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Codex's own store.
    Store,
    /// The workspace.
    Workspace,
    /// The thread's rollout: Codex's file for it.
    Rollout,
}

impl Source {
    /// The name that JavaScript sees.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Workspace => "workspace",
            Self::Rollout => "rollout",
        }
    }
}

/// An image that counts.
#[derive(Debug)]
pub struct FoundImage {
    /// The PNG file's bytes, unchanged.
    pub png: Vec<u8>,
    /// Size and transparency.
    pub info: ImageInfo,
    /// Location in which the image was found.
    pub source: Source,
    /// Whether the image provably came from image_gen: the thread's store holds it, and Codex
    /// recorded a sandbox that kept the agent from writing there, or the thread's rollout holds the
    /// same bytes, or OpenAI's service signed it during the call.
    ///
    /// Without such a signature: always false if the call asked for a confinement that was not in
    /// force. If it asked for none, the agent could forge the rollout, so true is only as
    /// trustworthy as the agent.
    pub verified: bool,
    /// The prompt that the image model received, if the rollout was read and contains it.
    pub revised_prompt: Option<String>,
    /// The image's content credentials, if it has any.
    pub credentials: Option<ContentCredentials>,
}

/// Reason why no image is returned.
#[derive(Debug)]
pub enum Rejection {
    /// There is no file, or none that counts.
    NoImage(NoImageReason),
    /// There is a file, but it is not an acceptable image.
    Refused(ImageError),
}

impl Rejection {
    const NOTHING: Self = Self::NoImage(NoImageReason::NotDrawn);

    /// Whether another program uses the image, so that a later attempt may succeed.
    const fn is_in_use(&self) -> bool {
        matches!(self, Self::Refused(ImageError::InUse))
    }

    /// Returns the more informative one.
    fn or(self, other: Self) -> Self {
        if matches!(self, Self::NoImage(NoImageReason::NotDrawn | NoImageReason::NotKept)) { other } else { self }
    }
}

/// How much the clock of this machine and that of OpenAI's time stamp authority may differ.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);
/// Warning about an image that OpenAI signed before or after the call.
const OTHER_TIME: &str = "OpenAI signed the picture at another time than that of this call.";

/// Protection of Codex's own files from being written by the agent.
///
/// | confinement | sandbox in the rollout | protection  | an image is verified by         |
/// | ----------- | ---------------------- | ----------- | ------------------------------- |
/// | `Broken`    | any                    | `Missing`   | nothing                         |
/// | `Expected`  | another                | `Missing`   | nothing                         |
/// | `Expected`  | the requested one      | `Confirmed` | the store, or else the rollout  |
/// | `Expected`  | not read yet           | `Unknown`   | the rollout                     |
/// | `Waived`    | any                    | `Unknown`   | the rollout                     |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriteProtection {
    /// The sandbox that Codex recorded confirms it.
    Confirmed,
    /// It is not confirmed, or the call asked for none.
    Unknown,
    /// The call asked for it, but it was not in force.
    Missing(Breach),
}

/// Decides whether a file counts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ProvenanceCheck {
    request: Arc<Request>,
    references: Arc<[Fingerprint]>,
    confinement: Confinement,
    /// The agent's working directory.
    workspace: PathBuf,
    /// Whether the sandbox that Codex recorded confirms the confinement. Unset until that is read.
    confirmed: Arc<OnceLock<Result<Confirmed, Breach>>>,
    /// The time before the turn.
    began: SystemTime,
    /// Contents of the store before the turn. They cannot have come from it.
    baseline: Arc<Baseline>,
    /// Cancels all scans and reads that are still running.
    given_up: CancellationToken,
}

impl ProvenanceCheck {
    /// Creates the check for a turn that starts after `baseline` was taken.
    #[must_use]
    pub fn new(
        request: Arc<Request>,
        references: Arc<[Fingerprint]>,
        confinement: Confinement,
        workspace: PathBuf,
        baseline: Baseline,
    ) -> Self {
        let (confirmed, given_up, began) = (Arc::default(), CancellationToken::new(), SystemTime::now());
        Self { request, references, confinement, workspace, confirmed, began, baseline: Arc::new(baseline), given_up }
    }

    /// Returns a guard that cancels all scans and reads when it is dropped.
    #[must_use]
    pub fn give_up_on_drop(&self) -> DropGuard {
        self.given_up.clone().drop_guard()
    }

    /// Reads the sandbox that Codex recorded, if that has not been read yet. Call it early: before
    /// the agent acts, the rollout cannot be forged. Blocks on the disk.
    pub fn read_recorded_sandbox(&self, thread: &ThreadId) {
        if self.confirmed.get().is_none()
            && let Some(recorded) = rollout::recorded_sandbox(&self.request.home_path(), thread)
        {
            // Fails only if another thread has set the same result.
            let _ = self.confirmed.set(confirm(&recorded, &self.request, &self.workspace));
        }
    }

    fn write_protection(&self) -> WriteProtection {
        match (self.confinement, self.confirmed.get().copied()) {
            (Confinement::Broken(breach), _) | (Confinement::Expected, Some(Err(breach))) => {
                WriteProtection::Missing(breach)
            }
            (Confinement::Waived, _) | (Confinement::Expected, None) => WriteProtection::Unknown,
            (Confinement::Expected, Some(Ok(_))) => WriteProtection::Confirmed,
        }
    }

    /// The home of Codex.
    #[must_use]
    pub fn codex_home(&self) -> PathBuf {
        self.request.home_path()
    }

    /// Whether an unverified image is refused.
    #[must_use]
    pub fn requires_verified(&self) -> bool {
        self.request.require_verified
    }

    /// Returns a watcher of the rollout of `thread`.
    #[must_use]
    pub fn rollout_watcher(&self, thread: &ThreadId) -> rollout::RolloutWatcher {
        rollout::RolloutWatcher::new(&self.request.home_path(), thread)
    }

    /// Whether only the rollout can verify an image.
    #[must_use]
    pub fn awaits_rollout(&self) -> bool {
        self.write_protection() == WriteProtection::Unknown
    }

    /// Whether OpenAI's service signed an image during the call, which no agent can forge.
    fn is_signed_now(&self, credentials: &ContentCredentials) -> bool {
        let during = self.began - CLOCK_TOLERANCE..=SystemTime::now() + CLOCK_TOLERANCE;
        credentials.trusted && credentials.signed_at.is_some_and(|at| during.contains(&at))
    }

    /// Returns a warning if the signature of an image does not hold, or is of another time.
    fn signature_warning(&self, credentials: &ContentCredentials) -> Option<String> {
        match &credentials.problem {
            Some(problem) if !credentials.intact => {
                Some(format!("The content credentials of the picture do not hold. {problem}"))
            }
            _ => {
                let is_of_other_time = credentials.trusted && credentials.signed_at.is_some();
                (is_of_other_time && !self.is_signed_now(credentials)).then(|| OTHER_TIME.to_owned())
            }
        }
    }

    /// Warnings about the confinement, and about the signature of the image.
    pub fn warnings(&self, credentials: Option<&ContentCredentials>) -> impl Iterator<Item = String> {
        let breach = match self.write_protection() {
            WriteProtection::Missing(breach) => Some(breach.to_string()),
            WriteProtection::Confirmed | WriteProtection::Unknown => None,
        };
        let memories = matches!(self.confirmed.get(), Some(Ok(Confirmed { writes_memories: true })));
        let signature = credentials.and_then(|credentials| self.signature_warning(credentials));
        breach.into_iter().chain(memories.then(|| WRITES_MEMORIES.to_owned())).chain(signature)
    }

    /// Returns the store of `thread`, not scanned yet.
    #[must_use]
    pub fn store(&self, thread: &ThreadId) -> Store {
        let since = self.baseline.since(thread);
        Store::new(&self.request.home_path(), thread, self.request.max_image_bytes, since)
    }

    /// Scans the store once. Blocks on the disk.
    ///
    /// # Errors
    /// The reason why no image is returned yet.
    pub fn scan(&self, store: &mut Store, thread: &ThreadId) -> Result<FoundImage, Rejection> {
        match store.scan(&self.given_up) {
            Scan::Nothing => Err(Rejection::NOTHING),
            Scan::Refused(error) => Err(Rejection::Refused(error)),
            Scan::Image(ValidPng { bytes, info }) => self.verify(bytes, info, Source::Store, thread),
        }
    }

    /// Searches for the image that the finished turn of `thread` left. Blocks on the disk.
    ///
    /// Searches the store, then the workspace, then the rollout. With `completion: 'exit'`, the
    /// workspace comes first. Waits up to a second for an image that another program uses.
    ///
    /// # Errors
    /// The reason why no image is returned.
    pub fn final_image(
        &self,
        workspace: Option<&Dir>,
        thread: Option<&ThreadId>,
        succeeded: bool,
    ) -> Result<FoundImage, Rejection> {
        let search = || self.search(workspace, thread, succeeded);
        retry(search, |found| !found.as_ref().is_err_and(Rejection::is_in_use) || self.given_up.is_cancelled())
    }

    fn search(
        &self,
        workspace: Option<&Dir>,
        thread: Option<&ThreadId>,
        succeeded: bool,
    ) -> Result<FoundImage, Rejection> {
        // A file that the agent left counts only after a success. A file that Codex itself wrote
        // always counts, unless the caller asked to wait for the exit.
        let order: &[Source] = match (self.request.completion, succeeded) {
            (Completion::Image, true) => &[Source::Store, Source::Workspace, Source::Rollout],
            (Completion::Exit, true) => &[Source::Workspace, Source::Store, Source::Rollout],
            (Completion::Image, false) => &[Source::Store, Source::Rollout],
            (Completion::Exit, false) => &[],
        };
        let mut rejection = Rejection::NOTHING;
        for source in order {
            let found = match (source, thread) {
                (Source::Workspace, thread) => self.in_workspace(workspace, thread),
                (_, None) => Err(Rejection::NOTHING),
                (Source::Store, Some(thread)) => self.scan(&mut self.store(thread), thread),
                (Source::Rollout, Some(thread)) => self.in_rollout(thread),
            };
            match found {
                Ok(image) => return Ok(image),
                Err(found) => rejection = rejection.or(found),
            }
        }
        Err(rejection)
    }

    fn in_workspace(&self, workspace: Option<&Dir>, thread: Option<&ThreadId>) -> Result<FoundImage, Rejection> {
        let Some(workspace) = workspace.filter(|_| self.request.sandbox.has_shell()) else {
            return Err(Rejection::NOTHING);
        };
        let validate = match self.request.validation {
            Validation::Full => png::validate,
            Validation::Signature => png::check_signature,
        };
        let read = read_image(workspace, OsStr::new(IMAGE_NAME), self.request.max_image_bytes, validate);
        let ValidPng { bytes, info } = read.map_err(Rejection::Refused)?.ok_or(Rejection::NOTHING)?;
        match thread {
            Some(thread) => self.verify(bytes, info, Source::Workspace, thread),
            None => self.accept(FoundImage {
                png: bytes,
                info,
                source: Source::Workspace,
                verified: false,
                revised_prompt: None,
                credentials: None,
            }),
        }
    }

    fn in_rollout(&self, thread: &ThreadId) -> Result<FoundImage, Rejection> {
        self.read_recorded_sandbox(thread);
        let (home, limit) = (self.request.home_path(), self.request.max_image_bytes);
        let image = first_in_rollout(&home, thread, limit, &self.given_up, NoImageReason::NotDrawn)?;
        let verified = !matches!(self.write_protection(), WriteProtection::Missing(_));
        self.accept(FoundImage { verified, ..image })
    }

    /// Returns the image, and whether the store or the rollout verifies its bytes.
    fn verify(
        &self,
        png: Vec<u8>,
        info: ImageInfo,
        source: Source,
        thread: &ThreadId,
    ) -> Result<FoundImage, Rejection> {
        let home = self.request.home_path();
        self.read_recorded_sandbox(thread);
        // If the store suffices, the rest of the rollout is not read: it is large.
        let protection = self.write_protection();
        let by_store =
            protection == WriteProtection::Confirmed && (source == Source::Store || self.store(thread).holds(&png));
        let entry = if by_store { None } else { find_in_rollout(&home, thread, &png, &self.given_up) };
        let verified = !matches!(protection, WriteProtection::Missing(_)) && (by_store || entry.is_some());
        let revised_prompt = entry.and_then(|entry| entry.revised_prompt);
        self.accept(FoundImage { png, info, source, verified, revised_prompt, credentials: None })
    }

    /// Reads the image's content credentials, which may verify it. Refuses an image that the call
    /// does not accept.
    fn accept(&self, image: FoundImage) -> Result<FoundImage, Rejection> {
        let credentials = read_credentials(&image.png, &self.request.trust);
        let is_signed_now = credentials.as_ref().is_some_and(|credentials| self.is_signed_now(credentials));
        let image = FoundImage { verified: image.verified || is_signed_now, credentials, ..image };
        if self.references.contains(&Fingerprint::of(&image.png)) {
            Err(Rejection::NoImage(NoImageReason::Reference))
        } else if self.request.require_verified && !image.verified {
            Err(Rejection::NoImage(NoImageReason::Unverified))
        } else {
            Ok(image)
        }
    }
}

fn read_credentials(png: &[u8], trust: &Trust<'_>) -> Option<ContentCredentials> {
    // Fails only for bytes that are no PNG, which are no image that counts.
    credentials::read(png, trust, SystemTime::now()).ok().flatten()
}

/// Finds the image of an earlier thread. Only the rollout can verify it, since the confinement of
/// that agent is unknown. Blocks on the disk, and up to a second for an image that another program
/// uses.
///
/// # Errors
/// The reason why no image is returned.
pub fn recover(codex_home: &Path, thread: &ThreadId, limit: u64) -> Result<FoundImage, Rejection> {
    let mut store = Store::new(codex_home, thread, limit, None);
    let never = CancellationToken::new();
    let scanned = retry(|| store.scan(&never), |scan| !matches!(scan, Scan::Refused(ImageError::InUse)));
    let rejection = match scanned {
        Scan::Image(ValidPng { bytes, info }) => {
            let entry = find_in_rollout(codex_home, thread, &bytes, &never);
            return Ok(FoundImage {
                credentials: read_credentials(&bytes, &OPENAI),
                png: bytes,
                info,
                source: Source::Store,
                verified: entry.is_some(),
                revised_prompt: entry.and_then(|entry| entry.revised_prompt),
            });
        }
        Scan::Nothing => Rejection::NoImage(NoImageReason::NotKept),
        Scan::Refused(error) => Rejection::Refused(error),
    };
    let found = first_in_rollout(codex_home, thread, limit, &never, NoImageReason::NotKept);
    let image = found.map_err(|error| rejection.or(error))?;
    Ok(FoundImage { credentials: read_credentials(&image.png, &OPENAI), ..image })
}

/// Returns the entry of the thread's rollout that holds the same bytes.
fn find_in_rollout(
    codex_home: &Path,
    thread: &ThreadId,
    png: &[u8],
    given_up: &CancellationToken,
) -> Option<RecordedImage> {
    let same = |recorded: RecordedImage| (recorded.bytes == png).then_some(recorded);
    match search_rollout(codex_home, thread, png.len() as u64, given_up, same) {
        Search::Found(recorded) => Some(recorded),
        Search::TooLarge | Search::NotFound => None,
    }
}

/// Returns the first valid image in the thread's rollout.
///
/// Otherwise returns that one is too large, since a larger limit may accept it, or else that one is
/// invalid, or else `absent`.
fn first_in_rollout(
    codex_home: &Path,
    thread: &ThreadId,
    limit: u64,
    given_up: &CancellationToken,
    absent: NoImageReason,
) -> Result<FoundImage, Rejection> {
    let mut invalid = None;
    let valid = |RecordedImage { bytes: png, revised_prompt }| {
        let info = png::validate(&png).map_err(|error| invalid = Some(error)).ok()?;
        Some(FoundImage { png, info, source: Source::Rollout, verified: true, revised_prompt, credentials: None })
    };
    match search_rollout(codex_home, thread, limit, given_up, valid) {
        Search::Found(image) => Ok(image),
        Search::TooLarge => Err(Rejection::Refused(ImageError::TooLarge)),
        Search::NotFound => Err(match invalid {
            Some(error) => Rejection::Refused(ImageError::Invalid(error)),
            None => Rejection::NoImage(absent),
        }),
    }
}

/// The result of a search through a thread's rollout.
enum Search<T> {
    Found(T),
    /// Nothing was found, and at least one image is larger than the limit.
    TooLarge,
    NotFound,
}

/// Returns the first result of `wanted` over the entries of the thread's rollout.
fn search_rollout<T>(
    codex_home: &Path,
    thread: &ThreadId,
    limit: u64,
    given_up: &CancellationToken,
    mut wanted: impl FnMut(RecordedImage) -> Option<T>,
) -> Search<T> {
    let mut found = None;
    let too_large = rollout::images(codex_home, thread, limit, given_up, |recorded| {
        found = wanted(recorded);
        if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    match found {
        Some(found) => Search::Found(found),
        None if too_large => Search::TooLarge,
        None => Search::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::*;
    use crate::sandbox::Sandbox;

    const THREAD: &str = "019e5f2a-7c44-7bb0-9d3e-0123456789ab";

    fn thread() -> ThreadId {
        ThreadId::parse(THREAD).unwrap()
    }

    fn picture(shade: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = ::png::Encoder::new(&mut bytes, 2, 2).write_header().unwrap();
        writer.write_image_data(&[shade; 4]).unwrap();
        writer.finish().unwrap();
        bytes
    }

    /// The files that a turn leaves.
    struct Turn(tempfile::TempDir);

    impl Turn {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            std::fs::create_dir(root.path().join("work")).unwrap();
            Self(root)
        }

        fn home(&self) -> PathBuf {
            self.0.path().join("home")
        }

        fn workspace(&self) -> PathBuf {
            self.0.path().join("work")
        }

        fn stores(self, image: &[u8]) -> Self {
            let store = self.home().join("generated_images").join(THREAD);
            std::fs::create_dir_all(&store).unwrap();
            std::fs::write(store.join("ig_1.png"), image).unwrap();
            self
        }

        fn copies(self, image: &[u8]) -> Self {
            std::fs::write(self.workspace().join(IMAGE_NAME), image).unwrap();
            self
        }

        /// Writes the rollout: the sandbox with the directories that the agent may write to,
        /// then `images`.
        fn writes_rollout(self, writable: &[PathBuf], images: &[&[u8]]) -> Self {
            let policy = json!({ "type": "workspace-write", "writable_roots": writable });
            let sandbox = json!({ "type": "turn_context", "payload": { "sandbox_policy": policy } });
            let images = images.iter().map(|image| {
                let item = json!({
                    "kind": "image_gen.generation",
                    "revisedPrompt": "a fox",
                    "result": STANDARD.encode(image),
                });
                json!({ "type": "event_msg", "payload": { "type": "item_completed", "item": item } })
            });
            let lines = std::iter::once(sandbox).chain(images).map(|line| format!("{line}\n"));
            let day = self.home().join("sessions").join("2026").join("11").join("22");
            std::fs::create_dir_all(&day).unwrap();
            let name = format!("rollout-2026-11-22T11-12-45-{THREAD}.jsonl");
            std::fs::write(day.join(name), lines.collect::<String>()).unwrap();
            self
        }

        fn check(&self, confinement: Confinement, references: &[&[u8]], change: fn(&mut Request)) -> ProvenanceCheck {
            let mut request = Request::example(self.home());
            change(&mut request);
            let references = references.iter().map(|reference| Fingerprint::of(reference)).collect();
            // Before the turn there was no store.
            let baseline = Baseline::take(&self.0.path().join("nothing"));
            ProvenanceCheck::new(Arc::new(request), references, confinement, self.workspace(), baseline)
        }

        /// Searches for the image of a turn that succeeded or did not.
        fn image(&self, check: &ProvenanceCheck, succeeded: bool) -> Result<FoundImage, Rejection> {
            check.final_image(Some(&Dir::open(&self.workspace()).unwrap()), Some(&thread()), succeeded)
        }
    }

    const EXPECTED: Confinement = Confinement::Expected;
    const BROKEN: Confinement = Confinement::Broken(Breach::Administrator);

    fn reason(found: Result<FoundImage, Rejection>) -> NoImageReason {
        match found {
            Err(Rejection::NoImage(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_image_in_the_store_of_a_confined_agent_is_verified() {
        let turn = Turn::new().stores(&picture(1)).writes_rollout(&[], &[]);
        for (confinement, verified) in [(EXPECTED, true), (Confinement::Waived, false), (BROKEN, false)] {
            let found = turn.image(&turn.check(confinement, &[], |_| {}), true).unwrap();
            assert_eq!((found.source.as_str(), found.verified), ("store", verified), "{confinement:?}");
            assert_eq!((found.png, found.revised_prompt), (picture(1), None));
        }
        let silent = Turn::new().stores(&picture(1));
        assert!(!silent.image(&silent.check(EXPECTED, &[], |_| {}), true).unwrap().verified, "no recorded sandbox");
    }

    #[test]
    fn an_image_in_the_rollout_is_verified_unless_confinement_failed() {
        let turn = Turn::new().stores(&picture(1)).writes_rollout(&[], &[&picture(2), &picture(1)]);
        let only_recorded = Turn::new().writes_rollout(&[], &[b"no PNG", &picture(3)]);
        for (confinement, verified) in [(EXPECTED, true), (Confinement::Waived, true), (BROKEN, false)] {
            let found = turn.image(&turn.check(confinement, &[], |_| {}), true).unwrap();
            assert_eq!((found.source.as_str(), found.verified), ("store", verified), "{confinement:?}");
            assert_eq!(found.png, picture(1));
            let found = only_recorded.image(&only_recorded.check(confinement, &[], |_| {}), false).unwrap();
            assert_eq!((found.source.as_str(), found.verified), ("rollout", verified), "{confinement:?}");
            assert_eq!((found.png, found.revised_prompt.as_deref()), (picture(3), Some("a fox")));
        }
    }

    #[test]
    fn an_image_in_the_workspace_is_verified_by_the_same_bytes_elsewhere() {
        let exit = |request: &mut Request| request.completion = Completion::Exit;
        let verified = |turn: &Turn| {
            let found = turn.image(&turn.check(EXPECTED, &[], exit), true).unwrap();
            assert_eq!((found.source.as_str(), found.png), ("workspace", picture(1)));
            found.verified
        };
        let turn = || Turn::new().copies(&picture(1));
        assert!(verified(&turn().stores(&picture(1)).writes_rollout(&[], &[])));
        assert!(verified(&turn().writes_rollout(&[], &[&picture(1)])));
        assert!(!verified(&turn().stores(&picture(2)).writes_rollout(&[], &[])));
        assert!(!verified(&turn().writes_rollout(&[], &[&picture(2)])));
        let turn = turn();
        let workspace = Dir::open(&turn.workspace()).unwrap();
        let found = turn.check(EXPECTED, &[], exit).final_image(Some(&workspace), None, true).unwrap();
        assert!(!found.verified, "the thread is not known");
    }

    #[test]
    fn the_order_of_the_search_depends_on_how_the_turn_ended() {
        let turn = Turn::new().stores(&picture(1)).copies(&picture(2)).writes_rollout(&[], &[&picture(3)]);
        let source = |change, succeeded| {
            let found = turn.image(&turn.check(EXPECTED, &[], change), succeeded);
            found.map(|image| image.source.as_str()).ok()
        };
        let exit = |request: &mut Request| request.completion = Completion::Exit;
        assert_eq!(source(|_| {}, true), Some("store"));
        assert_eq!(source(|_| {}, false), Some("store"));
        assert_eq!(source(exit, true), Some("workspace"));
        assert_eq!(source(exit, false), None);
        let without_shell = |request: &mut Request| {
            (request.completion, request.sandbox) = (Completion::Exit, Sandbox::ReadOnly);
        };
        assert_eq!(source(without_shell, true), Some("store"), "an agent without a shell copies nothing");
        let turn = Turn::new().copies(&picture(2));
        assert_eq!(reason(turn.image(&turn.check(EXPECTED, &[], |_| {}), false)), NoImageReason::NotDrawn);
    }

    #[test]
    fn refuses_a_reference_and_an_image_that_must_be_verified_and_is_not() {
        let turn = Turn::new().stores(&picture(1)).writes_rollout(&[], &[]);
        let found =
            |confinement, references: &[&[u8]], change| turn.image(&turn.check(confinement, references, change), true);
        let strict = |request: &mut Request| request.require_verified = true;
        assert!(found(EXPECTED, &[&picture(2)], strict).is_ok());
        assert_eq!(reason(found(EXPECTED, &[&picture(2), &picture(1)], |_| {})), NoImageReason::Reference);
        assert_eq!(reason(found(Confinement::Waived, &[], strict)), NoImageReason::Unverified);
        assert!(turn.check(EXPECTED, &[], strict).requires_verified());
        assert!(!turn.check(EXPECTED, &[], |_| {}).requires_verified());
    }

    #[test]
    fn only_the_rollout_counts_until_codex_states_the_sandbox() {
        let turn = Turn::new().writes_rollout(&[], &[]);
        let check = turn.check(EXPECTED, &[], |_| {});
        assert!(check.awaits_rollout());
        check.read_recorded_sandbox(&thread());
        assert!(!check.awaits_rollout());
        assert!(turn.check(Confinement::Waived, &[], |_| {}).awaits_rollout());
        assert!(!turn.check(BROKEN, &[], |_| {}).awaits_rollout());
        assert_eq!(check.codex_home(), turn.home());
    }

    #[test]
    fn warns_of_a_breach_and_of_writable_memories() {
        let warnings = |confinement, writable: fn(&Turn) -> PathBuf| {
            let turn = Turn::new();
            let writable = writable(&turn);
            let turn = turn.writes_rollout(&[writable], &[]);
            let check = turn.check(confinement, &[], |_| {});
            check.read_recorded_sandbox(&thread());
            check.warnings(None).collect::<Vec<_>>()
        };
        assert_eq!(warnings(EXPECTED, Turn::workspace), [""; 0]);
        assert_eq!(warnings(EXPECTED, |turn| turn.home().join("memories")), [WRITES_MEMORIES]);
        assert_eq!(warnings(EXPECTED, Turn::home), [Breach::Contradicted.to_string()]);
        assert_eq!(warnings(BROKEN, Turn::workspace), [Breach::Administrator.to_string()]);
    }

    #[test]
    fn recovers_the_image_of_an_earlier_thread_and_verifies_it_by_its_rollout() {
        let recovered = |turn: &Turn, limit| recover(&turn.home(), &thread(), limit);
        let stored = Turn::new().stores(&picture(1));
        let found = recovered(&stored, 1000).unwrap();
        assert_eq!((found.png, found.verified), (picture(1), false));
        let found = recovered(&stored.writes_rollout(&[], &[&picture(1)]), 1000).unwrap();
        assert_eq!((found.source, found.verified), (Source::Store, true));
        assert_eq!(found.revised_prompt.as_deref(), Some("a fox"));
        let only_recorded = Turn::new().writes_rollout(&[], &[&picture(2)]);
        let found = recovered(&only_recorded, 1000).unwrap();
        assert_eq!((found.source, found.png, found.verified), (Source::Rollout, picture(2), true));
        assert!(matches!(recovered(&only_recorded, 10), Err(Rejection::Refused(ImageError::TooLarge))));
        assert_eq!(reason(recovered(&Turn::new(), 1000)), NoImageReason::NotKept);
    }

    /// An open file can be read on other systems.
    #[cfg(windows)]
    #[test]
    fn waits_a_second_for_an_image_that_another_program_uses() {
        use std::os::windows::fs::OpenOptionsExt as _;
        use std::time::{Duration, Instant};

        let turn = Turn::new().stores(&picture(1));
        let check = turn.check(EXPECTED, &[], |_| {});
        let file = turn.home().join("generated_images").join(THREAD).join("ig_1.png");
        let searches: [&(dyn Fn() -> Result<FoundImage, Rejection> + Sync); 2] =
            [&|| turn.image(&check, true), &|| recover(&turn.home(), &thread(), 1000)];
        for search in searches {
            let in_use = std::fs::OpenOptions::new().read(true).share_mode(0).open(&file).unwrap();
            let began = Instant::now();
            assert!(search().is_err_and(|rejection| rejection.is_in_use()));
            assert!(began.elapsed() >= Duration::from_secs(1));
            std::thread::scope(|scope| {
                let searching = scope.spawn(search);
                drop(in_use);
                assert_eq!(searching.join().unwrap().unwrap().png, picture(1));
            });
        }
    }
}
