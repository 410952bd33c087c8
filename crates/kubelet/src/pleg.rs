//! The pod life-cycle event generator: hands the runtime's events to the workers of the pods they are about.
//! A runtime without events is asked every second what it has, and workers of pods whose containers changed
//! are woken; one with events is asked now and then, in case an event got lost.

use crate::Shared;
use crate::pod::names::POD_UID;
use crate::workers::Workers;
use corten_node_api::cri::{
    ContainerEventResponse, ListContainersRequest, ListPodSandboxRequest, PodSandboxStatus,
};
use corten_node_api::{CriError, CriResult};
use futures::StreamExt;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How often a runtime without events is asked, while there are pods (upstream's relist period).
const PERIOD: Duration = Duration::from_secs(1);
/// How often one with events is asked (upstream has five minutes).
const SAFETY: Duration = Duration::from_secs(60);
/// How often a runtime that had no events is asked for them again: it may have been replaced.
const ASK_AGAIN: u32 = 60;

/// Runs until dropped.
pub async fn run(shared: Arc<Shared>, workers: Workers) {
    let mut lister = Lister { shared: shared.clone(), workers, before: HashMap::new() };
    loop {
        let mut opening = Box::pin(shared.cri.get_container_events());
        // A runtime may say nothing, not even that it will, before the first event.
        let opened = loop {
            tokio::select! {
                opened = &mut opening => break opened,
                () = corten_rt::sleep(PERIOD) => lister.relist().await,
            }
        };
        let error = match opened {
            Ok(mut events) => {
                lister.relist().await;
                loop {
                    match corten_rt::timeout(SAFETY, events.next()).await {
                        Some(Some(Ok(event))) => lister.hear(event).await,
                        Some(Some(Err(status))) => break CriError::from(status),
                        Some(None) => break CriError::Unavailable("the events ended".into()),
                        None => lister.relist().await,
                    }
                }
            }
            Err(error) => error,
        };
        tracing::debug!(%error, "the runtime gives no events");
        let rounds = if error.is_unimplemented() { ASK_AGAIN } else { 1 };
        for _ in 0..rounds {
            corten_rt::sleep(PERIOD).await;
            lister.relist().await;
        }
    }
}

/// What the runtime listed last.
struct Lister {
    shared: Arc<Shared>,
    workers: Workers,
    /// By pod UID: the ids of sandboxes and containers, and their states.
    before: HashMap<String, Vec<(String, i32)>>,
}

impl Lister {
    async fn hear(&mut self, event: ContainerEventResponse) {
        let told = event.pod_sandbox_status.as_ref().and_then(uid_of);
        let known = || {
            let mine =
                |(_, ids): &(&String, &Vec<(String, i32)>)| ids.iter().any(|i| i.0 == event.container_id);
            self.before.iter().find(mine).map(|(uid, _)| uid.clone())
        };
        match told.or_else(known) {
            Some(uid) => self.workers.tell(&uid, event),
            None => self.relist().await,
        }
    }

    async fn relist(&mut self) {
        if self.workers.is_empty() {
            self.before.clear();
            return;
        }
        let began = corten_rt::Instant::now();
        let listed = list(&self.shared).await;
        let meters = &self.shared.meters;
        meters.observe("kubelet_pleg_relist_duration_seconds", &[], began.elapsed());
        meters.relisted(self.shared.clock.now());
        match listed {
            Ok(now) => {
                let changed =
                    now.iter().filter(|(uid, states)| self.before.get(*uid) != Some(states)).map(|(u, _)| u);
                let gone = self.before.keys().filter(|uid| !now.contains_key(*uid));
                changed.chain(gone).for_each(|uid| self.workers.ask(uid));
                self.before = now;
            }
            Err(error) => tracing::debug!(%error, "the runtime did not list its containers"),
        }
    }
}

fn uid_of(status: &PodSandboxStatus) -> Option<String> {
    let named = status.metadata.as_ref().map(|m| &m.uid).filter(|uid| !uid.is_empty());
    named.or_else(|| status.labels.get(POD_UID)).cloned()
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
