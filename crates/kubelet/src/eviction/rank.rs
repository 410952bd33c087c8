//! Which pod goes first, and what it is told.

use super::plan::Observations;
use super::threshold::{Signal, Threshold};
use crate::stats::{PodDisk, PodUse};
use corten_api::Quantity;
use corten_api::core::v1::{Container, Pod};
use corten_semantics::resources::{RequestOptions, pod_limits, pod_requests};
use std::cmp::Reverse;
use std::fmt::Write;
use std::sync::Arc;

/// A pod, and what it uses as far as that is known.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub pod: Arc<Pod>,
    pub usage: Option<PodUse>,
    pub disk: Option<PodDisk>,
}

/// Which file systems are one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Images are on another disk than pods' volumes and logs.
    pub images_apart: bool,
    /// Containers write to the disk of volumes and logs, though images are apart.
    pub containers_apart_from_images: bool,
}

/// Puts those first that are to go first: who uses more than was asked for, then the least important, then
/// who uses most beyond what was asked for (upstream's ranking).
pub fn rank(signal: Signal, layout: Layout, candidates: &mut [Candidate]) {
    let key = |c: &Candidate| {
        let priority = c.pod.spec.priority.unwrap_or_default();
        let requests = pod_requests(&c.pod, &RequestOptions::default());
        let request = |name: &str| requests.get(name).map_or(0, |q| q.value());
        match signal.resource() {
            "pids" => {
                let pids = c.usage.as_ref().map_or(i64::MAX, |u| to_i64(u.pids));
                (false, priority, Reverse(pids))
            }
            "memory" => match &c.usage {
                None => (false, priority, Reverse(i64::MAX)),
                Some(u) => {
                    let over = to_i64(u.memory.working_set) - request("memory");
                    (over <= 0, priority, Reverse(over))
                }
            },
            resource => match &c.disk {
                None => (false, priority, Reverse(i64::MAX)),
                Some(disk) => {
                    let (bytes, inodes) = on_disk(signal, layout, disk);
                    let used = if resource == "inodes" { inodes } else { bytes };
                    let asked = if resource == "inodes" { 0 } else { request("ephemeral-storage") };
                    (to_i64(used) <= asked, priority, Reverse(to_i64(used) - asked))
                }
            },
        }
    };
    candidates.sort_by_key(key);
}

fn to_i64(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// What of the pod lies on the disk that the signal is about: bytes and inodes.
fn on_disk(signal: Signal, layout: Layout, disk: &PodDisk) -> (u64, u64) {
    let node = matches!(signal, Signal::NodeFs | Signal::NodeFsInodes);
    let images = matches!(signal, Signal::ImageFs | Signal::ImageFsInodes);
    let (layers, rest) = match (layout.images_apart, layout.containers_apart_from_images) {
        (false, _) => (true, true),
        (true, false) => (!node, node),
        (true, true) => (!images, !images),
    };
    let add = |(b, i): (u64, u64), d: &crate::stats::Disk| (b + d.used, i + d.inodes_used);
    let mut sum = (0, 0);
    if layers {
        sum = disk.layers.values().fold(sum, add);
    }
    if rest {
        let volumes = disk.volumes.iter().filter(|v| v.ephemeral).map(|v| &v.disk);
        sum = disk.logs.values().chain(volumes).fold(sum, add);
    }
    sum
}

/// What an evicted pod is told.
pub fn message(resource: &str, c: &Candidate, due: &[Threshold], observations: &Observations) -> String {
    let mut out = format!("The node was low on resource: {resource}. ");
    let about = due.iter().filter(|t| t.signal.resource() == resource);
    if let Some((t, o)) = about.filter_map(|t| Some((t, observations.get(&t.signal)?))).next() {
        let amount = |n: u64| match resource {
            "inodes" | "pids" => Quantity::whole(to_i64(n)).to_string(),
            _ => Quantity::bytes(to_i64(n)).to_string(),
        };
        let (quantity, available) = (amount(t.value.of(o.capacity)), amount(o.available));
        let _ = write!(out, "Threshold quantity: {quantity}, available: {available}. ");
    }
    let Some(usage) = &c.usage else { return out };
    let own =
        c.pod.spec.resources.as_ref().and_then(|r| r.requests.get(resource)).filter(|_| resource == "memory");
    if let Some(request) = own {
        let used = Quantity::bytes(to_i64(usage.memory.working_set));
        let _ = write!(
            out,
            "Pod {} was using {used}, request is {request}, has larger consumption of {resource}. ",
            c.pod.metadata.name
        );
    }
    for one in &usage.containers {
        let Some(spec) = containers(&c.pod).find(|s| s.name == one.name) else { continue };
        let used = match resource {
            "memory" => one.memory.working_set,
            "ephemeral-storage" => c.disk.as_ref().map_or(0, |d| written(d, &one.name)),
            _ => continue,
        };
        let request = spec.resources.requests.get(resource).copied().unwrap_or_default();
        if to_i64(used) > request.value() {
            let used = Quantity::bytes(to_i64(used));
            let _ = write!(
                out,
                "Container {} was using {used}, request is {request}, has larger consumption of {resource}. ",
                one.name
            );
        }
    }
    out
}

fn containers(pod: &Pod) -> impl Iterator<Item = &Container> {
    pod.spec.containers.iter().chain(&pod.spec.init_containers)
}

/// What a container wrote to its layer and its log.
fn written(disk: &PodDisk, name: &str) -> u64 {
    [&disk.layers, &disk.logs].into_iter().filter_map(|list| list.get(name)).map(|d| d.used).sum()
}

/// Whether the pod has limits of what it may write.
pub fn has_local_limits(pod: &Pod) -> bool {
    let bounded = |v: &corten_api::core::v1::Volume| {
        v.volume_source.empty_dir.as_ref().is_some_and(|e| e.size_limit.is_some())
    };
    pod.spec.volumes.iter().any(bounded)
        || containers(pod).any(|c| c.resources.limits.contains_key("ephemeral-storage"))
}

/// Why a pod must go that wrote more than its own limits allow: what it is told, and the name under which
/// that is counted.
pub fn over_local_limit(pod: &Pod, disk: &PodDisk, layout: Layout) -> Option<(String, &'static str)> {
    for volume in &pod.spec.volumes {
        let limit = volume.volume_source.empty_dir.as_ref().and_then(|e| e.size_limit);
        let Some(limit) = limit.filter(|l| l.value() > 0) else { continue };
        let used = disk.volumes.iter().find(|v| v.name == volume.name).map(|v| v.disk.used);
        if used.is_some_and(|used| to_i64(used) > limit.value()) {
            let message = format!(
                "Usage of EmptyDir volume {:?} exceeds the limit {:?}. ",
                volume.name,
                limit.to_string()
            );
            return Some((message, "emptydirfs.limit"));
        }
    }
    if let Some(limit) = pod_limits(pod).get("ephemeral-storage")
        && to_i64(disk.ephemeral().0) > limit.value()
    {
        let message =
            format!("Pod ephemeral local storage usage exceeds the total limit of containers {limit}. ");
        return Some((message, "ephemeralpodfs.limit"));
    }
    for c in &pod.spec.containers {
        let limit = c.resources.limits.get("ephemeral-storage").filter(|l| !l.is_zero());
        let logs = disk.logs.get(&c.name).map_or(0, |d| d.used);
        let layer = disk.layers.get(&c.name).map_or(0, |d| d.used);
        let used = if layout.images_apart { logs } else { logs + layer };
        if let Some(limit) = limit.filter(|l| to_i64(used) > l.value()) {
            let message = format!(
                "Container {} exceeded its local ephemeral storage limit {:?}. ",
                c.name,
                limit.to_string()
            );
            return Some((message, "ephemeralcontainerfs.limit"));
        }
    }
    None
}

/// Whether the node cannot do without the pod.
pub fn is_critical(pod: &Pod) -> bool {
    let source = pod.metadata.annotations.get("kubernetes.io/config.source");
    source.is_some_and(|s| s != "api")
        || pod.metadata.annotations.contains_key("kubernetes.io/config.mirror")
        || pod.spec.priority.is_some_and(|p| p >= 2_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::super::plan::Observation;
    use super::super::threshold::Amount;
    use super::*;
    use crate::stats::{ContainerUse, Disk, Memory, VolumeUse};
    use corten_api::core::v1::{EmptyDirVolumeSource, Volume};
    use std::time::Duration;

    fn pod(name: &str, request: &str, priority: i32) -> Pod {
        let mut c = Container { name: "c".into(), ..Container::default() };
        if !request.is_empty() {
            c.resources.requests.insert("memory".into(), request.parse().expect("valid"));
        }
        let mut pod = Pod::default();
        pod.metadata.name = name.into();
        pod.spec.containers = vec![c];
        pod.spec.priority = Some(priority);
        pod
    }

    fn candidate(name: &str, request: &str, priority: i32, used: u64) -> Candidate {
        let memory = Memory { working_set: used, ..Memory::default() };
        let container = ContainerUse { name: "c".into(), memory, ..ContainerUse::default() };
        let usage = PodUse { memory, containers: vec![container], ..PodUse::default() };
        Candidate { pod: Arc::new(pod(name, request, priority)), usage: Some(usage), disk: None }
    }

    #[test]
    fn who_exceeds_requests_goes_first_then_the_least_important_then_the_largest() {
        let mut all = vec![
            candidate("modest", "1Gi", 0, 1 << 20),
            candidate("large", "", 0, 200 << 20),
            candidate("important", "", 1000, 900 << 20),
            candidate("small", "", 0, 10 << 20),
            candidate("over", "100Mi", -5, 101 << 20),
        ];
        rank(Signal::Memory, Layout::default(), &mut all);
        let names: Vec<&str> = all.iter().map(|c| c.pod.metadata.name.as_str()).collect();
        assert_eq!(names, ["over", "large", "small", "important", "modest"]);
    }

    #[test]
    fn the_message_is_upstreams() {
        let c = candidate("p", "64Mi", 0, 100 << 20);
        let t = Threshold {
            signal: Signal::Memory,
            value: Amount::Quantity("100Mi".parse().expect("valid")),
            grace: Duration::ZERO,
            reclaim: None,
        };
        let seen = Observation { available: 50 << 20, capacity: 1 << 30 };
        assert_eq!(
            message("memory", &c, &[t], &Observations::from([(Signal::Memory, seen)])),
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. Container c was using 100Mi, request is 64Mi, has larger consumption of memory. "
        );
    }

    #[test]
    fn local_limits_are_held() {
        let mut p = pod("p", "", 0);
        assert!(!has_local_limits(&p));
        let empty =
            EmptyDirVolumeSource { size_limit: "1Mi".parse().ok(), ..EmptyDirVolumeSource::default() };
        let mut volume = Volume { name: "scratch".into(), ..Volume::default() };
        volume.volume_source.empty_dir = Some(Box::new(empty));
        p.spec.volumes = vec![volume];
        assert!(has_local_limits(&p));
        let full = |used| VolumeUse {
            name: "scratch".into(),
            ephemeral: true,
            disk: Disk { used, ..Disk::default() },
            ..VolumeUse::default()
        };
        let mut disk = PodDisk { volumes: vec![full(1 << 20)], ..PodDisk::default() };
        assert_eq!(over_local_limit(&p, &disk, Layout::default()), None);
        disk.volumes = vec![full((1 << 20) + 1)];
        let why = over_local_limit(&p, &disk, Layout::default()).expect("over");
        assert_eq!(why.0, "Usage of EmptyDir volume \"scratch\" exceeds the limit \"1Mi\". ");
        p.spec.volumes.clear();
        disk.volumes.clear();
        p.spec.containers[0]
            .resources
            .limits
            .insert("ephemeral-storage".into(), "2Mi".parse().expect("valid"));
        disk.layers.insert("c".into(), Disk { used: 3 << 20, ..Disk::default() });
        let why = over_local_limit(&p, &disk, Layout::default()).expect("over");
        assert_eq!(why.0, "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. ");
        let mut other = Container::default();
        other.resources.limits.insert("ephemeral-storage".into(), "9Mi".parse().expect("valid"));
        p.spec.containers.push(other);
        let why = over_local_limit(&p, &disk, Layout::default()).expect("over");
        assert_eq!(why.0, "Container c exceeded its local ephemeral storage limit \"2Mi\". ");
        let apart = Layout { images_apart: true, ..Layout::default() };
        assert_eq!(over_local_limit(&p, &disk, apart), None);
        assert!(is_critical(&pod("p", "", 2_000_000_000)) && !is_critical(&p));
    }
}
