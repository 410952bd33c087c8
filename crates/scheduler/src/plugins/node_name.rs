//! A pod that names its node goes nowhere else.

use crate::cluster::NodeInfo;
use crate::framework::{ClusterEvent, ClusterEvents, Filter, Plugin, Rejection};
use crate::pod_info::PodInfo;

/// The plugin.
pub struct NodeName;

impl Plugin for NodeName {
    fn name(&self) -> &'static str {
        "NodeName"
    }
    fn events(&self) -> ClusterEvents {
        ClusterEvents::of(&[ClusterEvent::NodeAdded])
    }
    fn filter(&self) -> Option<&dyn Filter> {
        Some(self)
    }
}

impl Filter for NodeName {
    fn filter(&self, pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
        let wanted = &pod.pod.spec.node_name;
        if wanted.is_empty() || **wanted == *node.name {
            return Ok(());
        }
        Err(Rejection::unresolvable("node(s) didn't match the requested node name"))
    }
}
