//! Whether this node takes a pod that was bound to it: the kubelet's own check (upstream's
//! `lifecycle.predicateAdmitHandler`), for binders that did not look, or looked too early.

use corten_api::core::v1::{ContainerPort, Node, Pod};
use corten_semantics::node_affinity::RequiredNodes;
use corten_semantics::pod::is_terminal;
use corten_semantics::resources::{RequestOptions, ResourceList, is_scalar, pod_requests};
use corten_semantics::taint::untolerated;
use std::sync::Arc;

mod machine;
mod preemption;
#[cfg(test)]
mod tests;

pub use machine::Machine;
pub use preemption::choose as choose_victims;

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
}

/// What there is not enough of: thousandths of processors, bytes, pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    pub resource: String,
    pub requested: i64,
    pub used: i64,
    pub capacity: i64,
}

impl Lack {
    /// How much more there would have to be.
    fn missing(&self) -> i64 {
        self.requested.saturating_sub(self.capacity.saturating_sub(self.used))
    }
}

impl From<Lack> for Rejection {
    fn from(l: Lack) -> Self {
        let message = format!(
            "Node didn't have enough resource: {}, requested: {}, used: {}, capacity: {}",
            l.resource, l.requested, l.used, l.capacity
        );
        Rejection { reason: format!("OutOf{}", l.resource), message }
    }
}

/// Whether the machine and its runtime can run the pod at all, and whether the pod may do what it asks for.
///
/// # Errors
/// The first reason against it.
pub fn able(pod: &Pod, machine: &Machine) -> Result<(), Rejection> {
    machine.check(pod)
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
    match lacks_of(pod, bound, allocatable, node).into_iter().next() {
        Some(lack) => Err(lack.into()),
        None => suits(pod, bound, node),
    }
}

/// The same for a critical pod, for which others make room: what there is not enough of.
///
/// # Errors
/// The first other reason against it.
pub fn admit_critical(
    pod: &Pod,
    bound: &[Arc<Pod>],
    allocatable: &ResourceList,
    node: Option<&Node>,
) -> Result<Vec<Lack>, Rejection> {
    suits(pod, bound, node).map(|()| lacks_of(pod, bound, allocatable, node))
}

fn lacks_of(pod: &Pod, bound: &[Arc<Pod>], allocatable: &ResourceList, node: Option<&Node>) -> Vec<Lack> {
    let mut allocatable = allocatable.clone();
    if let Some(node) = node {
        // Resources that others brought to the node.
        let more = node.status.allocatable.iter().filter(|(name, _)| is_scalar(name));
        allocatable.extend(more.map(|(name, amount)| (name.clone(), *amount)));
    }
    lacks(pod, bound, &allocatable)
}

/// Whether the pod and the node want each other, and nobody has the pod's ports.
fn suits(pod: &Pod, bound: &[Arc<Pod>], node: Option<&Node>) -> Result<(), Rejection> {
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
    let others = others(pod, bound);
    let taken: Vec<&ContainerPort> = others.iter().flat_map(|p| host_ports(p)).collect();
    if host_ports(pod).any(|wanted| taken.iter().any(|t| conflict(wanted, t))) {
        let why = "node(s) didn't have free ports for the requested pod ports";
        return Err(Rejection::predicate("NodePorts", why));
    }
    Ok(())
}

/// Whether the node's object is needed to decide: the pod says which nodes it may run on, or asks for
/// resources that only the object tells of.
pub fn asks_for_node(pod: &Pod) -> bool {
    let scalar = |name: &String| name.contains('/') && is_scalar(name);
    !RequiredNodes::of(pod).is_any() || pod_requests(pod, &RequestOptions::default()).keys().any(scalar)
}

/// Those of the node's pods beside which `pod` has to fit.
fn others<'a>(pod: &Pod, bound: &'a [Arc<Pod>]) -> Vec<&'a Pod> {
    let order = |p: &Pod| (p.metadata.creation_timestamp, p.metadata.uid.clone());
    let mine = order(pod);
    let counts = |p: &&Arc<Pod>| {
        p.metadata.uid != pod.metadata.uid
            && !is_terminal(p)
            && (p.status.start_time.is_some() || order(p) < mine)
    };
    bound.iter().filter(counts).map(|p| &**p).collect()
}

/// Whether there is room for what the pod asks for.
///
/// # Errors
/// What there is not enough of.
pub fn fits(pod: &Pod, bound: &[Arc<Pod>], allocatable: &ResourceList) -> Result<(), Rejection> {
    lacks(pod, bound, allocatable).into_iter().next().map_or(Ok(()), |lack| Err(lack.into()))
}

fn lacks(pod: &Pod, bound: &[Arc<Pod>], allocatable: &ResourceList) -> Vec<Lack> {
    let others = others(pod, bound);
    let mut lacks = Vec::new();
    let mut lacking = |resource: &str, requested, used, capacity| {
        lacks.push(Lack { resource: resource.into(), requested, used, capacity });
    };
    if let Some(most) = allocatable.get("pods").map(|q| q.value()) {
        let used = i64::try_from(others.len()).unwrap_or(i64::MAX);
        if used >= most {
            lacking("pods", 1, used, most);
        }
    }
    let options = RequestOptions::default();
    let wanted = pod_requests(pod, &options);
    let held: Vec<ResourceList> = others.iter().map(|p| pod_requests(p, &options)).collect();
    // A resource that the node does not know at all is not the node's to count.
    let scalars = wanted.keys().map(String::as_str).filter(|n| is_scalar(n) && allocatable.contains_key(*n));
    for resource in ["cpu", "memory", "ephemeral-storage"].into_iter().chain(scalars) {
        let amount = |list: &ResourceList| amount_of(list, resource);
        let (requested, capacity) = (amount(&wanted), amount(allocatable));
        let used = held.iter().map(amount).fold(0, i64::saturating_add);
        if requested > 0 && requested > capacity.saturating_sub(used) {
            lacking(resource, requested, used, capacity);
        }
    }
    lacks
}

fn amount_of(list: &ResourceList, resource: &str) -> i64 {
    match (list.get(resource), resource) {
        (None, _) => 0,
        (Some(q), "cpu") => q.milli_value(),
        (Some(q), _) => q.value(),
    }
}

fn host_ports(pod: &Pod) -> impl Iterator<Item = &ContainerPort> {
    pod.spec.containers.iter().flat_map(|c| &c.ports).filter(|p| p.host_port != 0)
}

fn conflict(a: &ContainerPort, b: &ContainerPort) -> bool {
    let any = |ip: &str| matches!(ip, "" | "0.0.0.0");
    let same_ip = a.host_ip == b.host_ip || any(&a.host_ip) || any(&b.host_ip);
    a.host_port == b.host_port && a.protocol == b.protocol && same_ip
}
