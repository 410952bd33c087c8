//! Pods leave nodes whose `NoExecute` taints they do not tolerate, at once or when their patience ends.

use crate::Context;
use crate::shell::{Controller, wake_by, wake_on};
use async_trait::async_trait;
use corten_api::Time;
use corten_api::core::v1::{Node, Pod, PodCondition, Taint};
use corten_client::{Client, DeleteOptions, EventRecorder, Informer, Key, WorkQueue};
use corten_rt::Clock;
use corten_semantics::ApiResult;
use corten_semantics::pod::{is_terminal, is_terminating};
use corten_semantics::taint::{is_tolerated, tolerates};
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The controller.
pub struct TaintEviction {
    client: Client,
    clock: Clock,
    events: EventRecorder,
    nodes: Informer<Node>,
    pods: Informer<Pod>,
    /// Since when pods have been seen to bear taints that do not say when they were added.
    since: Mutex<HashMap<Key, Timestamp>>,
}

impl TaintEviction {
    pub fn new(context: &Context) -> Self {
        TaintEviction {
            client: context.client.clone(),
            clock: context.clock,
            events: context.events("taint-eviction-controller"),
            nodes: context.informers.of(),
            pods: context.informers.of(),
            since: Mutex::default(),
        }
    }

    /// When the pod has to leave; remembers since when it is known that it has to.
    fn leave(&self, key: &Key, pod: &Pod, taints: &[Taint]) -> Leave {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = since.get(key).copied().unwrap_or_else(|| self.clock.now());
        let leave = leave(pod, taints, begun);
        match leave {
            Leave::Never => since.remove(key),
            Leave::At(_) => since.insert(key.clone(), begun),
        };
        leave
    }

    fn forget(&self, key: &Key) {
        self.since.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// When a pod has to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    Never,
    /// At this time, or at once when it is past.
    At(Timestamp),
}

/// When `pod` has to leave a node with these taints, of which those without a time count as added at `begun`.
pub fn leave(pod: &Pod, taints: &[Taint], begun: Timestamp) -> Leave {
    let mut earliest: Option<Timestamp> = None;
    for taint in taints.iter().filter(|t| t.effect == "NoExecute") {
        if !is_tolerated(taint, &pod.spec.tolerations) {
            return Leave::At(Timestamp::UNIX_EPOCH);
        }
        let bearing = pod.spec.tolerations.iter().filter(|t| tolerates(t, taint));
        let Some(patience) = bearing.filter_map(|t| t.toleration_seconds).min() else { continue };
        let since = taint.time_added.map_or(begun, |t| t.0);
        let at = since + Duration::from_secs(u64::try_from(patience).unwrap_or(0));
        earliest = Some(earliest.map_or(at, |e| e.min(at)));
    }
    earliest.map_or(Leave::Never, Leave::At)
}

impl TaintEviction {
    async fn evict(&self, pod: &Pod) -> ApiResult<()> {
        self.events.normal(
            pod,
            "TaintManagerEviction",
            format!("Marking for deletion Pod {}/{}", pod.metadata.namespace, pod.metadata.name),
        );
        let api = self.client.beside(pod);
        let mut told = pod.clone();
        told.status.conditions.retain(|c| c.type_ != "DisruptionTarget");
        told.status.conditions.push(PodCondition {
            type_: "DisruptionTarget".into(),
            status: "True".into(),
            reason: "DeletionByTaintManager".into(),
            message: "Taint manager: deleting due to NoExecute taint".into(),
            last_transition_time: Some(Time::new(self.clock.now())),
            ..PodCondition::default()
        });
        api.update_status(told).await?;
        api.delete(&pod.metadata.name, DeleteOptions::default()).await
    }
}

#[async_trait]
impl Controller for TaintEviction {
    fn watch(&self, queue: &WorkQueue<Key>) {
        wake_on(&self.pods, queue);
        let pods = self.pods.clone();
        wake_by(&self.nodes, queue, move |node| {
            if !node.spec.taints.iter().any(|t| t.effect == "NoExecute") {
                return vec![];
            }
            pods.list()
                .iter()
                .filter(|p| p.spec.node_name == node.metadata.name)
                .map(|p| Key::of(&**p))
                .collect()
        });
    }

    async fn synced(&self) {
        self.nodes.synced().await;
        self.pods.synced().await;
    }

    async fn reconcile(&self, key: &Key) -> ApiResult<Option<Duration>> {
        let Some(pod) = self.pods.get(key) else {
            self.forget(key);
            return Ok(None);
        };
        if pod.spec.node_name.is_empty() || is_terminating(&pod) || is_terminal(&pod) {
            self.forget(key);
            return Ok(None);
        }
        let Some(node) = self.nodes.get(&Key::new("", &pod.spec.node_name)) else { return Ok(None) };
        let Leave::At(at) = self.leave(key, &pod, &node.spec.taints) else { return Ok(None) };
        let left = at.duration_since(self.clock.now());
        if let Ok(wait) = Duration::try_from(left)
            && !wait.is_zero()
        {
            return Ok(Some(wait));
        }
        match self.evict(&pod).await {
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) if e.is_conflict() => Ok(Some(Duration::from_millis(100))),
            other => other.map(|()| None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::Toleration;

    #[test]
    fn patience_decides_when_to_leave() {
        let added: Timestamp = "2026-01-01T00:00:00Z".parse().expect("valid");
        let taint = Taint {
            key: "node.kubernetes.io/unreachable".into(),
            effect: "NoExecute".into(),
            time_added: Some(added.into()),
            ..Taint::default()
        };
        let tolerating = |seconds: Option<i64>| {
            let mut pod = Pod::default();
            pod.spec.tolerations = vec![Toleration {
                key: taint.key.clone(),
                operator: "Exists".into(),
                toleration_seconds: seconds,
                ..Toleration::default()
            }];
            pod
        };
        let taints = [taint.clone()];
        let seen = added + Duration::from_secs(5);
        assert_eq!(leave(&Pod::default(), &taints, seen), Leave::At(Timestamp::UNIX_EPOCH));
        assert_eq!(leave(&tolerating(None), &taints, seen), Leave::Never);
        assert_eq!(leave(&tolerating(Some(300)), &taints, seen), Leave::At(added + Duration::from_secs(300)));
        assert_eq!(leave(&Pod::default(), &[], seen), Leave::Never);
        let timeless = [Taint { time_added: None, ..taint.clone() }];
        assert_eq!(
            leave(&tolerating(Some(300)), &timeless, seen),
            Leave::At(seen + Duration::from_secs(300))
        );
    }
}
