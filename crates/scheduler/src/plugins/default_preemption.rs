//! Makes room for a pod by removing pods of lower priority: on the node where that hurts least, and no more
//! of them than needed. PodDisruptionBudgets are not looked at yet.

use crate::cluster::{NodeIndex, NodeInfo};
use crate::diagnosis::Unfit;
use crate::framework::{Failed, Plugin, PostFilter, PostFilterResult, Rejection, Room};
use crate::pod_info::PodInfo;
use corten_api::Time;
use std::cmp::Reverse;
use std::sync::Arc;

/// So many nodes on which room could be made are enough to choose from, or a tenth of all.
const ENOUGH: usize = 100;

/// The plugin.
pub struct DefaultPreemption;

impl Plugin for DefaultPreemption {
    fn name(&self) -> &'static str {
        "DefaultPreemption"
    }
    fn post_filter(&self) -> Option<&dyn PostFilter> {
        Some(self)
    }
}

impl PostFilter for DefaultPreemption {
    fn post_filter(&self, failed: &Failed<'_>) -> PostFilterResult {
        if failed.pod.pod.spec.preemption_policy.as_deref() == Some("Never") {
            let why = "preemption: not eligible due to preemptionPolicy=Never.";
            return PostFilterResult::Nothing(why.into());
        }
        if is_room_being_made(failed) {
            let why = "preemption: not eligible due to a terminating pod on the nominated node.";
            return PostFilterResult::Wait(why.into());
        }
        let nodes = failed.cluster.present().len();
        let mut unfit = Unfit::new(nodes);
        let mut rooms: Vec<Room> = Vec::new();
        for (node, _) in failed.rejections.iter().filter(|(_, rejection)| rejection.resolvable) {
            match room_on(*node, failed) {
                Ok(room) => rooms.push(room),
                Err(rejection) => unfit.add(&rejection),
            }
            if rooms.len() >= ENOUGH.max(nodes / 10) {
                break;
            }
        }
        if let Some(best) = rooms.into_iter().min_by_key(|room| harm(&room.victims)) {
            return PostFilterResult::MakeRoom(best);
        }
        unfit.add_to_rest("Preemption is not helpful for scheduling");
        PostFilterResult::Nothing(format!("preemption: {unfit}"))
    }
}

/// Whether pods that were to make room for this one are still on their way out.
fn is_room_being_made(failed: &Failed<'_>) -> bool {
    let Some(node) = failed.cluster.nominated_node(&failed.pod.key) else { return false };
    let hopeless = |(index, rejection): &(NodeIndex, Rejection)| *index == node && !rejection.resolvable;
    if failed.rejections.iter().any(hopeless) {
        return false;
    }
    let leaving = |p: &Arc<PodInfo>| p.pod.metadata.deletion_timestamp.is_some();
    failed.cluster.node(node).pods.values().any(|p| leaving(p) && p.priority < failed.pod.priority)
}

/// The pods to remove from a node so that the pod fits: of all that are less important, those are spared
/// that can stay beside it, the most important first.
fn room_on(index: NodeIndex, failed: &Failed<'_>) -> Result<Room, Rejection> {
    let mut node: NodeInfo = failed.cluster.node(index).clone();
    let lower = node.pods.values().filter(|p| p.priority < failed.pod.priority);
    let mut lower: Vec<Arc<PodInfo>> = lower.cloned().collect();
    if lower.is_empty() {
        return Err(Rejection::unresolvable("No preemption victims found for incoming pod"));
    }
    lower.iter().for_each(|p| drop(node.remove(&p.key)));
    (failed.judge)(&node)?;
    lower.sort_by_key(|p| (Reverse(p.priority), started(p), p.key.clone()));
    let mut victims = Vec::new();
    for pod in lower {
        node.add(pod.clone());
        if (failed.judge)(&node).is_err() {
            node.remove(&pod.key);
            victims.push(pod);
        }
    }
    Ok(Room { node: index, victims })
}

/// When the pod was started; one that was not yet counts as the latest.
fn started(pod: &PodInfo) -> Time {
    pod.pod.status.start_time.unwrap_or(Time(corten_rt::Timestamp::MAX))
}

/// How much the loss of these pods hurts, the least first: by the highest priority, the sum of the
/// priorities, the number, and the age of the most important ones.
fn harm(victims: &[Arc<PodInfo>]) -> (i32, i64, usize, Reverse<Time>) {
    let highest = victims.iter().map(|p| p.priority).max().unwrap_or(i32::MIN);
    // Shifted above nought, so that every further pod makes it worse.
    let sum = victims.iter().map(|p| i64::from(p.priority) + i64::from(i32::MAX) + 1).sum();
    let oldest = victims.iter().filter(|p| p.priority == highest).map(|p| started(p)).min();
    let oldest = oldest.unwrap_or(Time(corten_rt::Timestamp::MAX));
    (highest, sum, victims.len(), Reverse(oldest))
}
