//! Turns down nodes without room for what the pod asks for; prefers those with the most room left
//! (upstream's `LeastAllocated` strategy over CPU and memory).

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{ClusterEvent, ClusterEvents, Filter, MAX_SCORE, Plugin, Rejection, Score};
use crate::pod_info::PodInfo;
use std::borrow::Cow;

/// The plugin.
pub struct NodeResourcesFit;

impl Plugin for NodeResourcesFit {
    fn name(&self) -> &'static str {
        "NodeResourcesFit"
    }
    fn events(&self) -> ClusterEvents {
        ClusterEvents::of(&[
            ClusterEvent::NodeAdded,
            ClusterEvent::NodeAllocatable,
            ClusterEvent::AssignedPodGone,
            ClusterEvent::AssignedPodShrunk,
        ])
    }
    fn filter(&self) -> Option<&dyn Filter> {
        Some(self)
    }
    fn score(&self) -> Option<&dyn Score> {
        Some(self)
    }
}

/// What a node lacks; whether it would lack it even when empty.
#[derive(Default)]
struct Lacking {
    reasons: Vec<Cow<'static, str>>,
    for_good: bool,
}

impl Lacking {
    fn check(&mut self, wanted: i64, used: i64, most: i64, reason: impl FnOnce() -> Cow<'static, str>) {
        if wanted > 0 && wanted > most - used {
            self.reasons.push(reason());
            self.for_good |= wanted > most;
        }
    }
}

impl Filter for NodeResourcesFit {
    fn filter(&self, pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
        let (want, used, most) = (&pod.requests, &node.requested, &node.allocatable);
        let mut lacking = Lacking::default();
        if node.pods.len() as i64 + 1 > node.allowed_pods {
            lacking.reasons.push("Too many pods".into());
        }
        lacking.check(want.cpu, used.cpu, most.cpu, || "Insufficient cpu".into());
        lacking.check(want.memory, used.memory, most.memory, || "Insufficient memory".into());
        let storage = (want.ephemeral_storage, used.ephemeral_storage, most.ephemeral_storage);
        lacking.check(storage.0, storage.1, storage.2, || "Insufficient ephemeral-storage".into());
        for (name, wanted) in &want.scalar {
            let of = |amounts: &crate::Amounts| amounts.scalar.get(name).copied().unwrap_or(0);
            lacking.check(*wanted, of(used), of(most), || format!("Insufficient {name}").into());
        }
        if lacking.reasons.is_empty() {
            return Ok(());
        }
        Err(Rejection { resolvable: !lacking.for_good, reasons: lacking.reasons })
    }
}

impl Score for NodeResourcesFit {
    fn score(&self, pod: &PodInfo, node: &NodeInfo, _: &Cluster) -> i64 {
        let cpu = (node.counted.0 + pod.counted.0, node.allocatable.cpu);
        let memory = (node.counted.1 + pod.counted.1, node.allocatable.memory);
        let known = [cpu, memory].into_iter().filter(|(_, most)| *most > 0);
        let (sum, count) =
            known.fold((0, 0), |(sum, count), (used, most)| (sum + left(used, most), count + 1));
        if count == 0 { 0 } else { sum / count }
    }
}

/// The part of `most` that is left, 0 to 100.
fn left(used: i64, most: i64) -> i64 {
    if used > most { 0 } else { (i128::from(most - used) * i128::from(MAX_SCORE) / i128::from(most)) as i64 }
}
