//! Removes pods that nobody will ever finish: those of nodes that are gone, those deleted before they had a
//! node, and ended ones beyond a limit.

use crate::Context;
use crate::shell::{Controller, wake_by};
use async_trait::async_trait;
use corten_api::core::v1::{Node, Pod};
use corten_api::meta::v1::Preconditions;
use corten_client::{Client, DeleteOptions, Informer, Key, WorkQueue};
use corten_semantics::ApiResult;
use corten_semantics::pod::{is_terminal, is_terminating};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// The controller. Its one key stands for the whole cluster.
pub struct PodGc {
    client: Client,
    keep: usize,
    nodes: Informer<Node>,
    pods: Informer<Pod>,
}

impl PodGc {
    pub fn new(context: &Context) -> Self {
        PodGc {
            client: context.client.clone(),
            keep: context.settings.terminated_pods,
            nodes: context.informers.of(),
            pods: context.informers.of(),
        }
    }
}

/// The pods to remove.
pub fn doomed(pods: &[Arc<Pod>], nodes: &HashSet<String>, keep: usize) -> Vec<Arc<Pod>> {
    let orphaned = |p: &Pod| !p.spec.node_name.is_empty() && !nodes.contains(&p.spec.node_name);
    let unscheduled = |p: &Pod| p.spec.node_name.is_empty() && is_terminating(p);
    let mut gone: Vec<Arc<Pod>> = pods.iter().filter(|p| orphaned(p) || unscheduled(p)).cloned().collect();
    let mut ended: Vec<&Arc<Pod>> =
        pods.iter().filter(|p| is_terminal(p) && !is_terminating(p) && !orphaned(p)).collect();
    ended.sort_by_key(|p| (p.metadata.creation_timestamp, p.metadata.name.clone()));
    let surplus = ended.len().saturating_sub(keep);
    gone.extend(ended.into_iter().take(surplus).cloned());
    gone
}

#[async_trait]
impl Controller for PodGc {
    fn workers(&self) -> usize {
        1
    }

    fn watch(&self, queue: &WorkQueue<Key>) {
        let nodes = self.nodes.clone();
        wake_by(&self.nodes, queue, |_| vec![Key::default()]);
        wake_by(&self.pods, queue, move |p| {
            let lost = !p.spec.node_name.is_empty() && nodes.get(&Key::new("", &p.spec.node_name)).is_none();
            if lost || is_terminal(p) || (is_terminating(p) && p.spec.node_name.is_empty()) {
                vec![Key::default()]
            } else {
                vec![]
            }
        });
    }

    async fn synced(&self) {
        self.nodes.synced().await;
        self.pods.synced().await;
    }

    async fn reconcile(&self, _: &Key) -> ApiResult<Option<Duration>> {
        let known: HashSet<String> = self.nodes.list().iter().map(|n| n.metadata.name.clone()).collect();
        let candidates = doomed(&self.pods.list(), &known, self.keep);
        if candidates.is_empty() {
            return Ok(None);
        }
        // A node may have come while the cache was behind: ask once more before pods die for it.
        let listed = self.client.all::<Node>().list(&Default::default()).await?;
        let known = listed.items.iter().map(|n| n.metadata.name.clone()).collect();
        for pod in doomed(&candidates, &known, self.keep) {
            let options = DeleteOptions {
                grace_period_seconds: Some(0),
                preconditions: Some(Preconditions {
                    uid: Some(pod.metadata.uid.clone()),
                    ..Preconditions::default()
                }),
                ..DeleteOptions::default()
            };
            match self.client.beside(&*pod).delete(&pod.metadata.name, options).await {
                Err(e) if !e.is_not_found() && !e.is_conflict() => return Err(e),
                _ => {}
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_and_surplus_pods_go() {
        let pod = |name: &str, node: &str, phase: &str, leaving: bool| {
            let mut p = Pod::default();
            p.metadata.name = name.into();
            p.spec.node_name = node.into();
            p.status.phase = phase.into();
            p.metadata.deletion_timestamp = leaving.then(Default::default);
            Arc::new(p)
        };
        let pods = [
            pod("fine", "n1", "Running", false),
            pod("lost", "n2", "Running", false),
            pod("waiting", "", "Pending", false),
            pod("dropped", "", "Pending", true),
            pod("old", "n1", "Succeeded", false),
            pod("older", "n1", "Failed", false),
        ];
        let nodes = HashSet::from(["n1".to_string()]);
        let names =
            |keep| doomed(&pods, &nodes, keep).iter().map(|p| p.metadata.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(2), ["lost", "dropped"]);
        assert_eq!(names(1), ["lost", "dropped", "old"]);
    }
}
