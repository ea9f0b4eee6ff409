//! Decides which image counts, and whether its origin is verified.
//!
//! The image of a thread can be in Codex's own store, in the workspace (at the path that the
//! prompt asks the agent to copy it to) and in the thread's record. An image is *verified* if it
//! provably came from image_gen. Agents were seen drawing substitutes with a script, and copying
//! older files.

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tokio_util::sync::{CancellationToken, DropGuard};

use crate::codex::ThreadId;
use crate::codex::confinement::{Breach, Confinement, Confirmed, WRITES_MEMORIES, confirm};
use crate::codex::rollout::{self, Recorded};
use crate::codex::store::{Baseline, ImageError, Scan, Store, ValidPng, read_image};
use crate::error::NoImageReason;
use crate::files::Dir;
use crate::png::{self, ImageInfo};
use crate::reference::Fingerprint;
use crate::request::{Completion, Request, Validation};
use crate::workspace::IMAGE_NAME;

/// Location in which an image was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Codex's own store.
    Store,
    /// The workspace.
    Workspace,
    /// The thread's record, which Codex calls a rollout.
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
    /// recorded a sandbox that kept the agent from writing there, or the thread's record holds the
    /// same bytes.
    ///
    /// Always false if the call asked for a confinement that was not in force. If it asked for none,
    /// the agent could forge the record, so true is only as trustworthy as the agent.
    pub verified: bool,
    /// The prompt that the image model received, if the record was read and contains it.
    pub revised_prompt: Option<String>,
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

    /// Returns the more informative one.
    fn or(self, other: Self) -> Self {
        if matches!(self, Self::NoImage(NoImageReason::NotDrawn | NoImageReason::NotKept)) { other } else { self }
    }
}

/// Protection of Codex's own files from being written by the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriteProtection {
    /// Codex's statement confirms it.
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
    /// Whether Codex's own statement confirms the confinement. Unset until that is read.
    confirmed: Arc<OnceLock<Result<Confirmed, Breach>>>,
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
        let (confirmed, given_up) = (Arc::default(), CancellationToken::new());
        Self { request, references, confinement, workspace, confirmed, baseline: Arc::new(baseline), given_up }
    }

    /// Returns a guard that cancels all scans and reads when it is dropped.
    #[must_use]
    pub fn give_up_on_drop(&self) -> DropGuard {
        self.given_up.clone().drop_guard()
    }

    /// Reads Codex's statement of the sandbox, if that has not been read yet. Call it early: before
    /// the agent acts, the statement cannot be forged. Blocks on the disk.
    pub fn read_statement(&self, thread: &ThreadId) {
        if self.confirmed.get().is_none()
            && let Some(statement) = rollout::statement(&self.request.codex_home(), thread)
        {
            // Fails only if another thread has set the same statement.
            let _ = self.confirmed.set(confirm(&statement, &self.request, &self.workspace));
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
        self.request.codex_home()
    }

    /// Whether an unverified image is refused.
    #[must_use]
    pub fn requires_verified(&self) -> bool {
        self.request.require_verified
    }

    /// Returns a watcher of the size of `thread`'s record.
    #[must_use]
    pub fn record_growth(&self, thread: &ThreadId) -> rollout::Growth {
        rollout::Growth::new(&self.request.codex_home(), thread)
    }

    /// Whether only the record can verify an image.
    #[must_use]
    pub fn awaits_record(&self) -> bool {
        self.write_protection() == WriteProtection::Unknown
    }

    /// Warnings about the confinement.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let breach = match self.write_protection() {
            WriteProtection::Missing(breach) => Some(breach.to_string()),
            WriteProtection::Confirmed | WriteProtection::Unknown => None,
        };
        let memories = matches!(self.confirmed.get(), Some(Ok(Confirmed { writes_memories: true })));
        breach.into_iter().chain(memories.then(|| WRITES_MEMORIES.to_owned()))
    }

    /// Returns the store of `thread`, not scanned yet.
    #[must_use]
    pub fn store(&self, thread: &ThreadId) -> Store {
        let since = self.baseline.since(thread);
        Store::new(&self.request.codex_home(), thread, self.request.max_image_bytes, since)
    }

    /// Scans the store once. Blocks on the disk.
    ///
    /// # Errors
    /// The reason why no image is returned yet.
    pub fn scan(&self, store: &mut Store, thread: &ThreadId) -> Result<FoundImage, Rejection> {
        match store.scan(&self.given_up) {
            Scan::Nothing => Err(Rejection::NOTHING),
            Scan::Refused(error) => Err(Rejection::Refused(error)),
            Scan::Image(ValidPng { bytes, info }) => self.trace(bytes, info, Source::Store, thread),
        }
    }

    /// Searches for the image that the finished turn of `thread` left. Blocks on the disk.
    ///
    /// Searches the store, then the workspace, then the record. With `completion: 'exit'`, the
    /// workspace comes first.
    ///
    /// # Errors
    /// The reason why no image is returned.
    pub fn final_image(
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
                (Source::Rollout, Some(thread)) => self.in_record(thread),
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
            Some(thread) => self.trace(bytes, info, Source::Workspace, thread),
            None => self.accept(FoundImage {
                png: bytes,
                info,
                source: Source::Workspace,
                verified: false,
                revised_prompt: None,
            }),
        }
    }

    fn in_record(&self, thread: &ThreadId) -> Result<FoundImage, Rejection> {
        self.read_statement(thread);
        let (home, limit) = (self.request.codex_home(), self.request.max_image_bytes);
        let image = first_recorded(&home, thread, limit, &self.given_up, NoImageReason::NotDrawn)?;
        let verified = !matches!(self.write_protection(), WriteProtection::Missing(_));
        self.accept(FoundImage { verified, ..image })
    }

    /// Determines whether the bytes are verified.
    fn trace(&self, png: Vec<u8>, info: ImageInfo, source: Source, thread: &ThreadId) -> Result<FoundImage, Rejection> {
        let home = self.request.codex_home();
        self.read_statement(thread);
        // If the store suffices, the rest of the record is not read: it is large.
        let protection = self.write_protection();
        let by_store =
            protection == WriteProtection::Confirmed && (source == Source::Store || self.store(thread).holds(&png));
        let recorded = if by_store { None } else { recorded(&home, thread, &png, &self.given_up) };
        let verified = !matches!(protection, WriteProtection::Missing(_)) && (by_store || recorded.is_some());
        let revised_prompt = recorded.and_then(|recorded| recorded.revised_prompt);
        self.accept(FoundImage { png, info, source, verified, revised_prompt })
    }

    /// Refuses an image that the call does not accept.
    fn accept(&self, image: FoundImage) -> Result<FoundImage, Rejection> {
        if self.references.contains(&Fingerprint::of(&image.png)) {
            Err(Rejection::NoImage(NoImageReason::Reference))
        } else if self.request.require_verified && !image.verified {
            Err(Rejection::NoImage(NoImageReason::Unverified))
        } else {
            Ok(image)
        }
    }
}

/// Finds the image of an earlier thread. Only the record can verify it, since the confinement of
/// that agent is unknown. Blocks on the disk.
///
/// # Errors
/// The reason why no image is returned.
pub fn recover(codex_home: &Path, thread: &ThreadId, limit: u64) -> Result<FoundImage, Rejection> {
    let mut store = Store::new(codex_home, thread, limit, None);
    let never = CancellationToken::new();
    let rejection = match store.scan(&never) {
        Scan::Image(ValidPng { bytes, info }) => {
            let recorded = recorded(codex_home, thread, &bytes, &never);
            return Ok(FoundImage {
                png: bytes,
                info,
                source: Source::Store,
                verified: recorded.is_some(),
                revised_prompt: recorded.and_then(|recorded| recorded.revised_prompt),
            });
        }
        Scan::Nothing => Rejection::NoImage(NoImageReason::NotKept),
        Scan::Refused(error) => Rejection::Refused(error),
    };
    first_recorded(codex_home, thread, limit, &never, NoImageReason::NotKept).map_err(|error| rejection.or(error))
}

/// Returns the entry of the thread's record that holds the same bytes.
fn recorded(codex_home: &Path, thread: &ThreadId, png: &[u8], given_up: &CancellationToken) -> Option<Recorded> {
    let same = |recorded: Recorded| (recorded.bytes == png).then_some(recorded);
    match search_record(codex_home, thread, png.len() as u64, given_up, same) {
        Search::Found(recorded) => Some(recorded),
        Search::TooLarge | Search::NotFound => None,
    }
}

/// Returns the first valid image in the thread's record.
///
/// Otherwise returns that one is too large, since a larger limit may accept it, or else that one is
/// invalid, or else `absent`.
fn first_recorded(
    codex_home: &Path,
    thread: &ThreadId,
    limit: u64,
    given_up: &CancellationToken,
    absent: NoImageReason,
) -> Result<FoundImage, Rejection> {
    let mut invalid = None;
    let valid = |Recorded { bytes: png, revised_prompt }| {
        let info = png::validate(&png).map_err(|error| invalid = Some(error)).ok()?;
        Some(FoundImage { png, info, source: Source::Rollout, verified: true, revised_prompt })
    };
    match search_record(codex_home, thread, limit, given_up, valid) {
        Search::Found(image) => Ok(image),
        Search::TooLarge => Err(Rejection::Refused(ImageError::TooLarge)),
        Search::NotFound => Err(match invalid {
            Some(error) => Rejection::Refused(ImageError::Invalid(error)),
            None => Rejection::NoImage(absent),
        }),
    }
}

/// The result of a search through a thread's record.
enum Search<T> {
    Found(T),
    /// Nothing was found, and at least one image is larger than the limit.
    TooLarge,
    NotFound,
}

/// Returns the first result of `wanted` over the entries of the thread's record.
fn search_record<T>(
    codex_home: &Path,
    thread: &ThreadId,
    limit: u64,
    given_up: &CancellationToken,
    mut wanted: impl FnMut(Recorded) -> Option<T>,
) -> Search<T> {
    let mut found = None;
    let too_large = rollout::pictures(codex_home, thread, limit, given_up, |recorded| {
        found = wanted(recorded);
        if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    match found {
        Some(found) => Search::Found(found),
        None if too_large => Search::TooLarge,
        None => Search::NotFound,
    }
}
