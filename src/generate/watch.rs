//! Watches the store for the first image that counts while a turn runs.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::blocking::{self, DiskWork};
use crate::codex::store::{SCAN_INTERVAL, Store};
use crate::codex::turn::TurnStatus;
use crate::codex::{ThreadId, rollout};
use crate::png::ImageInfo;
use crate::progress::{Phase, Progress};
use crate::provenance::{FoundImage, ProvenanceCheck, Rejection};

/// The rollout's size is checked once in this many scans of the store.
const SCANS_PER_ROLLOUT_CHECK: u64 = 5;

/// Resolves when the store of the turn's thread holds an image that counts.
pub async fn first_image(
    provenance: &ProvenanceCheck,
    mut status: watch::Receiver<TurnStatus>,
    progress: &Progress,
) -> FoundImage {
    let known = status.wait_for(|status| status.thread.is_some()).await.ok().and_then(|status| status.thread.clone());
    // Stdout has ended without naming a thread: there is no store to scan.
    let Some(thread) = known else { return std::future::pending().await };
    let mut watch = StoreWatch::new(provenance.clone(), thread);
    let mut is_announced = false;
    // The latest image, and the time until which the rollout may still verify it.
    let mut candidate: Option<(FoundImage, Instant)> = None;
    loop {
        let rereads = candidate.is_some() || provenance.requires_verified();
        let scanning = blocking::on_disk(DiskWork::ThreadFiles, provenance.codex_home(), move || {
            let scanned = watch.scan(rereads);
            (watch, scanned)
        });
        // Fails only if the runtime is being shut down, and this future with it.
        let Ok((returned, scanned)) = scanning.await else { return std::future::pending().await };
        watch = returned;
        let is_arriving = matches!(scanned, Ok(_) | Err(Rejection::Refused(_)));
        if is_arriving && !std::mem::replace(&mut is_announced, true) {
            progress.report(Phase::Image, "The picture is arriving");
        }
        if let Ok(image) = scanned {
            // Codex saves an image just before it records it.
            let may_wait = provenance.awaits_rollout() && !image.verified;
            let deadline = Instant::now() + if may_wait { rollout::ROLLOUT_TIMEOUT } else { Duration::ZERO };
            let deadline = candidate.map_or(deadline, |(_, first_deadline)| first_deadline);
            candidate = Some((image, deadline));
        }
        if let Some((image, _)) = candidate.take_if(|(image, deadline)| image.verified || Instant::now() >= *deadline) {
            let ImageInfo { width, height, .. } = image.info;
            progress.report(Phase::Checking, &format!("The picture is complete: {width} × {height} pixels"));
            return image;
        }
        tokio::time::sleep(SCAN_INTERVAL).await;
    }
}

/// Scans the store and the rollout of a thread repeatedly. Reads only what has changed.
struct StoreWatch {
    provenance: ProvenanceCheck,
    thread: ThreadId,
    store: Store,
    rollout: rollout::RolloutWatcher,
    scans: u64,
}

impl StoreWatch {
    fn new(provenance: ProvenanceCheck, thread: ThreadId) -> Self {
        let (store, rollout) = (provenance.store(&thread), provenance.rollout_watcher(&thread));
        Self { provenance, thread, store, rollout, scans: 0 }
    }

    /// Scans once. Blocks on the disk. With `rereads`, reads unverified images again when the
    /// rollout has grown.
    fn scan(&mut self, rereads: bool) -> Result<FoundImage, Rejection> {
        self.scans += 1;
        // Looks for the rollout at growing intervals, because finding it lists every directory of
        // sessions. It appears soon after the thread has started.
        if self.scans.is_power_of_two() {
            self.provenance.read_recorded_sandbox(&self.thread);
        }
        let checks_rollout =
            rereads && self.provenance.awaits_rollout() && self.scans.is_multiple_of(SCANS_PER_ROLLOUT_CHECK);
        if checks_rollout && self.rollout.has_changed() {
            self.store.forget();
        }
        self.provenance.scan(&mut self.store, &self.thread)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::Path;
    use std::sync::Arc;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;

    use super::*;
    use crate::codex::confinement::Confinement;
    use crate::codex::store::Baseline;
    use crate::error::NoImageReason;
    use crate::request::Request;
    use crate::sandbox::Sandbox;

    const THREAD: &str = "01a202f5-609c-72c1-8213-7ba33eb17046";

    fn image() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = ::png::Encoder::new(&mut bytes, 2, 2).write_header().unwrap();
        writer.write_image_data(&[7; 4]).unwrap();
        writer.finish().unwrap();
        bytes
    }

    fn append(rollout: &Path, line: &str) {
        let mut file = std::fs::File::options().create(true).append(true).open(rollout).unwrap();
        writeln!(file, "{line}").unwrap();
    }

    #[test]
    fn an_unverified_image_is_read_again_only_when_the_rollout_has_grown() {
        let home = tempfile::tempdir().unwrap();
        let thread = ThreadId::parse(THREAD).unwrap();
        let sandbox = Sandbox::DangerFullAccess;
        let request = Request { sandbox, require_verified: true, ..Request::example(home.path()) };
        let (workspace, baseline) = (home.path().to_path_buf(), Baseline::take(home.path()));
        let provenance = ProvenanceCheck::new(Arc::new(request), [].into(), Confinement::Waived, workspace, baseline);
        let mut watch = StoreWatch::new(provenance, thread);
        let mut round = || (0..SCANS_PER_ROLLOUT_CHECK).map(|_| watch.scan(true)).collect::<Vec<_>>();
        let images_in = |scans: &[Result<FoundImage, Rejection>]| {
            scans.iter().filter(|found| !matches!(found, Err(Rejection::NoImage(NoImageReason::NotDrawn)))).count()
        };

        let day = home.path().join("sessions/2026/11/22");
        std::fs::create_dir_all(&day).unwrap();
        let rollout = day.join(format!("rollout-x-{THREAD}.jsonl"));
        append(&rollout, "{}");
        assert_eq!(images_in(&round()), 0, "there is no image");
        let store = home.path().join("generated_images").join(THREAD);
        std::fs::create_dir_all(&store).unwrap();
        std::fs::write(store.join("a.png"), image()).unwrap();
        let scans = round();
        assert_eq!(images_in(&scans), 1);
        assert!(matches!(scans[0], Err(Rejection::NoImage(NoImageReason::Unverified))));
        assert_eq!(images_in(&round()) + images_in(&round()), 0, "nothing has changed");
        append(&rollout, r#"{"payload":{"type":"agent_message"}}"#);
        assert_eq!(images_in(&round()), 1);
        assert_eq!(images_in(&round()), 0);
        let result = BASE64.encode(image());
        append(&rollout, &format!(r#"{{"payload":{{"type":"image_generation_end","result":"{result}"}}}}"#));
        assert!(round().into_iter().flatten().next().unwrap().verified);
    }
}
