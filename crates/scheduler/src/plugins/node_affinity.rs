//! `nodeSelector` and node affinity, required and preferred.

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{
    ClusterEvent, ClusterEvents, Filter, Plugin, PreFilter, PreFilterResult, Rejection, Score, normalize,
};
use crate::pod_info::PodInfo;

/// The plugin.
pub struct NodeAffinity;

impl Plugin for NodeAffinity {
    fn name(&self) -> &'static str {
        "NodeAffinity"
    }
    fn events(&self) -> ClusterEvents {
        ClusterEvents::of(&[ClusterEvent::NodeAdded, ClusterEvent::NodeLabels])
    }
    fn pre_filter(&self) -> Option<&dyn PreFilter> {
        Some(self)
    }
    fn filter(&self) -> Option<&dyn Filter> {
        Some(self)
    }
    fn score(&self) -> Option<&dyn Score> {
        Some(self)
    }
}

impl PreFilter for NodeAffinity {
    fn pre_filter(&self, pod: &PodInfo, _: &Cluster) -> Result<PreFilterResult, Rejection> {
        if pod.required_nodes.is_any() {
            return Ok(PreFilterResult::Skip);
        }
        match pod.required_nodes.names() {
            None => Ok(PreFilterResult::AllNodes),
            Some(names) if names.is_empty() => Err(Rejection::unresolvable("pod affinity terms conflict")),
            Some(names) => Ok(PreFilterResult::Nodes(names)),
        }
    }
}

impl Filter for NodeAffinity {
    fn filter(&self, pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
        if node.node.as_ref().is_some_and(|n| pod.required_nodes.matches(n)) {
            return Ok(());
        }
        Err(Rejection::unresolvable("node(s) didn't match Pod's node affinity/selector"))
    }
}

impl Score for NodeAffinity {
    fn weight(&self) -> i64 {
        2
    }
    fn applies(&self, pod: &PodInfo) -> bool {
        !pod.preferred_nodes.is_empty()
    }
    fn score(&self, pod: &PodInfo, node: &NodeInfo, _: &Cluster) -> i64 {
        node.node.as_ref().map_or(0, |n| pod.preferred_nodes.weight(n))
    }
    fn normalize(&self, scores: &mut [i64]) {
        normalize(scores, false);
    }
}
