//! A pod with everything the plugins ask of it, worked out once.

use crate::amounts::Amounts;
use crate::ports::HostPort;
use corten_api::Quantity;
use corten_api::core::v1::Pod;
use corten_client::Key;
use corten_semantics::node_affinity::{PreferredNodes, RequiredNodes};
use corten_semantics::resources::{RequestOptions, pod_requests};
use std::sync::Arc;

/// What a container counts for in scores when it asks for no CPU, in thousandths.
const DEFAULT_CPU: i64 = 100;
/// The same for memory, in bytes.
const DEFAULT_MEMORY: i64 = 200 * 1024 * 1024;

/// A pod as the scheduler sees it.
#[derive(Debug)]
pub struct PodInfo {
    pub key: Key,
    pub pod: Arc<Pod>,
    pub priority: i32,
    /// What it asks for.
    pub requests: Amounts,
    /// CPU in thousandths and memory in bytes with a default for containers that ask for nothing.
    pub counted: (i64, i64),
    pub ports: Vec<HostPort>,
    pub required_nodes: RequiredNodes,
    pub preferred_nodes: PreferredNodes,
    /// The names of its images, with a tag.
    pub images: Vec<String>,
}

impl PodInfo {
    /// Works out what scheduling needs to know of `pod`.
    pub fn new(pod: Arc<Pod>) -> Self {
        let own = RequestOptions { with_status: true, ..RequestOptions::default() };
        let missing = [("cpu", Quantity::milli(DEFAULT_CPU)), ("memory", Quantity::whole(DEFAULT_MEMORY))];
        let missing = missing.map(|(name, amount)| (name.to_string(), amount)).into();
        let requests = Amounts::of(&pod_requests(&pod, &own));
        let counted = Amounts::of(&pod_requests(&pod, &RequestOptions { missing, ..own }));
        let containers = pod.spec.init_containers.iter().chain(&pod.spec.containers);
        PodInfo {
            key: Key::of(&*pod),
            priority: pod.spec.priority.unwrap_or(0),
            requests,
            counted: (counted.cpu, counted.memory),
            ports: HostPort::of(&pod),
            required_nodes: RequiredNodes::of(&pod),
            preferred_nodes: PreferredNodes::of(&pod),
            images: containers.map(|c| with_tag(&c.image)).collect(),
            pod,
        }
    }

    /// The pod's UID: what tells it from an earlier one of the same name.
    pub fn uid(&self) -> &str {
        &self.pod.metadata.uid
    }
}

/// An image's name with `:latest` where it has no tag.
fn with_tag(image: &str) -> String {
    if image.rfind(':') <= image.rfind('/') { format!("{image}:latest") } else { image.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_without_a_tag_is_the_latest() {
        for (image, want) in [
            ("nginx", "nginx:latest"),
            ("nginx:1", "nginx:1"),
            ("host:5000/a/b", "host:5000/a/b:latest"),
            ("host:5000/a/b:2", "host:5000/a/b:2"),
        ] {
            assert_eq!(with_tag(image), want);
        }
    }
}
