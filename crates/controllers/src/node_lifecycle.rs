//! Node lifecycle: a silent node becomes unknown, and a node's conditions become taints.

use crate::Context;
use crate::shell::{Controller, wake_by, wake_on};
use async_trait::async_trait;
use corten_api::Time;
use corten_api::coordination::v1::Lease;
use corten_api::core::v1::{Node, NodeCondition, Pod, PodCondition, Taint};
use corten_client::{Client, EventRecorder, Informer, Key, WorkQueue};
use corten_rt::{Clock, Instant};
use corten_semantics::ApiResult;
use jiff::Timestamp;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;

const LEASES: &str = "kube-node-lease";
/// Conditions that a silent kubelet no longer vouches for.
const CONDITIONS: &[&str] = &["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];
const OURS: &[&str] = &[
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/unschedulable",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/network-unavailable",
];

/// The controller.
pub struct NodeLifecycle {
    client: Client,
    clock: Clock,
    grace: Duration,
    events: EventRecorder,
    nodes: Informer<Node>,
    leases: Informer<Lease>,
    pods: Informer<Pod>,
    heard: Mutex<HashMap<String, Heard>>,
}

/// The last sign of life, by this process's clock: clocks of nodes are not compared.
struct Heard {
    sign: (Option<Timestamp>, Option<Time>),
    at: Instant,
}

impl NodeLifecycle {
    pub fn new(context: &Context) -> Self {
        NodeLifecycle {
            client: context.client.clone(),
            clock: context.clock,
            grace: context.settings.node_monitor_grace,
            events: context.events("node-controller"),
            nodes: context.informers.of(),
            leases: context.informers.of(),
            pods: context.informers.of(),
            heard: Mutex::default(),
        }
    }

    /// How long the node has been silent.
    fn silence(&self, node: &Node) -> Duration {
        let lease = self.leases.get(&Key::new(LEASES, &node.metadata.name));
        let renewed = lease.and_then(|l| l.spec.renew_time).map(|t| t.0);
        let beat = condition(node, "Ready").and_then(|c| c.last_heartbeat_time);
        let sign = (renewed, beat);
        let mut heard = self.heard.lock();
        let now = Instant::now();
        let last = heard.entry(node.metadata.name.clone()).or_insert(Heard { sign, at: now });
        if last.sign != sign {
            *last = Heard { sign, at: now };
        }
        now.duration_since(last.at)
    }

    async fn mark_unknown(&self, node: &Node) -> ApiResult<()> {
        let mut changed = node.clone();
        if !make_unknown(&mut changed.status.conditions, Time::new(self.clock.now())) {
            return Ok(());
        }
        self.client.all::<Node>().update_status(changed).await?;
        let message = format!("Node {} status is now: NodeNotReady", node.metadata.name);
        self.events.normal(node, "NodeNotReady", message);
        Ok(())
    }

    /// Pods of a silent node no longer count as ready.
    async fn mark_pods(&self, node: &str) -> ApiResult<()> {
        let now = Time::new(self.clock.now());
        for pod in self.pods.list().into_iter().filter(|p| p.spec.node_name == node) {
            let mut changed = (*pod).clone();
            let ready =
                changed.status.conditions.iter_mut().find(|c| c.type_ == "Ready" && c.status == "True");
            let Some(ready) = ready else { continue };
            *ready =
                PodCondition { status: "False".into(), last_transition_time: Some(now), ..ready.clone() };
            match self.client.beside(&*pod).update_status(changed).await {
                Err(e) if e.is_conflict() || e.is_not_found() => {}
                other => other.map(|_| ())?,
            }
            self.events.warning(&*pod, "NodeNotReady", "Node is not ready");
        }
        Ok(())
    }

    async fn write_taints(&self, node: &Node) -> ApiResult<()> {
        let wanted = taints(node, Time::new(self.clock.now()));
        if wanted == node.spec.taints {
            return Ok(());
        }
        let mut changed = node.clone();
        changed.spec.taints = wanted;
        self.client.all::<Node>().update(changed).await.map(|_| ())
    }
}

fn condition<'a>(node: &'a Node, kind: &str) -> Option<&'a NodeCondition> {
    node.status.conditions.iter().find(|c| c.type_ == kind)
}

/// Turns the kubelet's conditions to unknown; tells whether anything changed.
fn make_unknown(conditions: &mut Vec<NodeCondition>, now: Time) -> bool {
    let mut changed = false;
    for kind in CONDITIONS {
        match conditions.iter_mut().find(|c| c.type_ == *kind) {
            Some(c) if c.status == "Unknown" => {}
            Some(c) => {
                c.status = "Unknown".into();
                c.reason = "NodeStatusUnknown".into();
                c.message = "Kubelet stopped posting node status.".into();
                c.last_transition_time = Some(now);
                changed = true;
            }
            None => {
                conditions.push(NodeCondition {
                    type_: (*kind).into(),
                    status: "Unknown".into(),
                    reason: "NodeStatusNeverUpdated".into(),
                    message: "Kubelet never posted node status.".into(),
                    last_heartbeat_time: Some(now),
                    last_transition_time: Some(now),
                });
                changed = true;
            }
        }
    }
    changed
}

/// The taints a node is to have: its own, and those its conditions call for.
pub fn taints(node: &Node, now: Time) -> Vec<Taint> {
    let status = |kind| condition(node, kind).map_or("", |c| c.status.as_str());
    let mut wanted: Vec<(&str, &str)> = Vec::new();
    match status("Ready") {
        "True" => {}
        "Unknown" => {
            wanted.push(("node.kubernetes.io/unreachable", "NoSchedule"));
            wanted.push(("node.kubernetes.io/unreachable", "NoExecute"));
        }
        _ => {
            wanted.push(("node.kubernetes.io/not-ready", "NoSchedule"));
            wanted.push(("node.kubernetes.io/not-ready", "NoExecute"));
        }
    }
    for (kind, key) in [
        ("MemoryPressure", "node.kubernetes.io/memory-pressure"),
        ("DiskPressure", "node.kubernetes.io/disk-pressure"),
        ("PIDPressure", "node.kubernetes.io/pid-pressure"),
        ("NetworkUnavailable", "node.kubernetes.io/network-unavailable"),
    ] {
        if status(kind) == "True" {
            wanted.push((key, "NoSchedule"));
        }
    }
    if node.spec.unschedulable {
        wanted.push(("node.kubernetes.io/unschedulable", "NoSchedule"));
    }
    let same = |t: &Taint, (key, effect): &(&str, &str)| t.key == *key && t.effect == *effect;
    let mut out: Vec<Taint> = node
        .spec
        .taints
        .iter()
        .filter(|t| !OURS.contains(&t.key.as_str()) || wanted.iter().any(|w| same(t, w)))
        .cloned()
        .collect();
    for w in wanted {
        if !out.iter().any(|t| same(t, &w)) {
            let added = (w.1 == "NoExecute").then_some(now);
            out.push(Taint { key: w.0.into(), effect: w.1.into(), time_added: added, ..Taint::default() });
        }
    }
    out
}

#[async_trait]
impl Controller for NodeLifecycle {
    fn watch(&self, queue: &WorkQueue<Key>) {
        wake_on(&self.nodes, queue);
        wake_by(&self.leases, queue, |l| match l.metadata.namespace.as_str() {
            LEASES => vec![Key::new("", &l.metadata.name)],
            _ => vec![],
        });
    }

    async fn synced(&self) {
        self.nodes.synced().await;
        self.leases.synced().await;
        self.pods.synced().await;
    }

    async fn reconcile(&self, key: &Key) -> ApiResult<Option<Duration>> {
        let Some(node) = self.nodes.get(key) else {
            self.heard.lock().remove(&key.name);
            return Ok(None);
        };
        let silence = self.silence(&node);
        let outcome = if silence >= self.grace {
            let marked = self.mark_unknown(&node).await;
            marked.and(self.mark_pods(&key.name).await).and(self.write_taints(&node).await)
        } else {
            self.write_taints(&node).await
        };
        // The next heartbeat comes as a change; only silence needs a timer.
        let again = self.grace.saturating_sub(silence).max(Duration::from_secs(1));
        match outcome {
            Err(e) if !e.is_conflict() && !e.is_not_found() => Err(e),
            _ => Ok(Some(again)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(ready: &str) -> Node {
        let mut node = Node::default();
        node.status.conditions =
            vec![NodeCondition { type_: "Ready".into(), status: ready.into(), ..Default::default() }];
        node
    }

    fn keys(node: &Node) -> Vec<String> {
        taints(node, Time::default()).iter().map(|t| format!("{}:{}", t.key, t.effect)).collect()
    }

    #[test]
    fn conditions_become_taints_and_go_again() {
        let mut n = node("False");
        assert_eq!(
            keys(&n),
            ["node.kubernetes.io/not-ready:NoSchedule", "node.kubernetes.io/not-ready:NoExecute"]
        );
        n.spec.taints = taints(&n, Time::default());
        n.spec.taints.push(Taint { key: "mine".into(), effect: "NoSchedule".into(), ..Taint::default() });
        n.status.conditions[0].status = "Unknown".into();
        assert_eq!(
            keys(&n),
            [
                "mine:NoSchedule",
                "node.kubernetes.io/unreachable:NoSchedule",
                "node.kubernetes.io/unreachable:NoExecute"
            ]
        );
        n.status.conditions[0].status = "True".into();
        assert_eq!(keys(&n), ["mine:NoSchedule"]);
        n.spec.unschedulable = true;
        assert_eq!(keys(&n), ["mine:NoSchedule", "node.kubernetes.io/unschedulable:NoSchedule"]);
    }

    #[test]
    fn silence_makes_conditions_unknown_once() {
        let mut n = node("True");
        assert!(make_unknown(&mut n.status.conditions, Time::default()));
        assert!(n.status.conditions.iter().all(|c| c.status == "Unknown"));
        assert!(!make_unknown(&mut n.status.conditions, Time::default()));
    }
}
