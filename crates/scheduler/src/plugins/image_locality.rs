//! Prefers nodes that have the pod's images already, large ones most.

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{MAX_SCORE, Plugin, Score};
use crate::pod_info::PodInfo;

/// Below this many bytes of images a node is as good as one without.
const LEAST: i64 = 23 << 20;
/// More than this many bytes per container do not count.
const MOST_PER_CONTAINER: i64 = 1000 << 20;

/// The plugin.
pub struct ImageLocality;

impl Plugin for ImageLocality {
    fn name(&self) -> &'static str {
        "ImageLocality"
    }
    fn score(&self) -> Option<&dyn Score> {
        Some(self)
    }
}

impl Score for ImageLocality {
    fn score(&self, pod: &PodInfo, node: &NodeInfo, cluster: &Cluster) -> i64 {
        let present = node.node.as_ref().map_or(&[][..], |n| &n.status.images);
        let all = cluster.present().len() as f64;
        let here = pod.images.iter().filter(|name| present.iter().any(|i| i.names.contains(name)));
        // An image on few nodes counts less, so that not all pods follow it to one node.
        let bytes: i64 = here
            .map(|name| cluster.image(name))
            .map(|state| (state.size as f64 * (state.nodes as f64 / all)) as i64)
            .sum();
        let most = MOST_PER_CONTAINER * pod.images.len() as i64;
        MAX_SCORE * (bytes.clamp(LEAST, most.max(LEAST)) - LEAST) / (most - LEAST).max(1)
    }
}
