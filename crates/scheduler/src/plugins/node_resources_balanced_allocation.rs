//! Prefers nodes whose CPU and memory would be used to equal parts.

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{MAX_SCORE, Plugin, Score};
use crate::pod_info::PodInfo;

/// The plugin.
pub struct BalancedAllocation;

impl Plugin for BalancedAllocation {
    fn name(&self) -> &'static str {
        "NodeResourcesBalancedAllocation"
    }
    fn score(&self) -> Option<&dyn Score> {
        Some(self)
    }
}

impl Score for BalancedAllocation {
    /// Pods that ask for neither would all go to one node.
    fn applies(&self, pod: &PodInfo) -> bool {
        pod.requests.cpu != 0 || pod.requests.memory != 0
    }

    fn score(&self, pod: &PodInfo, node: &NodeInfo, _: &Cluster) -> i64 {
        let cpu = part(node.requested.cpu + pod.requests.cpu, node.allocatable.cpu);
        let memory = part(node.requested.memory + pod.requests.memory, node.allocatable.memory);
        let deviation = match (cpu, memory) {
            (Some(cpu), Some(memory)) => (cpu - memory).abs() / 2.0,
            _ => 0.0,
        };
        ((1.0 - deviation) * MAX_SCORE as f64) as i64
    }
}

fn part(used: i64, most: i64) -> Option<f64> {
    (most > 0).then(|| (used as f64 / most as f64).min(1.0))
}
