//! The pods of the node, and one of them.

use super::Node;
use super::response::Refusal;
use super::route::Target;
use corten_api::core::v1::{Container, Pod};
use corten_codec::json;
use std::sync::Arc;

/// All pods, as a `PodList`.
pub fn list(pods: &[Arc<Pod>]) -> Vec<u8> {
    let mut out = br#"{"kind":"PodList","apiVersion":"v1","metadata":{},"items":["#.to_vec();
    for (i, pod) in pods.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend(json::encode(&**pod));
    }
    out.extend_from_slice(b"]}\n");
    out
}

/// What the runtime runs, as a `PodList` of bare pods: names, and the containers that are running.
pub fn running(pods: &[Arc<Pod>]) -> Vec<u8> {
    let bare = pods.iter().filter_map(|pod| {
        let status = &pod.status;
        let runs = |name: &str| {
            let all = status.init_container_statuses.iter().chain(&status.container_statuses);
            all.filter(|s| s.state.running.is_some()).any(|s| s.name == name)
        };
        let mut bare = Pod::default();
        (bare.metadata.name, bare.metadata.namespace) =
            (pod.metadata.name.clone(), pod.metadata.namespace.clone());
        bare.metadata.uid.clone_from(&pod.metadata.uid);
        let containers = pod.spec.containers.iter().chain(&pod.spec.init_containers);
        bare.spec.containers = containers
            .filter(|c| runs(&c.name))
            .map(|c| Container { name: c.name.clone(), image: c.image.clone(), ..Container::default() })
            .collect();
        (!bare.spec.containers.is_empty()).then(|| Arc::new(bare))
    });
    list(&bare.collect::<Vec<_>>())
}

/// The pod that is meant.
pub fn pod(node: &Node, target: &Target) -> Result<Arc<Pod>, Refusal> {
    let meant = |pod: &Arc<Pod>| {
        let meta = &pod.metadata;
        meta.namespace == target.namespace
            && meta.name == target.pod
            && target.uid.as_ref().is_none_or(|uid| *uid == meta.uid)
    };
    let found = node.directory.pods().into_iter().find(meant);
    found.ok_or_else(|| Refusal::not_found(format!("pod {:?} not found", target.pod)))
}

/// Whether the pod has a container of that name, of any sort.
pub fn has_container(pod: &Pod, name: &str) -> bool {
    let spec = &pod.spec;
    let ephemeral = spec.ephemeral_containers.iter().map(|c| &c.ephemeral_container_common.name);
    let usual = spec.init_containers.iter().chain(&spec.containers).map(|c| &c.name);
    usual.chain(ephemeral).any(|n| n == name)
}
