//! Whether this node takes a pod that was bound to it: the kubelet's own check (upstream's
//! `lifecycle.predicateAdmitHandler`), for binders that did not look, or looked too early.

use corten_api::core::v1::{ContainerPort, Node, Pod};
use corten_semantics::node_affinity::RequiredNodes;
use corten_semantics::pod::is_terminal;
use corten_semantics::resources::{RequestOptions, ResourceList, pod_requests};
use corten_semantics::taint::untolerated;
use std::sync::Arc;

/// Why a pod is not taken: the pod's reason, and a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejection {
    pub reason: String,
    pub message: String,
}

impl Rejection {
    fn predicate(name: &str, why: &str) -> Self {
        Rejection { reason: name.into(), message: format!("Predicate {name} failed: {why}") }
    }

    fn lacking(resource: &str, requested: i64, used: i64, capacity: i64) -> Self {
        let message = format!(
            "Node didn't have enough resource: {resource}, requested: {requested}, used: {used}, capacity: {capacity}"
        );
        Rejection { reason: format!("OutOf{resource}"), message }
    }
}

/// Decides on `pod`. `bound` are the node's pods; of those the taken ones count, and of those still to be
/// decided on the ones that come first. The node's object is only needed by pods that [`asks_for_node`].
///
/// # Errors
/// The first reason against it.
pub fn admit(
    pod: &Pod,
    bound: &[Arc<Pod>],
    allocatable: &ResourceList,
    node: Option<&Node>,
) -> Result<(), Rejection> {
    let order = |p: &Pod| (p.metadata.creation_timestamp, p.metadata.uid.clone());
    let mine = order(pod);
    let counts = |p: &&Arc<Pod>| {
        p.metadata.uid != pod.metadata.uid
            && !is_terminal(p)
            && (p.status.start_time.is_some() || order(p) < mine)
    };
    let others: Vec<&Pod> = bound.iter().filter(counts).map(|p| &**p).collect();
    fits(pod, &others, allocatable)?;
    if let Some(node) = node {
        if !RequiredNodes::of(pod).matches(node) {
            let why = "node(s) didn't match Pod's node affinity/selector";
            return Err(Rejection::predicate("NodeAffinity", why));
        }
        if untolerated(&node.spec.taints, &pod.spec.tolerations, &["NoExecute"]).is_some() {
            let why = "node(s) had taints that the pod didn't tolerate";
            return Err(Rejection::predicate("TaintToleration", why));
        }
    }
    let taken: Vec<&ContainerPort> = others.iter().flat_map(|p| host_ports(p)).collect();
    if host_ports(pod).any(|wanted| taken.iter().any(|t| conflict(wanted, t))) {
        let why = "node(s) didn't have free ports for the requested pod ports";
        return Err(Rejection::predicate("NodePorts", why));
    }
    Ok(())
}

/// Whether the pod says which nodes it may run on.
pub fn asks_for_node(pod: &Pod) -> bool {
    !RequiredNodes::of(pod).is_any()
}

fn fits(pod: &Pod, others: &[&Pod], allocatable: &ResourceList) -> Result<(), Rejection> {
    if let Some(most) = allocatable.get("pods").map(|q| q.value()) {
        let used = i64::try_from(others.len()).unwrap_or(i64::MAX);
        if used >= most {
            return Err(Rejection::lacking("pods", 1, used, most));
        }
    }
    let options = RequestOptions::default();
    let wanted = pod_requests(pod, &options);
    let held: Vec<ResourceList> = others.iter().map(|p| pod_requests(p, &options)).collect();
    for resource in ["cpu", "memory", "ephemeral-storage"] {
        let amount = |list: &ResourceList| match (list.get(resource), resource) {
            (None, _) => 0,
            (Some(q), "cpu") => q.milli_value(),
            (Some(q), _) => q.value(),
        };
        let (requested, capacity) = (amount(&wanted), amount(allocatable));
        let used = held.iter().map(amount).fold(0, i64::saturating_add);
        if requested > 0 && requested > capacity.saturating_sub(used) {
            return Err(Rejection::lacking(resource, requested, used, capacity));
        }
    }
    Ok(())
}

fn host_ports(pod: &Pod) -> impl Iterator<Item = &ContainerPort> {
    pod.spec.containers.iter().flat_map(|c| &c.ports).filter(|p| p.host_port != 0)
}

fn conflict(a: &ContainerPort, b: &ContainerPort) -> bool {
    let any = |ip: &str| matches!(ip, "" | "0.0.0.0");
    let same_ip = a.host_ip == b.host_ip || any(&a.host_ip) || any(&b.host_ip);
    a.host_port == b.host_port && a.protocol == b.protocol && same_ip
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::Container;
    use corten_api::{Quantity, Time};

    fn pod(uid: &str, cpu: &str, port: i32) -> Pod {
        let mut c = Container::default();
        c.resources.requests.insert("cpu".into(), cpu.parse::<Quantity>().expect("quantity"));
        c.ports = vec![ContainerPort { host_port: port, ..ContainerPort::default() }];
        let mut pod = Pod::default();
        pod.metadata.uid = uid.into();
        pod.spec.containers = vec![c];
        pod
    }

    fn taken(mut pod: Pod) -> Arc<Pod> {
        pod.status.start_time = Some(Time::default());
        Arc::new(pod)
    }

    #[test]
    fn pods_are_taken_as_long_as_there_is_room() {
        let amounts = [("cpu", "2"), ("pods", "2")];
        let allocatable: ResourceList =
            amounts.iter().map(|(n, q)| (n.to_string(), q.parse().expect("quantity"))).collect();
        let mut ended = pod("z", "2", 80);
        ended.status.phase = "Succeeded".into();
        for (bound, cpu, port, want) in [
            (vec![], "2", 80, ""),
            (vec![taken(pod("z", "500m", 80))], "1500m", 81, ""),
            (
                vec![taken(pod("z", "500m", 80))],
                "1600m",
                81,
                "Node didn't have enough resource: cpu, requested: 1600, used: 500, capacity: 2000",
            ),
            (vec![taken(ended)], "2", 80, ""),
            // Of two that come together the first is taken.
            (vec![Arc::new(pod("z", "2", 80))], "2", 80, ""),
            (
                vec![Arc::new(pod("a", "2", 81))],
                "1",
                80,
                "Node didn't have enough resource: cpu, requested: 1000, used: 2000, capacity: 2000",
            ),
            (
                vec![taken(pod("z", "1m", 80))],
                "1m",
                80,
                "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
            ),
            (
                vec![taken(pod("y", "1m", 80)), taken(pod("z", "1m", 81))],
                "1m",
                82,
                "Node didn't have enough resource: pods, requested: 1, used: 2, capacity: 2",
            ),
        ] {
            let got = admit(&pod("m", cpu, port), &bound, &allocatable, None);
            assert_eq!(got.err().map(|r| r.message).unwrap_or_default(), want);
        }
    }

    #[test]
    fn a_node_that_does_not_match_or_is_tainted_takes_no_pod() {
        let mut selecting = pod("m", "1m", 0);
        selecting.spec.node_selector.insert("disk".into(), "ssd".into());
        assert!(asks_for_node(&selecting) && !asks_for_node(&pod("m", "1m", 0)));
        let allocatable = ResourceList::from([("cpu".into(), "1".parse().expect("quantity"))]);
        let mut node = Node::default();
        let reason = |node: &Node| admit(&selecting, &[], &allocatable, Some(node)).err().map(|r| r.reason);
        assert_eq!(reason(&node).as_deref(), Some("NodeAffinity"));
        node.metadata.labels.insert("disk".into(), "ssd".into());
        assert_eq!(reason(&node), None);
    }
}
