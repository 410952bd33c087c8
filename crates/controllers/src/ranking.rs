//! Which pods go first when there are too many (upstream's `ActivePodsWithRanks`).

use corten_api::core::v1::Pod;
use corten_semantics::owner::controller_of;
use corten_semantics::pod::{condition, is_active, is_ready};
use jiff::Timestamp;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

const COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// `pods` in the order of deletion. Pods beside many `related` ones on their node go earlier.
pub fn for_deletion(pods: &[Arc<Pod>], related: &[Arc<Pod>], now: Timestamp) -> Vec<Arc<Pod>> {
    let mut on_node: HashMap<&str, usize> = HashMap::new();
    let family = pods.first().and_then(|p| controller_of(&p.metadata)).map(|r| r.uid.as_str());
    for pod in related.iter().filter(|p| is_active(p)) {
        if controller_of(&pod.metadata).map(|r| r.uid.as_str()) == family {
            *on_node.entry(pod.spec.node_name.as_str()).or_default() += 1;
        }
    }
    let mut ranked: Vec<Arc<Pod>> = pods.to_vec();
    ranked.sort_by_cached_key(|p| rank(p, on_node.get(p.spec.node_name.as_str()).copied().unwrap_or(0), now));
    ranked
}

type Rank = (bool, u8, bool, i64, Reverse<usize>, i64, Reverse<i32>, i64, String);

/// Smaller goes first.
fn rank(pod: &Pod, beside: usize, now: Timestamp) -> Rank {
    let phase = match pod.status.phase.as_str() {
        "Pending" | "" => 0,
        "Unknown" => 1,
        _ => 2,
    };
    let cost = pod.metadata.annotations.get(COST).and_then(|c| c.parse::<i32>().ok()).unwrap_or(0);
    let ready_since =
        condition(pod, "Ready").filter(|c| c.status == "True").and_then(|c| c.last_transition_time);
    let restarts = pod.status.container_statuses.iter().map(|c| c.restart_count).max().unwrap_or(0);
    (
        !pod.spec.node_name.is_empty(),
        phase,
        is_ready(pod),
        i64::from(cost),
        Reverse(beside),
        magnitude(ready_since.map(|t| now.as_second() - t.seconds())),
        Reverse(restarts),
        magnitude(pod.metadata.creation_timestamp.map(|t| now.as_second() - t.seconds())),
        pod.metadata.name.clone(),
    )
}

/// Ages compare by magnitude, so that pods of about the same age are told apart by other means; unknown is
/// youngest.
fn magnitude(seconds: Option<i64>) -> i64 {
    seconds.map_or(-1, |s| i64::from((s.max(0) as u64 + 1).ilog2()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::PodCondition;

    fn pod(name: &str, node: &str, phase: &str, ready: bool, cost: &str) -> Arc<Pod> {
        let mut pod = Pod::default();
        pod.metadata.name = name.into();
        pod.spec.node_name = node.into();
        pod.status.phase = phase.into();
        if !cost.is_empty() {
            pod.metadata.annotations.insert(COST.into(), cost.into());
        }
        let status = if ready { "True" } else { "False" };
        pod.status.conditions =
            vec![PodCondition { type_: "Ready".into(), status: status.into(), ..Default::default() }];
        Arc::new(pod)
    }

    #[test]
    fn the_least_useful_go_first() {
        let pods = [
            pod("cheap", "n1", "Running", true, "-5"),
            pod("serving", "n1", "Running", true, ""),
            pod("starting", "n1", "Running", false, ""),
            pod("pending", "n1", "Pending", false, ""),
            pod("nowhere", "", "Pending", false, ""),
        ];
        let order: Vec<String> = for_deletion(&pods, &pods, Timestamp::UNIX_EPOCH)
            .iter()
            .map(|p| p.metadata.name.clone())
            .collect();
        assert_eq!(order, ["nowhere", "pending", "starting", "cheap", "serving"]);
    }

    #[test]
    fn crowded_nodes_are_thinned_first() {
        let pods = [
            pod("a", "n1", "Running", true, ""),
            pod("b", "n2", "Running", true, ""),
            pod("c", "n2", "Running", true, ""),
        ];
        let order = for_deletion(&pods, &pods, Timestamp::UNIX_EPOCH);
        assert_eq!(order[0].spec.node_name, "n2");
    }
}
