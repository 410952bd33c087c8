//! A node's own Node object: not its taints, its owners, nor labels that steer others' pods to it.

use super::{Judged, refuse_if, typed, unexpected_type};
use crate::check::{Context, Operation};
use corten_api::Object;
use corten_api::core::v1::Node;
use std::collections::{BTreeMap, BTreeSet};

/// Labels of Kubernetes' own that a kubelet sets on its node.
const KUBELET_LABELS: [&str; 11] = [
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
];

pub(super) fn judge(context: &Context<'_>, node: &str, object: Option<&dyn Object>) -> Judged {
    let own = object.map(|o| o.meta().name.as_str());
    let name = match context.name {
        "" => own.unwrap_or_default(),
        name => name,
    };
    refuse_if(name != node, || format!("node {node:?} is not allowed to modify node {name:?}"))?;
    match context.operation {
        Operation::Create => match typed::<Node>(object) {
            Some(new) => creation(node, new),
            None => unexpected_type(),
        },
        Operation::Update => match (typed::<Node>(object), context.old::<Node>()) {
            (Some(new), Some(old)) => update(node, new, old),
            _ => unexpected_type(),
        },
        Operation::Delete | Operation::Connect => Ok(()),
    }
}

fn creation(node: &str, new: &Node) -> Judged {
    refuse_if(new.spec.config_source.is_some(), || {
        format!("node {node:?} is not allowed to create pods with a non-nil configSource")
    })?;
    let forbidden = forbidden_labels(&new.metadata.labels, &BTreeMap::new());
    refuse_if(!forbidden.is_empty(), || {
        format!("node {node:?} is not allowed to set the following labels: {}", forbidden.join(", "))
    })
}

fn update(node: &str, new: &Node, old: &Node) -> Judged {
    let source = &new.spec.config_source;
    refuse_if(source.is_some() && *source != old.spec.config_source, || {
        format!("node {node:?} is not allowed to update configSource to a new non-nil configSource")
    })?;
    refuse_if(new.spec.taints != old.spec.taints, || {
        format!("node {node:?} is not allowed to modify taints")
    })?;
    refuse_if(new.metadata.owner_references != old.metadata.owner_references, || {
        format!("node {node:?} is not allowed to modify ownerReferences")
    })?;
    let forbidden = forbidden_labels(&new.metadata.labels, &old.metadata.labels);
    refuse_if(!forbidden.is_empty(), || format!("is not allowed to modify labels: {}", forbidden.join(", ")))
}

/// The labels that differ and that a node may not set, in order.
fn forbidden_labels(new: &BTreeMap<String, String>, old: &BTreeMap<String, String>) -> Vec<String> {
    let keys: BTreeSet<&String> = new.keys().chain(old.keys()).collect();
    let differs = |key: &&String| new.get(*key) != old.get(*key);
    keys.into_iter().filter(differs).filter(|key| is_forbidden(key)).cloned().collect()
}

fn is_forbidden(key: &str) -> bool {
    let Some((namespace, _)) = key.split_once('/') else { return false };
    let within = |domain: &str| {
        namespace.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let of_kubelets =
        KUBELET_LABELS.contains(&key) || within("kubelet.kubernetes.io") || within("node.kubernetes.io");
    within("node-restriction.kubernetes.io")
        || ((within("kubernetes.io") || within("k8s.io")) && !of_kubelets)
}

#[cfg(test)]
mod tests {
    use super::is_forbidden;

    #[test]
    fn labels_that_steer_pods_are_forbidden() {
        for (key, forbidden) in [
            ("plain", false),
            ("example.com/x", false),
            ("kubernetes.io/hostname", false),
            ("topology.kubernetes.io/zone", false),
            ("node.kubernetes.io/anything", false),
            ("sub.node.kubernetes.io/anything", false),
            ("kubelet.kubernetes.io/anything", false),
            ("notnode.kubernetes.io/anything", true),
            ("kubernetes.io/other", true),
            ("k8s.io/other", true),
            ("x.k8s.io/other", true),
            ("notk8s.io/other", false),
            ("node-role.kubernetes.io/control-plane", true),
            ("node-restriction.kubernetes.io/x", true),
            ("team.node-restriction.kubernetes.io/x", true),
        ] {
            assert_eq!(is_forbidden(key), forbidden, "{key}");
        }
    }
}
