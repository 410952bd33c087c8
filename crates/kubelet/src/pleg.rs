//! The pod life-cycle event generator: compares what the runtime lists with what it listed before, and
//! wakes the workers of pods whose containers changed.

use crate::Shared;
use crate::pod::names::POD_UID;
use crate::workers::Workers;
use corten_node_api::CriResult;
use corten_node_api::cri::{ListContainersRequest, ListPodSandboxRequest};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How often the runtime is asked, while there are pods (upstream's relist period).
const PERIOD: Duration = Duration::from_secs(1);

/// Runs until dropped.
pub async fn run(shared: Arc<Shared>, workers: Workers) {
    let mut before: HashMap<String, Vec<(String, i32)>> = HashMap::new();
    loop {
        corten_rt::sleep(PERIOD).await;
        if workers.is_empty() {
            before.clear();
            continue;
        }
        match list(&shared).await {
            Ok(now) => {
                let changed =
                    now.iter().filter(|(uid, states)| before.get(*uid) != Some(states)).map(|(uid, _)| uid);
                let gone = before.keys().filter(|uid| !now.contains_key(*uid));
                changed.chain(gone).for_each(|uid| workers.wake(uid));
                before = now;
            }
            Err(error) => tracing::debug!(%error, "the runtime did not list its containers"),
        }
    }
}

async fn list(shared: &Shared) -> CriResult<HashMap<String, Vec<(String, i32)>>> {
    let mut out: HashMap<String, Vec<(String, i32)>> = HashMap::new();
    for s in shared.cri.list_pod_sandbox(ListPodSandboxRequest { filter: None }).await?.items {
        if let Some(uid) = s.labels.get(POD_UID) {
            out.entry(uid.clone()).or_default().push((s.id, s.state));
        }
    }
    for c in shared.cri.list_containers(ListContainersRequest { filter: None }).await?.containers {
        if let Some(uid) = c.labels.get(POD_UID) {
            out.entry(uid.clone()).or_default().push((c.id, c.state));
        }
    }
    out.values_mut().for_each(|states| states.sort());
    Ok(out)
}
