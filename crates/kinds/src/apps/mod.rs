//! The group `apps`.

mod controller_revision;
mod daemon_set;
mod deployment;
mod replica_set;
mod stateful_set;
pub(crate) mod validate;

pub use controller_revision::ControllerRevisionStrategy;
pub use daemon_set::DaemonSetStrategy;
pub use deployment::DeploymentStrategy;
pub use replica_set::ReplicaSetStrategy;
pub use stateful_set::StatefulSetStrategy;

use corten_api::autoscaling::v1::{Scale, ScaleSpec, ScaleStatus};
use corten_api::meta::v1::{LabelSelector, ObjectMeta};
use corten_api::selector::Selector;

/// The `scale` subresource of a workload.
pub(crate) fn scale_of(meta: &ObjectMeta, wanted: Option<i32>, have: i32, selector: String) -> Scale {
    Scale {
        metadata: ObjectMeta {
            name: meta.name.clone(),
            namespace: meta.namespace.clone(),
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.clone(),
            creation_timestamp: meta.creation_timestamp,
            ..ObjectMeta::default()
        },
        spec: ScaleSpec { replicas: wanted.unwrap_or(0) },
        status: ScaleStatus { replicas: have, selector },
    }
}

/// A selector in the text form that label queries take.
pub(crate) fn selector_text(selector: Option<&LabelSelector>) -> String {
    Selector::from_label_selector(selector).map(|s| s.to_string()).unwrap_or_default()
}
