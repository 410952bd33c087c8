//! Pods that have to go because the node, or their own limit, is full (upstream's eviction manager). What is
//! left of memory, disks and processes is looked at every ten seconds; [`plan`] says what follows, [`rank`]
//! who goes first. Before a pod goes, images and ended containers do.

mod plan;
mod rank;
pub mod threshold;

pub use rank::is_critical;
pub use threshold::{Amount, Flags as ThresholdFlags, Signal, Threshold, parse as parse_thresholds};

use crate::Shared;
use crate::orders::Order;
use crate::stats::{Disks, Machine};
use crate::workers::Workers;
use corten_api::core::v1::Pod;
use corten_semantics::pod::{is_terminal, is_terminating};
use parking_lot::Mutex;
use plan::{Look, Observation, Observations, State};
use rank::{Candidate, Layout};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How often is looked, and how long is waited for an evicted pod to end before the next look.
const PERIOD: Duration = Duration::from_secs(10);
const CLEANUP: Duration = Duration::from_secs(30);
/// How long a pod has that a hard threshold or its own limit ends.
const AT_ONCE: Duration = Duration::from_secs(1);

/// The conditions that the node has for want of something.
#[derive(Debug, Default)]
pub struct Pressure {
    conditions: Mutex<Vec<&'static str>>,
    /// Told when they change.
    pub changed: Notify,
}

impl Pressure {
    /// `MemoryPressure`, `DiskPressure`, `PIDPressure`: those that are true.
    pub fn conditions(&self) -> Vec<&'static str> {
        self.conditions.lock().clone()
    }

    fn set(&self, now: Vec<&'static str>) {
        let mut conditions = self.conditions.lock();
        if *conditions != now {
            *conditions = now;
            self.changed.notify_one();
        }
    }
}

/// Why the pod is not taken while the node lacks something: a message, as upstream's.
pub fn refusal(pod: &Pod, conditions: &[&str]) -> Option<String> {
    if conditions.is_empty() || is_critical(pod) {
        return None;
    }
    let only_memory = conditions == ["MemoryPressure"];
    if only_memory && corten_semantics::pod::qos_class(pod) != "BestEffort" {
        return None;
    }
    let tolerated = pod.spec.tolerations.iter().any(|t| {
        let key = t.key.is_empty() || t.key == "node.kubernetes.io/memory-pressure";
        key && matches!(t.effect.as_str(), "" | "NoSchedule") && t.operator == "Exists"
    });
    if only_memory && tolerated {
        return None;
    }
    Some(format!("The node had condition: [{}]. ", conditions.join(" ")))
}

/// Looks until dropped.
pub(crate) async fn run(shared: Arc<Shared>, workers: Workers) {
    let mut state = State::default();
    loop {
        corten_rt::sleep(PERIOD).await;
        let evicted = Box::pin(look(&shared, &workers, &mut state)).await;
        if !evicted.is_empty() {
            let gone = ended(&shared, &evicted);
            let _ = corten_rt::timeout(CLEANUP, gone).await;
        }
    }
}

/// Waits until these pods' containers have ended.
async fn ended(shared: &Shared, uids: &[String]) {
    let lives = || shared.pods.list().iter().any(|p| uids.contains(&p.metadata.uid) && !is_terminal(p));
    while lives() {
        corten_rt::sleep(Duration::from_secs(1)).await;
    }
}

async fn look(shared: &Arc<Shared>, workers: &Workers, state: &mut State) -> Vec<String> {
    let disks = shared.stats.file_systems(shared).await;
    let layout = layout(&disks);
    let on_image_disk = layout.images_apart && !layout.containers_apart_from_images;
    let thresholds = plan::with_container_fs(&shared.settings.thresholds, on_image_disk);
    let observations = observe(shared, &disks);
    let transition = shared.settings.pressure_transition;
    let looked = state.look(&thresholds, &observations, transition, shared.clock.now());
    shared.pressure.set(looked.conditions.clone());
    let evicted = local(shared, workers, layout).await;
    if !evicted.is_empty() || looked.due.is_empty() {
        return evicted;
    }
    relieve(shared, workers, &thresholds, looked, observations, layout).await
}

fn layout(disks: &Disks) -> Layout {
    Layout {
        images_apart: disks.images_apart,
        containers_apart_from_images: disks.containers_apart_from_images,
    }
}

/// What is left of everything that can be measured.
fn observe(shared: &Shared, disks: &Disks) -> Observations {
    let machine = Machine::measure();
    let mut out = Observations::new();
    let mut add = |signal, available, capacity| {
        if capacity > 0 {
            out.insert(signal, Observation { available, capacity });
        }
    };
    add(Signal::Memory, machine.memory_available(), machine.memory_capacity);
    add(Signal::Pids, machine.pids_max.saturating_sub(machine.pids), machine.pids_max);
    if let Ok(pods) = shared.cgroups.stats(&shared.cgroup_root)
        && !matches!(pods.memory_limit, 0 | u64::MAX)
    {
        let available = pods.memory_limit.saturating_sub(pods.memory_working_set);
        add(Signal::AllocatableMemory, available, pods.memory_limit);
    }
    for (bytes, inodes, disk) in [
        (Signal::NodeFs, Signal::NodeFsInodes, &disks.node),
        (Signal::ImageFs, Signal::ImageFsInodes, &disks.images),
        (Signal::ContainerFs, Signal::ContainerFsInodes, &disks.containers),
    ] {
        add(bytes, disk.available, disk.capacity);
        add(inodes, disk.inodes_free, disk.inodes);
    }
    out
}

fn live(shared: &Shared) -> Vec<Arc<Pod>> {
    shared.pods.list().into_iter().filter(|p| !is_terminal(p) && !is_terminating(p)).collect()
}

/// Ends the pods that wrote more than their own limits allow.
async fn local(shared: &Arc<Shared>, workers: &Workers, layout: Layout) -> Vec<String> {
    let limited: Vec<Arc<Pod>> = live(shared).into_iter().filter(|p| rank::has_local_limits(p)).collect();
    if limited.is_empty() {
        return Vec::new();
    }
    let disks = shared.stats.disks_of(shared, limited.clone()).await;
    let mut out = Vec::new();
    for pod in limited {
        let Some(disk) = disks.get(&pod.metadata.uid) else { continue };
        if let Some((message, counted)) = rank::over_local_limit(&pod, disk, layout)
            && evict(shared, workers, &pod, message, AT_ONCE, false)
        {
            shared.meters.count("kubelet_evictions", &[("eviction_signal", counted)]);
            out.push(pod.metadata.uid.clone());
        }
    }
    out
}

/// Gives back what nobody needs, and if that is not enough ends one pod.
async fn relieve(
    shared: &Arc<Shared>,
    workers: &Workers,
    thresholds: &[Threshold],
    looked: Look,
    observations: Observations,
    layout: Layout,
) -> Vec<String> {
    let Some(first) = looked.due.first() else { return Vec::new() };
    let (signal, resource) = (first.signal, first.signal.resource());
    let about = crate::node::reference(&shared.node_name);
    let message = format!("Attempting to reclaim {resource}");
    shared.events.note(about, "Warning", "EvictionThresholdMet", message);
    if first.signal.condition() == "DiskPressure" && reclaim(shared, signal, layout).await {
        let disks = shared.stats.file_systems(shared).await;
        if plan::met(thresholds, &observe(shared, &disks), true).is_empty() {
            return Vec::new();
        }
    }
    let usage = shared.stats.usage(shared).await;
    let pods = live(shared);
    let mut disks = match signal.condition() {
        "DiskPressure" => shared.stats.disks_of(shared, pods.clone()).await,
        _ => HashMap::new(),
    };
    let candidate = |pod: Arc<Pod>| Candidate {
        usage: usage.pods.iter().find(|u| u.uid == pod.metadata.uid).cloned(),
        disk: disks.remove(&pod.metadata.uid),
        pod,
    };
    let mut candidates: Vec<Candidate> = pods.into_iter().map(candidate).collect();
    rank::rank(signal, layout, &mut candidates);
    for c in candidates {
        let grace = match first.is_hard() {
            true => AT_ONCE,
            false => {
                let most = shared.settings.max_pod_grace_seconds;
                let own = c.pod.spec.termination_grace_period_seconds.unwrap_or(most);
                Duration::from_secs(u64::try_from(own.min(most)).unwrap_or_default())
            }
        };
        let message = rank::message(resource, &c, &looked.due, &observations);
        if evict(shared, workers, &c.pod, message, grace, true) {
            shared.meters.count("kubelet_evictions", &[("eviction_signal", signal.name())]);
            return vec![c.pod.metadata.uid.clone()];
        }
    }
    Vec::new()
}

/// Removes ended containers and unused images, where those lie on the disk in question.
async fn reclaim(shared: &Arc<Shared>, signal: Signal, layout: Layout) -> bool {
    let node = matches!(signal, Signal::NodeFs | Signal::NodeFsInodes);
    let images = matches!(signal, Signal::ImageFs | Signal::ImageFsInodes);
    let (containers, images) = match (layout.images_apart, layout.containers_apart_from_images) {
        (false, _) => (true, true),
        (true, false) => (!node, !node),
        (true, true) => (!images, images),
    };
    if containers {
        crate::images_gc::remove_ended_containers(shared).await;
    }
    if images {
        crate::images_gc::remove_unused(shared).await;
    }
    containers || images
}

/// Orders a pod's end; false if the node cannot do without it.
fn evict(
    shared: &Arc<Shared>,
    workers: &Workers,
    pod: &Arc<Pod>,
    message: String,
    grace: Duration,
    disruption: bool,
) -> bool {
    if is_critical(pod) {
        return false;
    }
    tracing::warn!(
        pod = pod.metadata.name,
        namespace = pod.metadata.namespace,
        why = message,
        "a pod is evicted"
    );
    shared.events.warning(&**pod, "Evicted", message.clone());
    let order = Order { reason: "Evicted".into(), message, grace, disruption };
    shared.orders.give(&pod.metadata.uid, order);
    workers.wake_for(pod, true);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::{Container, Toleration};

    #[test]
    fn a_node_in_want_takes_few_pods() {
        let best_effort = Pod::default();
        let mut burstable = Pod::default();
        let mut c = Container::default();
        c.resources.requests.insert("memory".into(), "1Mi".parse().expect("valid"));
        burstable.spec.containers = vec![c];
        let critical = {
            let mut pod = Pod::default();
            pod.spec.priority = Some(2_000_000_000);
            pod
        };
        let mut tolerant = Pod::default();
        tolerant.spec.tolerations = vec![Toleration {
            key: "node.kubernetes.io/memory-pressure".into(),
            operator: "Exists".into(),
            effect: "NoSchedule".into(),
            ..Toleration::default()
        }];
        let memory = ["MemoryPressure"];
        let disk = ["DiskPressure", "MemoryPressure"];
        for (pod, conditions, taken) in [
            (&best_effort, &[][..], true),
            (&best_effort, &memory[..], false),
            (&burstable, &memory[..], true),
            (&tolerant, &memory[..], true),
            (&tolerant, &disk[..], false),
            (&burstable, &disk[..], false),
            (&critical, &disk[..], true),
        ] {
            assert_eq!(refusal(pod, conditions).is_none(), taken, "{conditions:?}");
        }
        assert_eq!(
            refusal(&burstable, &disk).as_deref(),
            Some("The node had condition: [DiskPressure MemoryPressure]. ")
        );
    }
}
