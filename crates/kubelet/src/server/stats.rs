//! What node and containers use, as `/stats/summary` and the metrics tell it.

use super::Node;
use corten_api::Time;
use corten_node_api::cri::{ContainerStats, ListContainerStatsRequest};
use corten_rt::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The media type of metrics as text.
pub const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Ticks of `/proc/stat` a second.
const TICKS: u64 = 100;

/// One container's use.
#[derive(Clone, Debug, Default, PartialEq)]
struct Usage {
    namespace: String,
    pod: String,
    uid: String,
    container: String,
    /// Nanoseconds since 1970.
    time: i64,
    cpu_nanoseconds: u64,
    nano_cores: Option<u64>,
    /// Bytes that cannot be reclaimed at once.
    working_set: u64,
}

async fn usages(node: &Node) -> Vec<Usage> {
    match node.cri.list_container_stats(ListContainerStatsRequest::default()).await {
        Ok(reply) => reply.stats.into_iter().filter_map(usage).collect(),
        Err(error) => {
            tracing::warn!(%error, "the runtime does not tell what containers use");
            Vec::new()
        }
    }
}

fn usage(stats: ContainerStats) -> Option<Usage> {
    let attributes = stats.attributes?;
    let label = |name: &str| attributes.labels.get(name).cloned();
    let (cpu, memory) = (stats.cpu?, stats.memory?);
    Some(Usage {
        namespace: label("io.kubernetes.pod.namespace")?,
        pod: label("io.kubernetes.pod.name")?,
        uid: label("io.kubernetes.pod.uid")?,
        container: label("io.kubernetes.container.name")?,
        time: cpu.timestamp,
        cpu_nanoseconds: cpu.usage_core_nano_seconds.map_or(0, |v| v.value),
        nano_cores: cpu.usage_nano_cores.map(|v| v.value),
        working_set: memory.working_set_bytes.map_or(0, |v| v.value),
    })
}

/// The machine's own use: nanoseconds of processor time, and bytes in use and available.
fn machine() -> (u64, u64, u64) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (total, available) = memory(&read("/proc/meminfo"));
    (busy(&read("/proc/stat")), total.saturating_sub(available), available)
}

/// Nanoseconds that processors were busy, of the text of `/proc/stat`.
fn busy(text: &str) -> u64 {
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line.split_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
    // User, nice, system, then idle and waiting, then interrupts and stolen time.
    let busy: u64 =
        ticks.iter().enumerate().filter(|(i, _)| !matches!(i, 3 | 4 | 8 | 9)).map(|(_, n)| n).sum();
    busy * (1_000_000_000 / TICKS)
}

/// Total and available bytes, of the text of `/proc/meminfo`.
fn memory(text: &str) -> (u64, u64) {
    let field = |name: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    (field("MemTotal"), field("MemAvailable"))
}

/// `/stats/summary`.
pub async fn summary(node: &Node) -> Vec<u8> {
    let now = Time::new(node.clock.now()).to_string();
    let (cpu, used, available) = machine();
    let mut pods: BTreeMap<String, Vec<Usage>> = BTreeMap::new();
    for usage in usages(node).await {
        pods.entry(usage.uid.clone()).or_default().push(usage);
    }
    let pods: Vec<Value> = pods.into_values().map(|containers| pod_summary(&containers)).collect();
    let summary = json!({
        "node": {
            "nodeName": node.name,
            "cpu": { "time": now, "usageCoreNanoSeconds": cpu },
            "memory": { "time": now, "availableBytes": available, "workingSetBytes": used },
        },
        "pods": pods,
    });
    summary.to_string().into_bytes()
}

fn pod_summary(containers: &[Usage]) -> Value {
    let parts: Vec<Value> = containers
        .iter()
        .map(|u| json!({ "name": u.container, "cpu": cpu(u), "memory": memory_of(u) }))
        .collect();
    let whole = total(containers);
    json!({
        "podRef": { "name": whole.pod, "namespace": whole.namespace, "uid": whole.uid },
        "containers": parts,
        "cpu": cpu(&whole),
        "memory": memory_of(&whole),
    })
}

/// The sum of a pod's containers.
fn total(containers: &[Usage]) -> Usage {
    let mut whole = containers.first().cloned().unwrap_or_default();
    for usage in containers.iter().skip(1) {
        whole.cpu_nanoseconds += usage.cpu_nanoseconds;
        whole.nano_cores = whole.nano_cores.zip(usage.nano_cores).map(|(a, b)| a + b);
        whole.working_set += usage.working_set;
        whole.time = whole.time.max(usage.time);
    }
    whole
}

fn cpu(usage: &Usage) -> Value {
    let mut value = json!({ "time": time(usage.time), "usageCoreNanoSeconds": usage.cpu_nanoseconds });
    if let Some(cores) = usage.nano_cores {
        value["usageNanoCores"] = cores.into();
    }
    value
}

fn memory_of(usage: &Usage) -> Value {
    json!({ "time": time(usage.time), "workingSetBytes": usage.working_set })
}

fn time(nanoseconds: i64) -> String {
    Timestamp::from_nanosecond(nanoseconds.into()).map(|t| Time::new(t).to_string()).unwrap_or_default()
}

/// `/metrics`.
pub fn metrics(node: &Node) -> String {
    let pods = node.directory.pods();
    let running = |pod: &&std::sync::Arc<corten_api::core::v1::Pod>| pod.status.phase == "Running";
    let resident = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = resident.and_then(|t| t.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0);
    let mut out = String::new();
    gauge(&mut out, "kubelet_running_pods", "Pods that are running.", pods.iter().filter(running).count());
    gauge(&mut out, "kubelet_desired_pods", "Pods bound to the node.", pods.len());
    gauge(&mut out, "process_resident_memory_bytes", "Resident memory of the process.", pages * 4096);
    out
}

fn gauge(out: &mut String, name: &str, help: &str, value: impl std::fmt::Display) {
    let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
}

/// `/metrics/resource`, which metrics-server reads.
pub async fn resource_metrics(node: &Node) -> String {
    let (cpu, used, _) = machine();
    let now = node.clock.now().as_millisecond();
    resource_text(&usages(node).await, cpu, used, now)
}

fn resource_text(usages: &[Usage], cpu: u64, used: u64, now: i64) -> String {
    let mut pods: BTreeMap<&str, Vec<Usage>> = BTreeMap::new();
    for usage in usages {
        pods.entry(&usage.uid).or_default().push(usage.clone());
    }
    let pods: Vec<Usage> = pods.into_values().map(|containers| total(&containers)).collect();
    let mut out = String::new();
    let mut family = |name: &str, kind: &str, samples: Vec<(String, String, i64)>| {
        let _ = writeln!(out, "# TYPE {name} {kind}");
        for (labels, value, at) in samples {
            let _ = writeln!(out, "{name}{labels} {value} {at}");
        }
    };
    let of_container = |u: &Usage| {
        format!("{{container=\"{}\",namespace=\"{}\",pod=\"{}\"}}", u.container, u.namespace, u.pod)
    };
    let of_pod = |u: &Usage| format!("{{namespace=\"{}\",pod=\"{}\"}}", u.namespace, u.pod);
    let seconds = |nanoseconds: u64| (nanoseconds as f64 / 1e9).to_string();
    let sample = |u: &Usage, labels: String, value: String| (labels, value, u.time / 1_000_000);
    let cpu_of = |list: &[Usage], labels: &dyn Fn(&Usage) -> String| {
        list.iter().map(|u| sample(u, labels(u), seconds(u.cpu_nanoseconds))).collect()
    };
    let memory_of = |list: &[Usage], labels: &dyn Fn(&Usage) -> String| {
        list.iter().map(|u| sample(u, labels(u), u.working_set.to_string())).collect()
    };
    family("container_cpu_usage_seconds_total", "counter", cpu_of(usages, &of_container));
    family("container_memory_working_set_bytes", "gauge", memory_of(usages, &of_container));
    family("node_cpu_usage_seconds_total", "counter", vec![(String::new(), seconds(cpu), now)]);
    family("node_memory_working_set_bytes", "gauge", vec![(String::new(), used.to_string(), now)]);
    family("pod_cpu_usage_seconds_total", "counter", cpu_of(&pods, &of_pod));
    family("pod_memory_working_set_bytes", "gauge", memory_of(&pods, &of_pod));
    let _ = write!(out, "# TYPE resource_scrape_error gauge\nresource_scrape_error 0\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_texts_are_read() {
        assert_eq!(busy("cpu  10 0 5 100 7 1 2 0 0 0\ncpu0 1 2\n"), 18 * 10_000_000);
        assert_eq!(memory("MemTotal:  100 kB\nMemFree: 5 kB\nMemAvailable:   40 kB\n"), (102_400, 40_960));
        assert_eq!((busy(""), memory("")), (0, (0, 0)));
    }

    #[test]
    fn containers_sum_to_their_pod() {
        let usage = |container: &str, cpu| Usage {
            namespace: "ns".into(),
            pod: "p".into(),
            uid: "u".into(),
            container: container.into(),
            time: 5_000_000,
            cpu_nanoseconds: cpu,
            nano_cores: Some(1),
            working_set: 10,
        };
        let list = [usage("a", 1_500_000_000), usage("b", 500_000_000)];
        let text = resource_text(&list, 7_000_000_000, 99, 1);
        for line in [
            "container_cpu_usage_seconds_total{container=\"a\",namespace=\"ns\",pod=\"p\"} 1.5 5",
            "pod_cpu_usage_seconds_total{namespace=\"ns\",pod=\"p\"} 2 5",
            "pod_memory_working_set_bytes{namespace=\"ns\",pod=\"p\"} 20 5",
            "node_cpu_usage_seconds_total 7 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        let summary = pod_summary(&list);
        assert_eq!(summary["cpu"]["usageNanoCores"], 2);
        assert_eq!(summary["containers"][1]["name"], "b");
    }
}
