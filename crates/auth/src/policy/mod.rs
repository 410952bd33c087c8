//! The default roles and bindings, the facts of upstream's `bootstrappolicy`, and kubeadm's bindings by which
//! nodes join. [`objects`] lists all in the order in which to create them.

mod aggregate;
mod bindings;
mod cluster_roles;
mod controllers;
mod namespaced;
mod node;

use corten_api::Object;
use corten_api::meta::v1::ObjectMeta;
use corten_api::rbac::v1::{ClusterRole, PolicyRule, RoleRef, Subject};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

const GROUP: &str = "rbac.authorization.k8s.io";
const READ: &str = "get list watch";
const WRITE: &str = "create update patch delete deletecollection";
const READ_WRITE: &str = "get list watch create update patch delete deletecollection";
const READ_UPDATE: &str = "get list watch update patch";

/// The roles and bindings that every cluster has.
pub fn objects() -> Vec<Arc<dyn Object>> {
    let mut all: Vec<Arc<dyn Object>> = Vec::new();
    for role in cluster_roles::all().into_iter().chain(controllers::roles()) {
        all.push(Arc::new(role));
    }
    for binding in bindings::all().into_iter().chain(controllers::bindings()) {
        all.push(Arc::new(binding));
    }
    for role in namespaced::roles() {
        all.push(Arc::new(role));
    }
    for binding in namespaced::bindings() {
        all.push(Arc::new(binding));
    }
    all
}

/// What a node may do with resources that the Node authorizer does not look into.
pub fn node_rules() -> &'static [PolicyRule] {
    static RULES: LazyLock<Vec<PolicyRule>> = LazyLock::new(node::rules);
    &RULES
}

/// The label and annotation of all default objects.
fn meta(namespace: &str, name: &str) -> ObjectMeta {
    let pair = |k: &str, v: &str| BTreeMap::from([(k.to_string(), v.to_string())]);
    ObjectMeta {
        name: name.into(),
        namespace: namespace.into(),
        labels: pair("kubernetes.io/bootstrapping", "rbac-defaults"),
        annotations: pair("rbac.authorization.kubernetes.io/autoupdate", "true"),
        ..ObjectMeta::default()
    }
}

/// Words; `core` stands for the core group's empty name.
fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(|w| if w == "core" { String::new() } else { w.to_string() }).collect()
}

/// Sorted words, as upstream writes verbs, groups and resources.
fn sorted(text: &str) -> Vec<String> {
    let mut words = words(text);
    words.sort_unstable();
    words
}

/// Verbs on resources of groups.
fn rule(verbs: &str, groups: &str, resources: &str) -> PolicyRule {
    PolicyRule {
        verbs: sorted(verbs),
        api_groups: sorted(groups),
        resources: sorted(resources),
        ..PolicyRule::default()
    }
}

/// Verbs on resources of those names only.
fn named(verbs: &str, groups: &str, resources: &str, names: &str) -> PolicyRule {
    PolicyRule { resource_names: sorted(names), ..rule(verbs, groups, resources) }
}

/// Verbs on paths.
fn paths(verbs: &str, urls: &str) -> PolicyRule {
    PolicyRule { verbs: sorted(verbs), non_resource_urls: sorted(urls), ..PolicyRule::default() }
}

/// Writing events.
fn events() -> PolicyRule {
    rule("create update patch", "core events.k8s.io", "events")
}

fn cluster_role(name: &str, rules: Vec<PolicyRule>) -> ClusterRole {
    ClusterRole { metadata: meta("", name), rules, ..ClusterRole::default() }
}

fn role_ref(kind: &str, name: &str) -> RoleRef {
    RoleRef { api_group: GROUP.into(), kind: kind.into(), name: name.into() }
}

fn subject(kind: &str, name: &str) -> Subject {
    Subject { kind: kind.into(), api_group: GROUP.into(), name: name.into(), namespace: String::new() }
}

/// A service account of `kube-system`.
fn account(name: &str) -> Subject {
    Subject {
        kind: "ServiceAccount".into(),
        name: name.into(),
        namespace: "kube-system".into(),
        ..Subject::default()
    }
}

#[cfg(test)]
mod tests;
