//! `/metrics/cadvisor`: the figures of control groups under cAdvisor's names and labels, as dashboards and
//! alerts of every cluster expect them.

use super::seconds;
use crate::stats::{ContainerUse, Cpu, Disk, Disks, Interface, Memory, PodUse, Usage};
use corten_metrics::{Kind, Text};

/// One control group with its labels: `container` is empty for a pod's own.
struct Row<'a> {
    labels: [(&'static str, &'a str); 6],
    cpu: &'a Cpu,
    memory: &'a Memory,
    pids: u64,
    started: f64,
    container: Option<&'a ContainerUse>,
    limit: (u64, u64),
    layer: Option<Disk>,
}

/// What pods may use, for the `container_spec_` metrics: asked by UID and container, gives shares, quota in
/// microseconds a period (0 for none), and bytes of memory (0 for no limit).
pub type Spec<'a> = &'a dyn Fn(&str, &str) -> (i64, i64, i64);

/// The text.
pub fn text(usage: &Usage, disks: &Disks, spec: Spec<'_>) -> String {
    let mut out = Text::default();
    let at = Some(usage.time.as_millisecond());
    let rows: Vec<Row<'_>> = usage.pods.iter().flat_map(|p| rows(p, disks)).collect();
    out.family("cadvisor_version_info", Kind::Gauge, "A metric with a constant '1' value labeled by kernel version, OS version, docker version, cadvisor version & cadvisor revision.");
    out.sample(
        &[
            ("cadvisorRevision", ""),
            ("cadvisorVersion", ""),
            ("dockerVersion", ""),
            ("kernelVersion", kernel().trim()),
            ("osVersion", ""),
        ],
        1,
    );
    processors(&mut out, &rows, at);
    memory(&mut out, &rows, at);
    disk(&mut out, &rows, at);
    network(&mut out, &usage.pods, at);
    specs(&mut out, &usage.pods, spec, at);
    machine(&mut out, usage);
    out.single(
        "container_scrape_error",
        Kind::Gauge,
        "1 if there was an error while getting container metrics, 0 otherwise",
        0,
    );
    out.finish()
}

fn kernel() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default()
}

fn rows<'a>(pod: &'a PodUse, disks: &Disks) -> Vec<Row<'a>> {
    let start = |t: Option<corten_rt::Timestamp>| t.map_or(0.0, |t| t.as_millisecond() as f64 / 1000.0);
    let labels = |container, id, image, name| {
        let (namespace, pod) = (pod.namespace.as_str(), pod.name.as_str());
        [
            ("container", container),
            ("id", id),
            ("image", image),
            ("name", name),
            ("namespace", namespace),
            ("pod", pod),
        ]
    };
    let mut rows = vec![Row {
        labels: labels("", &pod.group, "", ""),
        cpu: &pod.cpu,
        memory: &pod.memory,
        pids: pod.pids,
        started: start(pod.started),
        container: None,
        limit: (0, 0),
        layer: None,
    }];
    let disk = disks.pods.get(&pod.uid);
    rows.extend(pod.containers.iter().map(|c| Row {
        labels: labels(&c.name, &c.group, &c.image, &c.id),
        cpu: &c.cpu,
        memory: &c.memory,
        pids: c.pids,
        started: start(c.started),
        container: Some(c),
        limit: (disks.containers.capacity, disks.containers.inodes),
        layer: disk.and_then(|d| d.layers.get(&c.name)).copied(),
    }));
    rows
}

/// A family with one sample for each row.
fn each(
    out: &mut Text,
    (name, kind, help): (&str, Kind, &str),
    rows: &[Row<'_>],
    at: Option<i64>,
    value: impl Fn(&Row<'_>) -> Option<f64>,
) {
    out.family(name, kind, help);
    for row in rows {
        if let Some(value) = value(row) {
            out.sample_at(&row.labels, value, at);
        }
    }
}

fn processors(out: &mut Text, rows: &[Row<'_>], at: Option<i64>) {
    out.family(
        "container_cpu_usage_seconds_total",
        Kind::Counter,
        "Cumulative cpu time consumed in seconds.",
    );
    for row in rows {
        let [container, id, image, name, namespace, pod] = row.labels;
        let labels = [container, ("cpu", "total"), id, image, name, namespace, pod];
        out.sample_at(&labels, seconds(row.cpu.nanoseconds), at);
    }
    let limited = |row: &Row<'_>, value: u64| (row.cpu.periods > 0).then_some(value as f64);
    each(
        out,
        ("container_cpu_cfs_periods_total", Kind::Counter, "Number of elapsed enforcement period intervals."),
        rows,
        at,
        |r| limited(r, r.cpu.periods),
    );
    each(
        out,
        ("container_cpu_cfs_throttled_periods_total", Kind::Counter, "Number of throttled period intervals."),
        rows,
        at,
        |r| limited(r, r.cpu.throttled_periods),
    );
    each(
        out,
        (
            "container_cpu_cfs_throttled_seconds_total",
            Kind::Counter,
            "Total time duration the container has been throttled.",
        ),
        rows,
        at,
        |r| (r.cpu.periods > 0).then_some(seconds(r.cpu.throttled_nanoseconds)),
    );
    each(
        out,
        ("container_threads", Kind::Gauge, "Number of threads running inside the container"),
        rows,
        at,
        |r| Some(r.pids as f64),
    );
    each(
        out,
        ("container_last_seen", Kind::Gauge, "Last time a container was seen by the exporter"),
        rows,
        at,
        |_| Some((at.unwrap_or_default() / 1000) as f64),
    );
    each(
        out,
        (
            "container_start_time_seconds",
            Kind::Gauge,
            "Start time of the container since unix epoch in seconds.",
        ),
        rows,
        at,
        |r| Some(r.started),
    );
}

fn memory(out: &mut Text, rows: &[Row<'_>], at: Option<i64>) {
    each(
        out,
        (
            "container_memory_usage_bytes",
            Kind::Gauge,
            "Current memory usage in bytes, including all memory regardless of when it was accessed",
        ),
        rows,
        at,
        |r| Some(r.memory.usage as f64),
    );
    each(
        out,
        ("container_memory_working_set_bytes", Kind::Gauge, "Current working set in bytes."),
        rows,
        at,
        |r| Some(r.memory.working_set as f64),
    );
    each(out, ("container_memory_rss", Kind::Gauge, "Size of RSS in bytes."), rows, at, |r| {
        Some(r.memory.rss as f64)
    });
    each(
        out,
        ("container_memory_cache", Kind::Gauge, "Number of bytes of page cache memory."),
        rows,
        at,
        |r| Some(r.memory.usage.saturating_sub(r.memory.rss) as f64),
    );
    each(
        out,
        (
            "container_oom_events_total",
            Kind::Counter,
            "Count of out of memory events observed for the container",
        ),
        rows,
        at,
        |r| r.container.map(|_| r.memory.oom_kills as f64),
    );
    out.family(
        "container_memory_failures_total",
        Kind::Counter,
        "Cumulative count of memory allocation failures.",
    );
    for row in rows {
        let [container, id, image, name, namespace, pod] = row.labels;
        for (kind, value) in [("pgfault", row.memory.faults), ("pgmajfault", row.memory.major_faults)] {
            let labels =
                [container, ("failure_type", kind), id, image, name, namespace, pod, ("scope", "hierarchy")];
            out.sample_at(&labels, value, at);
        }
    }
}

fn disk(out: &mut Text, rows: &[Row<'_>], at: Option<i64>) {
    let layer = |r: &Row<'_>| r.container.and(r.layer);
    each(
        out,
        (
            "container_fs_usage_bytes",
            Kind::Gauge,
            "Number of bytes that are consumed by the container on this filesystem.",
        ),
        rows,
        at,
        |r| layer(r).map(|d| d.used as f64),
    );
    each(
        out,
        (
            "container_fs_limit_bytes",
            Kind::Gauge,
            "Number of bytes that can be consumed by the container on this filesystem.",
        ),
        rows,
        at,
        |r| layer(r).map(|_| r.limit.0 as f64),
    );
    each(out, ("container_fs_inodes_total", Kind::Gauge, "Number of Inodes"), rows, at, |r| {
        layer(r).map(|_| r.limit.1 as f64)
    });
    each(out, ("container_fs_inodes_free", Kind::Gauge, "Number of available Inodes"), rows, at, |r| {
        layer(r).map(|d| d.inodes_free as f64)
    });
}

/// A figure of an interface, with the name of its metric and what it counts.
type Figure = (&'static str, &'static str, fn(&Interface) -> u64);

fn network(out: &mut Text, pods: &[PodUse], at: Option<i64>) {
    const FAMILIES: [Figure; 8] = [
        ("container_network_receive_bytes_total", "Cumulative count of bytes received", |i| i.rx_bytes),
        ("container_network_receive_packets_total", "Cumulative count of packets received", |i| i.rx_packets),
        (
            "container_network_receive_errors_total",
            "Cumulative count of errors encountered while receiving",
            |i| i.rx_errors,
        ),
        (
            "container_network_receive_packets_dropped_total",
            "Cumulative count of packets dropped while receiving",
            |i| i.rx_dropped,
        ),
        ("container_network_transmit_bytes_total", "Cumulative count of bytes transmitted", |i| i.tx_bytes),
        ("container_network_transmit_packets_total", "Cumulative count of packets transmitted", |i| {
            i.tx_packets
        }),
        (
            "container_network_transmit_errors_total",
            "Cumulative count of errors encountered while transmitting",
            |i| i.tx_errors,
        ),
        (
            "container_network_transmit_packets_dropped_total",
            "Cumulative count of packets dropped while transmitting",
            |i| i.tx_dropped,
        ),
    ];
    for (name, help, value) in FAMILIES {
        out.family(name, Kind::Counter, help);
        for p in pods {
            for i in p.network.iter().flatten() {
                let labels = [
                    ("id", &*p.group),
                    ("image", ""),
                    ("interface", &*i.name),
                    ("name", ""),
                    ("namespace", &*p.namespace),
                    ("pod", &*p.name),
                ];
                out.sample_at(&labels, value(i), at);
            }
        }
    }
}

fn specs(out: &mut Text, pods: &[PodUse], spec: Spec<'_>, at: Option<i64>) {
    let mut family = |name, help, value: &dyn Fn((i64, i64, i64)) -> Option<i64>| {
        out.family(name, Kind::Gauge, help);
        for p in pods {
            for c in &p.containers {
                if let Some(value) = value(spec(&p.uid, &c.name)) {
                    let labels = [
                        ("container", &*c.name),
                        ("id", &*c.group),
                        ("image", &*c.image),
                        ("name", &*c.id),
                        ("namespace", &*p.namespace),
                        ("pod", &*p.name),
                    ];
                    out.sample_at(&labels, value, at);
                }
            }
        }
    };
    family("container_spec_cpu_period", "CPU period of the container.", &|_| Some(100_000));
    family("container_spec_cpu_quota", "CPU quota of the container.", &|(_, quota, _)| {
        (quota > 0).then_some(quota)
    });
    family("container_spec_cpu_shares", "CPU share of the container.", &|(shares, ..)| Some(shares));
    family("container_spec_memory_limit_bytes", "Memory limit for the container.", &|(.., memory)| {
        Some(memory)
    });
    family(
        "container_spec_memory_reservation_limit_bytes",
        "Memory reservation limit for the container.",
        &|_| Some(0),
    );
    family("container_spec_memory_swap_limit_bytes", "Memory swap limit for the container.", &|_| Some(0));
}

fn machine(out: &mut Text, usage: &Usage) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_string();
    let (boot, id) = (read("/proc/sys/kernel/random/boot_id"), read("/etc/machine-id"));
    let labels = [("boot_id", &*boot), ("machine_id", &*id), ("system_uuid", &*id)];
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    for (name, help, value) in [
        ("machine_cpu_cores", "Number of logical CPU cores.", cores as u64),
        ("machine_cpu_physical_cores", "Number of physical CPU cores.", cores as u64),
        ("machine_cpu_sockets", "Number of CPU sockets.", 1),
        ("machine_memory_bytes", "Amount of memory installed on the machine.", usage.machine.memory_capacity),
        (
            "machine_swap_bytes",
            "Amount of swap memory available on the machine.",
            usage.machine.swap_capacity,
        ),
    ] {
        out.family(name, Kind::Gauge, help);
        out.sample(&labels, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::PodDisk;

    #[test]
    fn names_and_labels_are_cadvisors() {
        let container = ContainerUse {
            name: "c".into(),
            id: "abc".into(),
            image: "i:1".into(),
            group: "/k/podu/abc".into(),
            memory: Memory { rss: 3, usage: 5, ..Memory::default() },
            ..ContainerUse::default()
        };
        let eth = Interface { name: "eth0".into(), rx_bytes: 9, ..Interface::default() };
        let pod = PodUse {
            namespace: "ns".into(),
            name: "p".into(),
            uid: "u".into(),
            group: "/k/podu".into(),
            network: Some(vec![eth]),
            containers: vec![container],
            ..PodUse::default()
        };
        let mut disk = PodDisk::default();
        disk.layers.insert("c".into(), Disk { used: 77, ..Disk::default() });
        let disks = Disks { pods: [("u".to_string(), disk)].into(), ..Disks::default() };
        let text = text(&Usage { pods: vec![pod], ..Usage::default() }, &disks, &|_, _| (2, 50_000, 64));
        let of = "container=\"c\",id=\"/k/podu/abc\",image=\"i:1\",name=\"abc\",namespace=\"ns\",pod=\"p\"";
        for line in [
            format!("container_memory_rss{{{of}}} 3 0"),
            format!("container_fs_usage_bytes{{{of}}} 77 0"),
            format!("container_spec_cpu_quota{{{of}}} 50000 0"),
            "container_cpu_usage_seconds_total{container=\"\",cpu=\"total\",id=\"/k/podu\",image=\"\",name=\"\",namespace=\"ns\",pod=\"p\"} 0 0".into(),
            "container_network_receive_bytes_total{id=\"/k/podu\",image=\"\",interface=\"eth0\",name=\"\",namespace=\"ns\",pod=\"p\"} 9 0".into(),
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        assert!(text.lines().any(|l| l.starts_with("machine_cpu_cores{boot_id=")), "{text}");
    }
}
