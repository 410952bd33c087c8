//! `/metrics/resource`: processors and memory of node, pods and containers, for `metrics.k8s.io`.

use super::seconds;
use crate::stats::{ContainerUse, PodUse, Usage};
use corten_metrics::{Kind, Text};

/// The text.
pub fn text(usage: &Usage) -> String {
    let mut out = Text::default();
    let at = Some(usage.time.as_millisecond());
    let machine = &usage.machine;
    let containers = || usage.pods.iter().flat_map(|p| p.containers.iter().map(move |c| (p, c)));
    let each_container = |out: &mut Text, value: &dyn Fn(&ContainerUse) -> String| {
        for (p, c) in containers() {
            let labels = [("container", &*c.name), ("namespace", &*p.namespace), ("pod", &*p.name)];
            out.sample_at(&labels, value(c), at);
        }
    };
    let each_pod = |out: &mut Text, value: &dyn Fn(&PodUse) -> String| {
        for p in &usage.pods {
            out.sample_at(&[("namespace", &*p.namespace), ("pod", &*p.name)], value(p), at);
        }
    };
    let cumulative =
        |who: &str| format!("[STABLE] Cumulative cpu time consumed by the {who} in core-seconds");
    let working_set = |who: &str| format!("[STABLE] Current working set of the {who} in bytes");
    out.family("container_cpu_usage_seconds_total", Kind::Counter, &cumulative("container"));
    each_container(&mut out, &|c| seconds(c.cpu.nanoseconds).to_string());
    out.family("container_memory_working_set_bytes", Kind::Gauge, &working_set("container"));
    each_container(&mut out, &|c| c.memory.working_set.to_string());
    let help = "[STABLE] Start time of the container since unix epoch in seconds";
    out.family("container_start_time_seconds", Kind::Gauge, help);
    for (p, c) in containers() {
        if let Some(started) = c.started {
            let labels = [("container", &*c.name), ("namespace", &*p.namespace), ("pod", &*p.name)];
            out.sample(&labels, started.as_millisecond() as f64 / 1000.0);
        }
    }
    out.family("node_cpu_usage_seconds_total", Kind::Counter, &cumulative("node"));
    out.sample_at("", seconds(machine.cpu_nanoseconds), at);
    out.family("node_memory_working_set_bytes", Kind::Gauge, &working_set("node"));
    out.sample_at("", machine.memory_working_set, at);
    let help = "[ALPHA] Current swap usage of the node in bytes. Reported only on non-windows systems";
    out.family("node_swap_usage_bytes", Kind::Gauge, help);
    out.sample_at("", machine.swap_usage, at);
    out.family("pod_cpu_usage_seconds_total", Kind::Counter, &cumulative("pod"));
    each_pod(&mut out, &|p| seconds(p.cpu.nanoseconds).to_string());
    out.family("pod_memory_working_set_bytes", Kind::Gauge, &working_set("pod"));
    each_pod(&mut out, &|p| p.memory.working_set.to_string());
    let help = "1 if there was an error while getting container metrics, 0 otherwise";
    out.single("resource_scrape_error", Kind::Gauge, &format!("[STABLE] {help}"), 0);
    out.single("scrape_error", Kind::Gauge, &format!("[ALPHA] (Deprecated since 1.29.0) {help}"), 0);
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Cpu, Memory};
    use corten_rt::Timestamp;

    #[test]
    fn names_and_labels_are_upstreams() {
        let cpu = Cpu { nanoseconds: 1_500_000_000, ..Cpu::default() };
        let memory = Memory { working_set: 10, ..Memory::default() };
        let started = Timestamp::from_second(7).ok();
        let container = ContainerUse { name: "c".into(), cpu, memory, started, ..ContainerUse::default() };
        let pod = PodUse {
            namespace: "ns".into(),
            name: "p".into(),
            cpu,
            memory,
            containers: vec![container],
            ..PodUse::default()
        };
        let time = Timestamp::from_millisecond(5).expect("in range");
        let text = text(&Usage { time, pods: vec![pod], ..Usage::default() });
        for line in [
            "container_cpu_usage_seconds_total{container=\"c\",namespace=\"ns\",pod=\"p\"} 1.5 5",
            "container_start_time_seconds{container=\"c\",namespace=\"ns\",pod=\"p\"} 7",
            "pod_memory_working_set_bytes{namespace=\"ns\",pod=\"p\"} 10 5",
            "node_cpu_usage_seconds_total 0 5",
            "resource_scrape_error 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }
}
