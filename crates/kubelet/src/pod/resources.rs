//! From requests and limits to what cgroups take.

use corten_api::Quantity;
use corten_api::core::v1::{Container, Pod};
use corten_node_api::cri::LinuxContainerResources;
use corten_semantics::pod::qos_class;
use corten_sys::cgroups::Limits;
use std::collections::BTreeMap;

const PERIOD_US: i64 = 100_000;
const MIN_SHARES: i64 = 2;
const MAX_SHARES: i64 = 262_144;

fn of(list: &BTreeMap<String, Quantity>, name: &str) -> Option<Quantity> {
    list.get(name).copied()
}

/// The limits of one container. `floor` is the lowest OOM score that the kernel lets us set.
pub fn container_resources(
    pod: &Pod,
    c: &Container,
    node_memory: i64,
    floor: i64,
) -> LinuxContainerResources {
    let (requests, limits) = (&c.resources.requests, &c.resources.limits);
    let limit = of(limits, "cpu").map(|q| q.milli_value());
    let request = of(requests, "cpu").map(|q| q.milli_value()).or(limit).unwrap_or(0);
    LinuxContainerResources {
        cpu_period: if limit.is_some() { PERIOD_US } else { 0 },
        cpu_quota: limit.map_or(0, quota),
        cpu_shares: shares(request),
        memory_limit_in_bytes: of(limits, "memory").map_or(0, |q| q.value()),
        oom_score_adj: oom_score(pod, c, node_memory).max(floor),
        ..LinuxContainerResources::default()
    }
}

/// Thousandths of a CPU as a quota in microseconds per period; at least a millisecond.
fn quota(milli: i64) -> i64 {
    if milli == 0 { 0 } else { (milli * PERIOD_US / 1000).max(1000) }
}

/// Thousandths of a CPU as shares.
fn shares(milli: i64) -> i64 {
    (milli * 1024 / 1000).clamp(MIN_SHARES, MAX_SHARES)
}

/// How soon the kernel kills the container when memory runs out (upstream's `qos` policy).
fn oom_score(pod: &Pod, c: &Container, node_memory: i64) -> i64 {
    match qos_class(pod) {
        "Guaranteed" => -997,
        "BestEffort" => 1000,
        _ => {
            let request = of(&c.resources.requests, "memory").map_or(0, |q| q.value());
            let share = if node_memory > 0 { 1000 * request / node_memory } else { 0 };
            (1000 - share).clamp(3, 999)
        }
    }
}

/// The limits of the pod's own cgroup: what its containers sum to.
pub fn pod_limits(pod: &Pod) -> Limits {
    let sum = |name: &str, get: fn(&Container) -> &BTreeMap<String, Quantity>| {
        pod.spec.containers.iter().map(|c| of(get(c), name)).sum_if_all()
    };
    let requests: i64 = pod
        .spec
        .containers
        .iter()
        .filter_map(|c| of(&c.resources.requests, "cpu").or(of(&c.resources.limits, "cpu")))
        .map(|q| q.milli_value())
        .sum();
    let mut limits = Limits { cpu_shares: Some(shares(requests) as u64), ..Limits::default() };
    if let Some(cpu) = sum("cpu", |c| &c.resources.limits) {
        limits.cpu_quota_us = Some(quota(cpu.milli_value()));
        limits.cpu_period_us = Some(PERIOD_US as u64);
    }
    if let Some(memory) = sum("memory", |c| &c.resources.limits) {
        limits.memory_bytes = Some(memory.value());
    }
    limits
}

trait SumIfAll {
    fn sum_if_all(self) -> Option<Quantity>;
}

impl<I: Iterator<Item = Option<Quantity>>> SumIfAll for I {
    /// The sum, when every container has a limit: one without makes the pod unlimited.
    fn sum_if_all(mut self) -> Option<Quantity> {
        self.try_fold(Quantity::default(), |sum, q| q.map(|q| sum + q))
    }
}

/// The cgroup of the pod below `root`, by its quality of service.
pub fn pod_cgroup(root: &str, pod: &Pod) -> String {
    let uid = &pod.metadata.uid;
    match qos_class(pod) {
        "Guaranteed" => format!("{root}/pod{uid}"),
        "Burstable" => format!("{root}/burstable/pod{uid}"),
        _ => format!("{root}/besteffort/pod{uid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(cpu: &str, memory: &str) -> Pod {
        let mut c = Container::default();
        c.resources.limits.insert("cpu".into(), cpu.parse().expect("valid"));
        c.resources.limits.insert("memory".into(), memory.parse().expect("valid"));
        c.resources.requests = c.resources.limits.clone();
        let mut pod = Pod::default();
        pod.metadata.uid = "u".into();
        pod.spec.containers = vec![c];
        pod
    }

    #[test]
    fn limits_become_kernel_numbers() {
        let p = pod("500m", "64Mi");
        let r = container_resources(&p, &p.spec.containers[0], 1 << 30, -1000);
        assert_eq!((r.cpu_quota, r.cpu_shares, r.memory_limit_in_bytes), (50_000, 512, 64 << 20));
        assert_eq!(r.oom_score_adj, -997);
        assert_eq!(container_resources(&p, &p.spec.containers[0], 1 << 30, 0).oom_score_adj, 0);
        assert_eq!(pod_cgroup("/kubepods", &p), "/kubepods/podu");
        assert_eq!(
            pod_cgroup("/kubepods", &Pod { spec: Default::default(), ..p.clone() }),
            "/kubepods/besteffort/podu"
        );
    }

    #[test]
    fn a_pod_is_limited_only_if_all_its_containers_are() {
        let mut p = pod("500m", "64Mi");
        assert_eq!(pod_limits(&p).memory_bytes, Some(64 << 20));
        p.spec.containers.push(Container::default());
        assert_eq!(pod_limits(&p).memory_bytes, None);
    }
}
