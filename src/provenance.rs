//! Which picture counts, and what is known of where it came from.
//!
//! Three places may hold the picture of a thread: Codex's own store, the path that was handed to
//! the agent, and the thread's record. Checked in this order; with `completion: 'exit'` the
//! workspace comes first.
//!
//! A picture is *verified* if it provably came from image_gen: Codex wrote it into this thread's
//! store while its own statement says that the agent could not, or this thread's record holds the
//! same bytes. Agents do draw substitutes with a script, or copy an older file; those are never
//! verified. Where the call asked for no confinement, the agent could forge the record too: there
//! `verified` is worth as much as the agent. Where it asked and did not get it, nothing is
//! verified.

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tokio_util::sync::{CancellationToken, DropGuard};

use crate::codex::ThreadId;
use crate::codex::confinement::{Breach, Confinement, Confirmed, WRITES_MEMORIES, confirm};
use crate::codex::rollout::{self, Recorded};
use crate::codex::store::{Baseline, ImageError, Scan, Store, VerifiedPng, read_image};
use crate::error::NoImageReason;
use crate::files::Dir;
use crate::png::{self, Picture};
use crate::reference::Fingerprint;
use crate::request::{Completion, Request, Validation};
use crate::workspace::IMAGE_NAME;

/// Where a picture was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// In Codex's own store.
    Store,
    /// At the path handed to the agent.
    Workspace,
    /// In the thread's record.
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

/// A picture that counts.
#[derive(Debug)]
pub struct FoundImage {
    /// The PNG file's bytes, unchanged.
    pub png: Vec<u8>,
    /// What they show.
    pub picture: Picture,
    /// Where they were found.
    pub source: Source,
    /// Whether they provably came from image_gen.
    pub verified: bool,
    /// The prompt as the image model was finally given it, where the record was read and tells.
    pub revised_prompt: Option<String>,
}

/// Why there is nothing to hand out.
#[derive(Debug)]
pub enum Rejection {
    /// There is no file, or none that counts.
    NoImage(NoImageReason),
    /// There is a file, and it was refused.
    Refused(ImageError),
}

impl Rejection {
    const NOTHING: Self = Self::NoImage(NoImageReason::NotDrawn);

    /// The one that tells more.
    fn or(self, other: Self) -> Self {
        if matches!(self, Self::NoImage(NoImageReason::NotDrawn | NoImageReason::NotKept)) { other } else { self }
    }
}

/// What decides whether a file counts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ProvenanceCheck {
    request: Arc<Request>,
    references: Arc<[Fingerprint]>,
    confinement: Confinement,
    /// Where the agent works.
    workspace: PathBuf,
    /// What Codex's own statement says to that, once it was read.
    confirmed: Arc<OnceLock<Result<Confirmed, Breach>>>,
    /// What was in the store before the run cannot have come from it.
    baseline: Arc<Baseline>,
    /// Ends every look and reading that is still under way.
    given_up: CancellationToken,
}

impl ProvenanceCheck {
    /// For the files of a run that begins after `baseline` was taken.
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

    /// Ends every look and reading when it is dropped.
    #[must_use]
    pub fn give_up_on_drop(&self) -> DropGuard {
        self.given_up.clone().drop_guard()
    }

    /// Reads Codex's statement of the sandbox, unless that is known already; at best before the
    /// agent has done anything. Blocks on the disk.
    pub fn read_statement(&self, thread: &ThreadId) {
        if self.confirmed.get().is_none()
            && let Some(statement) = rollout::statement(&self.request.codex_home(), thread)
        {
            // Lost only to another reader of the same statement.
            let _ = self.confirmed.set(confirm(&statement, &self.request, &self.workspace));
        }
    }

    /// Whether the agent provably could not write to Codex's own files; none where it could, and
    /// the call did not mind.
    fn confined(&self) -> Result<bool, Breach> {
        match (self.confinement, self.confirmed.get().copied()) {
            (Confinement::Broken(breach), _) | (Confinement::Expected, Some(Err(breach))) => Err(breach),
            (Confinement::Waived, _) | (Confinement::Expected, None) => Ok(false),
            (Confinement::Expected, Some(Ok(_))) => Ok(true),
        }
    }

    /// The home of the Codex that runs.
    #[must_use]
    pub fn codex_home(&self) -> PathBuf {
        self.request.codex_home()
    }

    /// Whether an unverified picture is refused.
    #[must_use]
    pub fn requires_verified(&self) -> bool {
        self.request.require_verified
    }

    /// What tells when the record of `thread` grows.
    #[must_use]
    pub fn record_growth(&self, thread: &ThreadId) -> rollout::Growth {
        rollout::Growth::new(&self.request.codex_home(), thread)
    }

    /// Whether the record alone can establish where a picture comes from.
    #[must_use]
    pub fn awaits_record(&self) -> bool {
        self.confined() == Ok(false)
    }

    /// What the user should know of the confinement.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let breach = self.confined().err().map(|breach| breach.to_string());
        let memories = matches!(self.confirmed.get(), Some(Ok(Confirmed { writes_memories: true })));
        breach.into_iter().chain(memories.then(|| WRITES_MEMORIES.to_owned()))
    }

    /// The store of `thread`, not scanned yet.
    #[must_use]
    pub fn store(&self, thread: &ThreadId) -> Store {
        let since = self.baseline.since(thread);
        Store::new(&self.request.codex_home(), thread, self.request.max_image_bytes, since)
    }

    /// One look into the store. Blocks on the disk.
    ///
    /// # Errors
    /// Why there is nothing to hand out yet.
    pub fn look(&self, store: &mut Store, thread: &ThreadId) -> Result<FoundImage, Rejection> {
        match store.look(&self.given_up) {
            Scan::Nothing => Err(Rejection::NOTHING),
            Scan::Refused(refusal) => Err(Rejection::Refused(refusal)),
            Scan::Image(proven) => self.judge(proven.bytes, proven.picture, Source::Store, thread),
        }
    }

    /// Takes in what the turn of `thread` has left in its workspace, the store and the record.
    /// Blocks on the disk.
    ///
    /// # Errors
    /// Why there is nothing to hand out.
    pub fn final_picture(
        &self,
        workspace: Option<&Dir>,
        thread: Option<&ThreadId>,
        went_well: bool,
    ) -> Result<FoundImage, Rejection> {
        // What the agent left counts only if Codex says that all went well; what Codex itself wrote
        // needs no such word, unless the caller asked to wait for it.
        let order: &[Source] = match (self.request.completion, went_well) {
            (Completion::Image, true) => &[Source::Store, Source::Workspace, Source::Rollout],
            (Completion::Exit, true) => &[Source::Workspace, Source::Store, Source::Rollout],
            (Completion::Image, false) => &[Source::Store, Source::Rollout],
            (Completion::Exit, false) => &[],
        };
        let mut rejection = Rejection::NOTHING;
        for source in order {
            let found = match (source, thread) {
                (Source::Workspace, thread) => self.at_handed_path(workspace, thread),
                (_, None) => Err(Rejection::NOTHING),
                (Source::Store, Some(thread)) => self.look(&mut self.store(thread), thread),
                (Source::Rollout, Some(thread)) => self.in_record(thread),
            };
            match found {
                Ok(picked) => return Ok(picked),
                Err(found) => rejection = rejection.or(found),
            }
        }
        Err(rejection)
    }

    fn at_handed_path(&self, workspace: Option<&Dir>, thread: Option<&ThreadId>) -> Result<FoundImage, Rejection> {
        let Some(workspace) = workspace.filter(|_| self.request.sandbox.has_shell()) else {
            return Err(Rejection::NOTHING);
        };
        let prove = match self.request.validation {
            Validation::Full => png::prove,
            Validation::Signature => png::check_signature,
        };
        let read = read_image(workspace, OsStr::new(IMAGE_NAME), self.request.max_image_bytes, prove);
        let VerifiedPng { bytes, picture } = read.map_err(Rejection::Refused)?.ok_or(Rejection::NOTHING)?;
        match thread {
            Some(thread) => self.judge(bytes, picture, Source::Workspace, thread),
            None => self.admit(FoundImage {
                png: bytes,
                picture,
                source: Source::Workspace,
                verified: false,
                revised_prompt: None,
            }),
        }
    }

    fn in_record(&self, thread: &ThreadId) -> Result<FoundImage, Rejection> {
        self.read_statement(thread);
        let found = first_recorded(&self.request.codex_home(), thread, self.request.max_image_bytes, &self.given_up);
        found
            .map_err(|refusal| refusal.map_or(Rejection::NOTHING, Rejection::Refused))
            .and_then(|picked| self.admit(FoundImage { verified: self.confined().is_ok(), ..picked }))
    }

    /// Finds out where the bytes came from.
    fn judge(
        &self,
        png: Vec<u8>,
        picture: Picture,
        source: Source,
        thread: &ThreadId,
    ) -> Result<FoundImage, Rejection> {
        let home = self.request.codex_home();
        self.read_statement(thread);
        // Where the place itself proves enough, the record is not read any further: it is large.
        let confined = self.confined();
        let by_place = confined == Ok(true) && (source == Source::Store || self.store(thread).holds(&png));
        let recorded = if by_place { None } else { recorded(&home, thread, &png, &self.given_up) };
        let verified = confined.is_ok() && (by_place || recorded.is_some());
        let revised_prompt = recorded.and_then(|recorded| recorded.revised_prompt);
        self.admit(FoundImage { png, picture, source, verified, revised_prompt })
    }

    /// Whether the caller wants it.
    fn admit(&self, picked: FoundImage) -> Result<FoundImage, Rejection> {
        if self.references.contains(&Fingerprint::of(&picked.png)) {
            Err(Rejection::NoImage(NoImageReason::Reference))
        } else if self.request.require_verified && !picked.verified {
            Err(Rejection::NoImage(NoImageReason::Unverified))
        } else {
            Ok(picked)
        }
    }
}

/// Finds the picture of a thread that was drawn earlier. How its agent was confined is not known
/// any more, so only the record verifies. Blocks on the disk.
///
/// # Errors
/// Why there is nothing to hand out.
pub fn recover(codex_home: &Path, thread: &ThreadId, limit: u64) -> Result<FoundImage, Rejection> {
    let mut store = Store::new(codex_home, thread, limit, None);
    let never = CancellationToken::new();
    let rejection = match store.look(&never) {
        Scan::Image(proven) => {
            let recorded = recorded(codex_home, thread, &proven.bytes, &never);
            return Ok(FoundImage {
                png: proven.bytes,
                picture: proven.picture,
                source: Source::Store,
                verified: recorded.is_some(),
                revised_prompt: recorded.and_then(|recorded| recorded.revised_prompt),
            });
        }
        Scan::Nothing => Rejection::NoImage(NoImageReason::NotKept),
        Scan::Refused(refusal) => Rejection::Refused(refusal),
    };
    first_recorded(codex_home, thread, limit, &never)
        .map_err(|refusal| rejection.or(refusal.map_or(Rejection::NoImage(NoImageReason::NotKept), Rejection::Refused)))
}

/// The entry of the thread's record that holds the same bytes.
fn recorded(codex_home: &Path, thread: &ThreadId, png: &[u8], given_up: &CancellationToken) -> Option<Recorded> {
    let same = |recorded: Recorded| (recorded.bytes == png).then_some(recorded);
    first(codex_home, thread, png.len() as u64, given_up, same).ok()
}

/// The first proven picture in the thread's record, or why the others were refused. One that is too
/// large is told first: a larger limit may make it a picture.
fn first_recorded(
    codex_home: &Path,
    thread: &ThreadId,
    limit: u64,
    given_up: &CancellationToken,
) -> Result<FoundImage, Option<ImageError>> {
    let mut flaw = None;
    let proven = |Recorded { bytes: png, revised_prompt }| {
        let picture = png::prove(&png).map_err(|found| flaw = Some(found)).ok()?;
        Some(FoundImage { png, picture, source: Source::Rollout, verified: true, revised_prompt })
    };
    let found = first(codex_home, thread, limit, given_up, proven);
    found.map_err(|too_large| if too_large { Some(ImageError::TooLarge) } else { flaw.map(ImageError::Invalid) })
}

/// The first entry that is wanted, or whether there was one that is too large.
fn first<T>(
    codex_home: &Path,
    thread: &ThreadId,
    limit: u64,
    given_up: &CancellationToken,
    mut wanted: impl FnMut(Recorded) -> Option<T>,
) -> Result<T, bool> {
    let mut found = None;
    let too_large = rollout::pictures(codex_home, thread, limit, given_up, |recorded| {
        found = wanted(recorded);
        if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    found.ok_or(too_large)
}
