//! The plugins, one file each, named as upstream's.

mod default_binder;
mod default_preemption;
mod dynamic_resources;
mod image_locality;
mod node_affinity;
mod node_name;
mod node_ports;
mod node_resources_balanced_allocation;
mod node_resources_fit;
mod node_unschedulable;
mod priority_sort;
mod scheduling_gates;
mod taint_toleration;

pub use default_binder::DefaultBinder;
pub use default_preemption::DefaultPreemption;
pub use dynamic_resources::DynamicResources;
pub use image_locality::ImageLocality;
pub use node_affinity::NodeAffinity;
pub use node_name::NodeName;
pub use node_ports::NodePorts;
pub use node_resources_balanced_allocation::BalancedAllocation;
pub use node_resources_fit::NodeResourcesFit;
pub use node_unschedulable::NodeUnschedulable;
pub use priority_sort::PrioritySort;
pub use scheduling_gates::SchedulingGates;
pub use taint_toleration::TaintToleration;

use crate::framework::Profile;
use std::sync::Arc;

/// The default profile, in upstream's order.
pub(crate) fn standard() -> Profile {
    Profile {
        queue_sort: Arc::new(PrioritySort),
        plugins: vec![
            Arc::new(SchedulingGates),
            Arc::new(NodeUnschedulable),
            Arc::new(NodeName),
            Arc::new(TaintToleration),
            Arc::new(NodeAffinity),
            Arc::new(NodePorts),
            Arc::new(NodeResourcesFit),
            Arc::new(DynamicResources),
            Arc::new(DefaultPreemption),
            Arc::new(BalancedAllocation),
            Arc::new(ImageLocality),
            Arc::new(DefaultBinder),
        ],
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use crate::cluster::Cluster;
    use corten_api::Quantity;
    use corten_api::core::v1::{Container, Node, Pod};
    use std::sync::Arc;

    /// A node with so many thousandths of a core, 10 GiB and 110 pods.
    pub fn node(name: &str, cpu: i64) -> Node {
        let mut node = Node::default();
        node.metadata.name = name.into();
        let amounts = [("cpu", Quantity::milli(cpu)), ("memory", Quantity::bytes(10 << 30))];
        node.status.allocatable = amounts.map(|(n, q)| (n.to_string(), q)).into();
        node.status.allocatable.insert("pods".into(), Quantity::whole(110));
        node
    }

    /// A pod that asks for so many thousandths of a core; for nothing when that is 0.
    pub fn pod(name: &str, cpu: i64) -> Pod {
        let mut pod = Pod::default();
        pod.metadata.namespace = "default".into();
        pod.metadata.name = name.into();
        pod.metadata.uid = format!("uid-{name}");
        pod.spec.scheduler_name = "default-scheduler".into();
        let mut container = Container { name: "c".into(), image: "i".into(), ..Container::default() };
        if cpu > 0 {
            container.resources.requests.insert("cpu".into(), Quantity::milli(cpu));
        }
        pod.spec.containers = vec![container];
        pod
    }

    /// A cluster of these nodes.
    pub fn cluster(nodes: Vec<Node>) -> Cluster {
        let mut cluster = Cluster::default();
        for node in nodes {
            cluster.set_node(Arc::new(node));
        }
        cluster
    }
}
