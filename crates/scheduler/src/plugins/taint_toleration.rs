//! Turns down nodes with taints that the pod does not tolerate; prefers nodes without `PreferNoSchedule`
//! ones.

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{ClusterEvent, ClusterEvents, Filter, Plugin, Rejection, Score, normalize};
use crate::pod_info::PodInfo;
use corten_semantics::taint::{is_tolerated, untolerated};

/// The plugin.
pub struct TaintToleration;

impl Plugin for TaintToleration {
    fn name(&self) -> &'static str {
        "TaintToleration"
    }
    fn events(&self) -> ClusterEvents {
        ClusterEvents::of(&[ClusterEvent::NodeAdded, ClusterEvent::NodeTaints])
    }
    fn filter(&self) -> Option<&dyn Filter> {
        Some(self)
    }
    fn score(&self) -> Option<&dyn Score> {
        Some(self)
    }
}

impl Filter for TaintToleration {
    fn filter(&self, pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
        let taints = node.node.as_ref().map_or(&[][..], |n| &n.spec.taints);
        match untolerated(taints, &pod.pod.spec.tolerations, &["NoSchedule", "NoExecute"]) {
            Some(_) => Err(Rejection::unresolvable("node(s) had untolerated taint(s)")),
            None => Ok(()),
        }
    }
}

impl Score for TaintToleration {
    fn weight(&self) -> i64 {
        3
    }
    fn score(&self, pod: &PodInfo, node: &NodeInfo, _: &Cluster) -> i64 {
        let taints = node.node.as_ref().map_or(&[][..], |n| &n.spec.taints);
        let disliked = taints.iter().filter(|t| t.effect == "PreferNoSchedule");
        disliked.filter(|t| !is_tolerated(t, &pod.pod.spec.tolerations)).count() as i64
    }
    fn normalize(&self, scores: &mut [i64]) {
        normalize(scores, true);
    }
}
