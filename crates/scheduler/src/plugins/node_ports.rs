//! Turns down nodes on which a port that the pod takes is taken.

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{ClusterEvent, ClusterEvents, Filter, Plugin, PreFilter, PreFilterResult, Rejection};
use crate::pod_info::PodInfo;

/// The plugin.
pub struct NodePorts;

impl Plugin for NodePorts {
    fn name(&self) -> &'static str {
        "NodePorts"
    }
    fn events(&self) -> ClusterEvents {
        ClusterEvents::of(&[ClusterEvent::NodeAdded, ClusterEvent::AssignedPodGone])
    }
    fn pre_filter(&self) -> Option<&dyn PreFilter> {
        Some(self)
    }
    fn filter(&self) -> Option<&dyn Filter> {
        Some(self)
    }
}

impl PreFilter for NodePorts {
    fn pre_filter(&self, pod: &PodInfo, _: &Cluster) -> Result<PreFilterResult, Rejection> {
        Ok(if pod.ports.is_empty() { PreFilterResult::Skip } else { PreFilterResult::AllNodes })
    }
}

impl Filter for NodePorts {
    fn filter(&self, pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
        if pod.ports.iter().any(|wanted| node.ports.iter().any(|taken| wanted.conflicts(taken))) {
            return Err(Rejection::resolvable("node(s) didn't have free ports for the requested pod ports"));
        }
        Ok(())
    }
}
