//! Revisions of a deployment: which ReplicaSet stands for which template, and their annotations.

use corten_api::Object;
use corten_api::apps::v1::{Deployment, ReplicaSet};
use corten_api::core::v1::PodTemplateSpec;
use corten_semantics::hash::template_hash;
use corten_semantics::owner::controller_reference;
use std::collections::BTreeMap;
use std::sync::Arc;

pub const HASH_LABEL: &str = "pod-template-hash";
pub const REVISION: &str = "deployment.kubernetes.io/revision";
pub const HISTORY: &str = "deployment.kubernetes.io/revision-history";
pub const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
pub const MOST: &str = "deployment.kubernetes.io/max-replicas";
const NOT_COPIED: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MOST,
    "deprecated.deployment.rollback.to",
];

/// Whether two templates ask for the same pods; the hash label does not count.
pub fn same_template(a: &PodTemplateSpec, b: &PodTemplateSpec) -> bool {
    let bare = |t: &PodTemplateSpec| {
        let mut t = t.clone();
        t.metadata.labels.remove(HASH_LABEL);
        t
    };
    bare(a) == bare(b)
}

/// The set of the deployment's present template: the oldest, if several are alike.
pub fn find_new<'a>(deployment: &Deployment, sets: &'a [Arc<ReplicaSet>]) -> Option<&'a Arc<ReplicaSet>> {
    sets.iter()
        .filter(|s| same_template(&s.spec.template, &deployment.spec.template))
        .min_by_key(|s| (s.metadata.creation_timestamp, s.metadata.name.clone()))
}

/// The number of a set's revision; 0 when it has none.
pub fn revision_of(set: &ReplicaSet) -> i64 {
    set.metadata.annotations.get(REVISION).and_then(|r| r.parse().ok()).unwrap_or(0)
}

/// A number that an annotation holds.
pub fn annotated(set: &ReplicaSet, name: &str) -> Option<i32> {
    set.metadata.annotations.get(name).and_then(|v| v.parse().ok())
}

/// The set that stands for the present template, to be created.
pub fn new_set(deployment: &Deployment, revision: i64) -> ReplicaSet {
    let hash = template_hash(&deployment.spec.template, deployment.status.collision_count);
    let mut set = ReplicaSet::default();
    set.metadata.namespace = deployment.metadata.namespace.clone();
    set.metadata.name = format!("{}-{hash}", deployment.metadata.name);
    set.metadata.owner_references = vec![controller_reference(deployment as &dyn Object)];
    set.metadata.labels = deployment.spec.template.metadata.labels.clone();
    set.metadata.labels.insert(HASH_LABEL.into(), hash.clone());
    set.spec.template = deployment.spec.template.clone();
    set.spec.template.metadata.labels.insert(HASH_LABEL.into(), hash.clone());
    let mut selector = deployment.spec.selector.clone().unwrap_or_default();
    selector.match_labels.insert(HASH_LABEL.into(), hash);
    set.spec.selector = Some(selector);
    set.spec.min_ready_seconds = deployment.spec.min_ready_seconds;
    set.metadata.annotations = copied(&deployment.metadata.annotations);
    set.metadata.annotations.insert(REVISION.into(), revision.to_string());
    set
}

fn copied(annotations: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    annotations
        .iter()
        .filter(|(k, _)| !NOT_COPIED.contains(&k.as_str()))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

/// Brings the annotations of the present set up to date: those of the deployment, and the revision, with
/// the former one kept in the history.
pub fn annotate_new(set: &mut ReplicaSet, deployment: &Deployment, revision: i64) {
    set.metadata.annotations.extend(copied(&deployment.metadata.annotations));
    let before = revision_of(set);
    if before < revision {
        if before > 0 {
            let history = set.metadata.annotations.entry(HISTORY.into()).or_default();
            if !history.is_empty() {
                history.push(',');
            }
            history.push_str(&before.to_string());
        }
        set.metadata.annotations.insert(REVISION.into(), revision.to_string());
    }
}

/// Notes on a set how large the deployment is meant to be, for proportional scaling later.
pub fn annotate_size(set: &mut ReplicaSet, desired: i32, most: i32) {
    set.metadata.annotations.insert(DESIRED.into(), desired.to_string());
    set.metadata.annotations.insert(MOST.into(), most.to_string());
}
