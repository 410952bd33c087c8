//! The metrics that CRI offers beside figures, under the names that cAdvisor gave them.

use crate::runtime::Runtime;
use corten_node_api::cri::{
    ContainerMetrics, ContainerStats, Metric, MetricDescriptor, MetricType, NetworkInterfaceUsage,
    PodSandboxMetrics, PodSandboxStats, UInt64Value,
};

/// A metric: its name, what it tells, and of what kind it is.
struct Known {
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    kind: MetricType,
}

const fn counter(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Known {
    Known { name, help, labels, kind: MetricType::Counter }
}

const fn gauge(name: &'static str, help: &'static str) -> Known {
    Known { name, help, labels: &[], kind: MetricType::Gauge }
}

const CPU: Known =
    counter("container_cpu_usage_seconds_total", "Cumulative cpu time consumed in seconds.", &["cpu"]);
const WORKING_SET: Known = gauge("container_memory_working_set_bytes", "Current working set in bytes.");
const MEMORY: Known = gauge(
    "container_memory_usage_bytes",
    "Current memory usage in bytes, including all memory regardless of when it was accessed.",
);
const RSS: Known = gauge("container_memory_rss", "Size of RSS in bytes.");
const FS_USAGE: Known = gauge(
    "container_fs_usage_bytes",
    "Number of bytes that are consumed by the container on this filesystem.",
);
const PROCESSES: Known = gauge("container_processes", "Number of processes running inside the container.");
const RX: Known =
    counter("container_network_receive_bytes_total", "Cumulative count of bytes received", &["interface"]);
const RX_ERRORS: Known = counter(
    "container_network_receive_errors_total",
    "Cumulative count of errors encountered while receiving",
    &["interface"],
);
const TX: Known = counter(
    "container_network_transmit_bytes_total",
    "Cumulative count of bytes transmitted",
    &["interface"],
);
const TX_ERRORS: Known = counter(
    "container_network_transmit_errors_total",
    "Cumulative count of errors encountered while transmitting",
    &["interface"],
);

const ALL: [&Known; 10] =
    [&CPU, &WORKING_SET, &MEMORY, &RSS, &FS_USAGE, &PROCESSES, &RX, &RX_ERRORS, &TX, &TX_ERRORS];

/// The metrics there are.
pub(crate) fn descriptors() -> Vec<MetricDescriptor> {
    let descriptor = |known: &&Known| MetricDescriptor {
        name: known.name.into(),
        help: known.help.into(),
        label_keys: known.labels.iter().map(|l| (*l).to_owned()).collect(),
    };
    ALL.iter().map(descriptor).collect()
}

impl Known {
    fn metric(&self, timestamp: i64, labels: &[&str], value: &Option<UInt64Value>) -> Option<Metric> {
        Some(Metric {
            name: self.name.into(),
            timestamp,
            metric_type: self.kind as i32,
            label_values: labels.iter().map(|l| (*l).to_owned()).collect(),
            value: Some(*value.as_ref()?),
        })
    }
}

fn of_container(stats: &ContainerStats) -> ContainerMetrics {
    let mut metrics = Vec::new();
    if let Some(cpu) = &stats.cpu {
        // CRI's metrics are whole numbers.
        let seconds = cpu.usage_core_nano_seconds.map(|v| UInt64Value { value: v.value / 1_000_000_000 });
        metrics.extend(CPU.metric(cpu.timestamp, &["total"], &seconds));
    }
    if let Some(memory) = &stats.memory {
        for (known, value) in [
            (&WORKING_SET, &memory.working_set_bytes),
            (&MEMORY, &memory.usage_bytes),
            (&RSS, &memory.rss_bytes),
        ] {
            metrics.extend(known.metric(memory.timestamp, &[], value));
        }
    }
    if let Some(disk) = &stats.writable_layer {
        metrics.extend(FS_USAGE.metric(disk.timestamp, &[], &disk.used_bytes));
    }
    let container_id = stats.attributes.as_ref().map(|a| a.id.clone()).unwrap_or_default();
    ContainerMetrics { container_id, metrics }
}

fn of_interface(at: i64, interface: &NetworkInterfaceUsage) -> Vec<Metric> {
    let i = interface;
    let values =
        [(&RX, &i.rx_bytes), (&RX_ERRORS, &i.rx_errors), (&TX, &i.tx_bytes), (&TX_ERRORS, &i.tx_errors)];
    values.iter().filter_map(|(known, value)| known.metric(at, &[&i.name], value)).collect()
}

/// A sandbox's figures as metrics.
fn of_sandbox(stats: &PodSandboxStats) -> PodSandboxMetrics {
    let mut metrics = Vec::new();
    let linux = stats.linux.clone().unwrap_or_default();
    if let Some(network) = &linux.network {
        let interfaces = network.default_interface.iter().chain(&network.interfaces);
        metrics.extend(interfaces.flat_map(|i| of_interface(network.timestamp, i)));
    }
    if let Some(process) = &linux.process {
        metrics.extend(PROCESSES.metric(process.timestamp, &[], &process.process_count));
    }
    PodSandboxMetrics {
        pod_sandbox_id: stats.attributes.as_ref().map(|a| a.id.clone()).unwrap_or_default(),
        metrics,
        container_metrics: linux.containers.iter().map(of_container).collect(),
    }
}

impl Runtime {
    /// The metrics of all sandboxes that are ready.
    pub(crate) async fn metrics(&self) -> Vec<PodSandboxMetrics> {
        let mut out = Vec::new();
        for sandbox in self.table.sandboxes().into_iter().filter(|s| s.ready().is_some()) {
            // One that went away meanwhile has none.
            out.extend(self.sandbox_figures(&sandbox).await.ok().as_ref().map(of_sandbox));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_node_api::cri::{LinuxPodSandboxStats, NetworkUsage};

    #[test]
    fn every_metric_that_is_yielded_is_described() {
        let value = Some(UInt64Value { value: 3_000_000_000 });
        let interface = NetworkInterfaceUsage {
            name: "eth0".into(),
            rx_bytes: value,
            rx_errors: value,
            tx_bytes: value,
            tx_errors: value,
        };
        let network = NetworkUsage { timestamp: 1, default_interface: Some(interface), interfaces: vec![] };
        let container = ContainerStats {
            cpu: Some(corten_node_api::cri::CpuUsage {
                usage_core_nano_seconds: value,
                ..Default::default()
            }),
            ..Default::default()
        };
        let linux = LinuxPodSandboxStats {
            network: Some(network),
            containers: vec![container],
            ..Default::default()
        };
        let metrics = of_sandbox(&PodSandboxStats { linux: Some(linux), ..Default::default() });
        assert_eq!((metrics.metrics.len(), metrics.container_metrics.len()), (4, 1));
        let cpu = &metrics.container_metrics[0].metrics[0];
        assert_eq!(cpu.value.map(|v| v.value), Some(3));
        let known = descriptors();
        for metric in metrics.metrics.iter().chain(&metrics.container_metrics[0].metrics) {
            let described = known.iter().find(|d| d.name == metric.name).expect("described");
            assert_eq!(described.label_keys.len(), metric.label_values.len(), "{}", metric.name);
        }
    }
}
