//! Volumes of pods that were deleted while this process was away, and what a crash left on the node.

use super::{Volumes, csi, local};
use corten_rt::Backoff;
use std::collections::HashSet;
use std::time::Duration;

const FIRST_WAIT: Duration = Duration::from_secs(1);
const MOST_WAIT: Duration = Duration::from_secs(60);

/// Takes away the volumes of all pods that have a directory here and are not among those that `live` gives,
/// and what no pod uses. Tries again until nothing is left: a driver may come back late.
pub async fn clean(volumes: &Volumes, live: impl Fn() -> HashSet<String>) {
    let mut backoff = Backoff::new(FIRST_WAIT, MOST_WAIT);
    let mut reported = HashSet::new();
    loop {
        let errors = once(volumes, &live).await;
        if errors.is_empty() {
            return;
        }
        for error in errors {
            if reported.insert(error.clone()) {
                tracing::warn!(error, "a leftover volume was not removed yet");
            }
        }
        corten_rt::sleep(backoff.step()).await;
    }
}

async fn once(volumes: &Volumes, live: &impl Fn() -> HashSet<String>) -> Vec<String> {
    let mut errors = Vec::new();
    // What is found first can only be older than a pod that comes now.
    let present = volumes.present();
    let live = live();
    for uid in present.iter().filter(|uid| !live.contains(*uid)) {
        errors.extend(volumes.unmount(uid).await.err().map(|e| e.to_string()));
    }
    errors.extend(Box::pin(csi::let_go_unused(volumes)).await.err());
    errors.extend(local::let_all_go(volumes).await.err());
    errors
}
