//! From requests and limits to what cgroups take.

use corten_api::Quantity;
use corten_api::core::v1::{Container, Pod, ResourceRequirements};
use corten_node_api::cri::{HugepageLimit, LinuxContainerResources};
use corten_semantics::pod::{is_sidecar, qos_class};
use corten_semantics::resources::{self, RequestOptions};
use corten_sys::cgroups::Limits;
use std::collections::BTreeMap;

const PERIOD_US: i64 = 100_000;
const MIN_SHARES: i64 = 2;
const MAX_SHARES: i64 = 262_144;

fn of(list: &BTreeMap<String, Quantity>, name: &str) -> Option<Quantity> {
    list.get(name).copied().filter(|q| !q.is_zero())
}

/// What the pod asks for as a whole, if it does.
fn whole(pod: &Pod) -> Option<&ResourceRequirements> {
    pod.spec.resources.as_deref().filter(|r| !(r.requests.is_empty() && r.limits.is_empty()))
}

/// The limit of one container: where it has none, the pod's.
fn limit(pod: &Pod, c: &Container, name: &str) -> Option<Quantity> {
    of(&c.resources.limits, name).or_else(|| of(&whole(pod)?.limits, name))
}

/// The limits of one container. `floor` is the lowest OOM score that the kernel lets us set.
pub fn container_resources(
    pod: &Pod,
    c: &Container,
    node_memory: i64,
    floor: i64,
) -> LinuxContainerResources {
    let cpu = limit(pod, c, "cpu").map(|q| q.milli_value());
    // A request of nothing is a request.
    let request = c.resources.requests.get("cpu").map(Quantity::milli_value).or(cpu).unwrap_or(0);
    LinuxContainerResources {
        cpu_period: if cpu.is_some() { PERIOD_US } else { 0 },
        cpu_quota: cpu.map_or(0, quota),
        cpu_shares: shares(request),
        memory_limit_in_bytes: limit(pod, c, "memory").map_or(0, |q| q.value()),
        oom_score_adj: oom_score(pod, c, node_memory).max(floor),
        hugepage_limits: hugepages(&c.resources.limits)
            .into_iter()
            .map(|(page_size, limit)| HugepageLimit { page_size, limit })
            .collect(),
        ..LinuxContainerResources::default()
    }
}

/// With version 2 of control groups, a container that runs out of memory ends as a whole, not one process of it.
pub fn ended_as_one(resources: LinuxContainerResources, unified: bool) -> LinuxContainerResources {
    let setting = unified.then(|| ("memory.oom.group".to_owned(), "1".to_owned()));
    LinuxContainerResources { unified: setting.into_iter().collect(), ..resources }
}

/// The limit of every size of huge page that the machine has: none but what is asked for.
fn hugepages(limits: &BTreeMap<String, Quantity>) -> BTreeMap<String, u64> {
    let mut out: BTreeMap<String, u64> = page_sizes().iter().map(|size| (size.clone(), 0)).collect();
    for (name, amount) in limits {
        let Some(size) = name.strip_prefix("hugepages-").and_then(|s| s.parse::<Quantity>().ok()) else {
            continue;
        };
        out.insert(kernel_size(size.value()), u64::try_from(amount.value()).unwrap_or(0));
    }
    out
}

/// The sizes of huge pages that this machine has.
fn page_sizes() -> &'static [String] {
    static SIZES: std::sync::OnceLock<Vec<String>> = std::sync::OnceLock::new();
    SIZES.get_or_init(|| {
        let all = std::fs::read_dir("/sys/kernel/mm/hugepages").into_iter().flatten().flatten();
        let kilobytes = all.filter_map(|e| {
            let name = e.file_name().to_string_lossy().into_owned();
            name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse::<i64>().ok()
        });
        kilobytes.map(|k| kernel_size(k << 10)).collect()
    })
}

/// A size as the kernel names it: `2MB`, `1GB`, `64KB`.
fn kernel_size(bytes: i64) -> String {
    match bytes {
        b if b >= 1 << 30 => format!("{}GB", b >> 30),
        b if b >= 1 << 20 => format!("{}MB", b >> 20),
        b => format!("{}KB", b >> 10),
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
        _ if pod.spec.priority.is_some_and(|p| p >= 2_000_000_000) => -997,
        "Guaranteed" => -997,
        "BestEffort" => 1000,
        _ => {
            let memory = |c: &Container| of(&c.resources.requests, "memory").map_or(0, |q| q.value());
            let score = |asked: i64| {
                let left = (asked + unasked(pod)).saturating_mul(1000);
                1000 - if node_memory > 0 { left / node_memory } else { 0 }
            };
            let mut own = score(memory(c));
            if is_sidecar(c) {
                // A sidecar does not die before those it serves.
                own = own.min(score(pod.spec.containers.iter().map(memory).min().unwrap_or(0)));
            }
            own.clamp(3, 999)
        }
    }
}

/// Of the memory that the pod asks for as a whole, each container's part of what no container asks for.
fn unasked(pod: &Pod) -> i64 {
    let Some(asked) = whole(pod).and_then(|r| of(&r.requests, "memory")) else { return 0 };
    let all = || pod.spec.containers.iter().chain(pod.spec.init_containers.iter().filter(|c| is_sidecar(c)));
    let sum: i64 = all().filter_map(|c| of(&c.resources.requests, "memory")).map(|q| q.value()).sum();
    let count = i64::try_from(all().count()).unwrap_or(1).max(1);
    (asked.value() - sum).max(0) / count
}

/// The limits of the pod's own cgroup: what its containers sum to with the overhead, or what the pod asks for
/// as a whole. Without a limit for each container the pod has none (-1).
pub fn pod_limits(pod: &Pod) -> Limits {
    let requests = resources::pod_requests(pod, &RequestOptions::default());
    let limits = resources::pod_limits(pod);
    let declared = |name: &str| {
        let all = pod.spec.containers.iter().chain(&pod.spec.init_containers);
        let own = whole(pod).is_some_and(|r| of(&r.limits, name).is_some());
        own || (!pod.spec.containers.is_empty()
            && all.clone().all(|c| of(&c.resources.limits, name).is_some()))
    };
    let best_effort = qos_class(pod) == "BestEffort";
    let cpu = of(&requests, "cpu").map_or(0, |q| q.milli_value());
    let mut out = Limits {
        cpu_shares: Some(if best_effort { MIN_SHARES } else { shares(cpu) } as u64),
        cpu_quota_us: Some(-1),
        memory_bytes: Some(-1),
        hugepages: hugepages(&limits),
        ..Limits::default()
    };
    if let Some(cpu) = of(&limits, "cpu").filter(|_| declared("cpu")) {
        out.cpu_quota_us = Some(quota(cpu.milli_value()));
        out.cpu_period_us = Some(PERIOD_US as u64);
    }
    if let Some(memory) = of(&limits, "memory").filter(|_| declared("memory")) {
        out.memory_bytes = Some(memory.value());
    }
    out
}

/// Of cpu and memory, those whose request or limit differs.
pub fn changed(a: &ResourceRequirements, b: &ResourceRequirements) -> Vec<&'static str> {
    let differs = |name: &&str| {
        of(&a.requests, name) != of(&b.requests, name) || of(&a.limits, name) != of(&b.limits, name)
    };
    ["cpu", "memory"].into_iter().filter(|name| differs(name)).collect()
}

/// What has to be written for a cgroup that is new: it has no limits yet.
pub fn of_new(limits: &Limits) -> Limits {
    let real = |limit: Option<i64>| limit.filter(|l| *l >= 0);
    Limits {
        cpu_quota_us: real(limits.cpu_quota_us),
        memory_bytes: real(limits.memory_bytes),
        ..limits.clone()
    }
}

/// Limits as the runtime is told of them.
pub fn linux(limits: &Limits) -> LinuxContainerResources {
    LinuxContainerResources {
        cpu_shares: limits.cpu_shares.map_or(0, |s| s as i64),
        cpu_quota: limits.cpu_quota_us.filter(|q| *q > 0).unwrap_or(0),
        cpu_period: limits.cpu_period_us.map_or(0, |p| p as i64),
        memory_limit_in_bytes: limits.memory_bytes.filter(|m| *m > 0).unwrap_or(0),
        ..LinuxContainerResources::default()
    }
}

/// The pod's overhead as the runtime is told of it.
pub fn overhead(pod: &Pod) -> LinuxContainerResources {
    let cpu = of(&pod.spec.overhead, "cpu").map(|q| q.milli_value());
    LinuxContainerResources {
        cpu_shares: cpu.map_or(0, shares),
        cpu_quota: cpu.map_or(0, quota),
        cpu_period: cpu.map_or(0, |_| PERIOD_US),
        memory_limit_in_bytes: of(&pod.spec.overhead, "memory").map_or(0, |q| q.value()),
        ..LinuxContainerResources::default()
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

    fn list(amounts: &[(&str, &str)]) -> BTreeMap<String, Quantity> {
        amounts.iter().map(|(k, v)| (k.to_string(), v.parse().expect("a quantity"))).collect()
    }

    fn pod(cpu: &str, memory: &str) -> Pod {
        let mut c = Container::default();
        c.resources.limits = list(&[("cpu", cpu), ("memory", memory)]);
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
        assert!(r.unified.is_empty() && ended_as_one(r.clone(), false) == r, "version 1 has no such setting");
        assert_eq!(ended_as_one(r, true).unified["memory.oom.group"], "1");
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
        p.spec.overhead = list(&[("cpu", "100m"), ("memory", "16Mi")]);
        let limits = pod_limits(&p);
        assert_eq!((limits.memory_bytes, limits.cpu_quota_us), (Some(80 << 20), Some(60_000)));
        assert_eq!(limits.cpu_shares, Some(614));
        p.spec.containers.push(Container::default());
        assert_eq!(pod_limits(&p).memory_bytes, Some(-1));
        p.spec.resources =
            Some(Box::new(ResourceRequirements { limits: list(&[("memory", "1Gi")]), ..Default::default() }));
        assert_eq!(pod_limits(&p).memory_bytes, Some((1 << 30) + (16 << 20)));
        let second = container_resources(&p, &p.spec.containers[1], 1 << 30, -1000);
        assert_eq!((second.memory_limit_in_bytes, second.cpu_quota), (1 << 30, 0), "the pod's limit holds");
    }

    #[test]
    fn huge_pages_are_none_unless_asked_for() {
        let mut p = pod("1", "1Mi");
        p.spec.containers[0].resources.limits.extend(list(&[("hugepages-2Mi", "8Mi")]));
        let got = hugepages(&p.spec.containers[0].resources.limits);
        assert!(got.iter().all(|(size, limit)| *limit == if size == "2MB" { 8 << 20 } else { 0 }), "{got:?}");
        assert_eq!(got.get("2MB"), Some(&(8 << 20)));
        assert_eq!(pod_limits(&p).hugepages, got);
        assert_eq!([1 << 30, 2 << 20, 64 << 10].map(kernel_size), ["1GB", "2MB", "64KB"]);
    }

    #[test]
    fn what_asks_for_little_dies_first_and_sidecars_after_those_they_serve() {
        let with = |memory: &str| {
            let mut c = Container::default();
            c.resources.requests = list(&[("memory", memory)]);
            c
        };
        let mut p = Pod::default();
        p.spec.containers = vec![with("100Mi"), with("200Mi")];
        let sidecar = Container { restart_policy: Some("Always".into()), ..with("10Mi") };
        p.spec.init_containers = vec![sidecar.clone()];
        let score = |p: &Pod, c: &Container| oom_score(p, c, 1000 << 20);
        assert_eq!(score(&p, &p.spec.containers[0]), 900);
        assert_eq!(score(&p, &p.spec.containers[1]), 800);
        assert_eq!(score(&p, &sidecar), 900);
        p.spec.priority = Some(2_000_001_000);
        assert_eq!(score(&p, &p.spec.containers[0]), -997);
    }
}
