//! Turns down nodes that are cordoned, unless the pod tolerates that.

use crate::cluster::NodeInfo;
use crate::framework::{ClusterEvent, ClusterEvents, Filter, Plugin, Rejection};
use crate::pod_info::PodInfo;
use corten_api::core::v1::Taint;
use corten_semantics::taint::is_tolerated;

/// The plugin.
pub struct NodeUnschedulable;

impl Plugin for NodeUnschedulable {
    fn name(&self) -> &'static str {
        "NodeUnschedulable"
    }
    fn events(&self) -> ClusterEvents {
        ClusterEvents::of(&[
            ClusterEvent::NodeAdded,
            ClusterEvent::NodeTaints,
            ClusterEvent::NodeUnschedulable,
        ])
    }
    fn filter(&self) -> Option<&dyn Filter> {
        Some(self)
    }
}

impl Filter for NodeUnschedulable {
    fn filter(&self, pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
        if !node.node.as_ref().is_some_and(|n| n.spec.unschedulable) {
            return Ok(());
        }
        let taint = Taint {
            key: "node.kubernetes.io/unschedulable".into(),
            effect: "NoSchedule".into(),
            ..Taint::default()
        };
        if is_tolerated(&taint, &pod.pod.spec.tolerations) {
            return Ok(());
        }
        Err(Rejection::unresolvable("node(s) were unschedulable"))
    }
}
