//! What the kubelet counts of its own work, for `/metrics` and `/metrics/probes`. The names are upstream's.

use corten_node_api::CallObserver;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// What a family of figures is.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Counter,
    /// With the upper bounds of its buckets, in seconds.
    Histogram(&'static [f64]),
}

const USUAL: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const PULLS: &[f64] = &[
    1.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 180.0, 240.0, 300.0, 360.0, 480.0, 600.0, 900.0, 1200.0, 1800.0,
    2700.0, 3600.0,
];
/// Each two and a half times the one before.
const OPERATIONS: &[f64] = &[
    0.005,
    0.0125,
    0.03125,
    0.078125,
    0.1953125,
    0.48828125,
    1.220703125,
    3.0517578125,
    7.62939453125,
    19.073486328125,
    47.6837158203125,
    119.20928955078125,
    298.0232238769531,
    745.0580596923828,
];
const STARTS: &[f64] =
    &[0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 20.0, 30.0, 45.0, 60.0, 120.0, 180.0, 300.0];

/// Every family: name, help, kind. One whose name begins with `prober_` is shown by `/metrics/probes`.
const FAMILIES: &[(&str, &str, Kind)] = &[
    (
        "kubelet_device_plugin_alloc_duration_seconds",
        "Duration in seconds to serve a device plugin Allocation request. Broken down by resource name.",
        Kind::Histogram(USUAL),
    ),
    (
        "kubelet_device_plugin_registration_total",
        "Cumulative number of device plugin registrations. Broken down by resource name.",
        Kind::Counter,
    ),
    ("kubelet_evictions", "Cumulative number of pod evictions by eviction signal", Kind::Counter),
    (
        "kubelet_image_garbage_collected_total",
        "Total number of images garbage collected by the kubelet, whether through disk usage or image age.",
        Kind::Counter,
    ),
    ("kubelet_image_pull_duration_seconds", "Duration in seconds to pull an image.", Kind::Histogram(PULLS)),
    (
        "kubelet_pleg_relist_duration_seconds",
        "Duration in seconds for relisting pods in PLEG.",
        Kind::Histogram(USUAL),
    ),
    (
        "kubelet_pleg_relist_interval_seconds",
        "Interval in seconds between relisting in PLEG.",
        Kind::Histogram(USUAL),
    ),
    (
        "kubelet_pod_start_duration_seconds",
        "Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run",
        Kind::Histogram(STARTS),
    ),
    ("kubelet_preemptions", "Cumulative number of pod preemptions by preemption resource", Kind::Counter),
    (
        "kubelet_runtime_operations_duration_seconds",
        "Duration in seconds of runtime operations. Broken down by operation type.",
        Kind::Histogram(OPERATIONS),
    ),
    (
        "kubelet_runtime_operations_errors_total",
        "Cumulative number of runtime operation errors by operation type.",
        Kind::Counter,
    ),
    (
        "kubelet_runtime_operations_total",
        "Cumulative number of runtime operations by operation type.",
        Kind::Counter,
    ),
    ("kubelet_started_containers_total", "Cumulative number of containers started", Kind::Counter),
    ("kubelet_started_pods_total", "Cumulative number of pods started", Kind::Counter),
    ("prober_probe_duration_seconds", "Duration in seconds for a probe response.", Kind::Histogram(USUAL)),
    (
        "prober_probe_total",
        "Cumulative number of a liveness, readiness or startup probe for a container by result.",
        Kind::Counter,
    ),
];

#[derive(Clone, Debug, Default)]
struct Value {
    /// What was counted, or how often was observed.
    count: u64,
    sum: f64,
    buckets: Vec<u64>,
}

/// The counts. Labels are as they stand between the braces of a metric.
#[derive(Debug, Default)]
pub struct Meters {
    values: Mutex<BTreeMap<(&'static str, String), Value>>,
    /// When the runtime was last listed, in milliseconds since 1970.
    relisted: std::sync::atomic::AtomicI64,
}

/// Labels as they stand between the braces.
pub fn labels(pairs: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let comma = if out.is_empty() { "" } else { "," };
        let _ = write!(out, "{comma}{name}=\"{value}\"");
    }
    out
}

impl Meters {
    /// Counts one more.
    pub fn count(&self, name: &'static str, labels: String) {
        self.values.lock().entry((name, labels)).or_default().count += 1;
    }

    /// Notes how long something took.
    pub fn observe(&self, name: &'static str, labels: String, took: Duration) {
        let Some(Kind::Histogram(bounds)) = FAMILIES.iter().find(|f| f.0 == name).map(|f| f.2) else {
            return;
        };
        let seconds = took.as_secs_f64();
        let mut values = self.values.lock();
        let value = values.entry((name, labels)).or_default();
        value.buckets.resize(bounds.len(), 0);
        value.count += 1;
        value.sum += seconds;
        for (bucket, bound) in value.buckets.iter_mut().zip(bounds) {
            *bucket += u64::from(seconds <= *bound);
        }
    }

    /// Counts what a probe found, and how long it took.
    pub fn probed(
        &self,
        kind: &str,
        result: &str,
        pod: &corten_api::core::v1::Pod,
        container: &str,
        took: Duration,
    ) {
        let m = &pod.metadata;
        let pairs = [
            ("container", container),
            ("namespace", &m.namespace),
            ("pod", &m.name),
            ("pod_uid", &m.uid),
            ("probe_type", kind),
            ("result", result),
        ];
        self.count("prober_probe_total", labels(&pairs));
        if result == "successful" {
            let pairs = [
                ("container", container),
                ("namespace", &m.namespace),
                ("pod", &m.name),
                ("probe_type", kind),
            ];
            self.observe("prober_probe_duration_seconds", labels(&pairs), took);
        }
    }

    /// Notes that the runtime was listed.
    pub fn relisted(&self, now: corten_rt::Timestamp) {
        let now = now.as_millisecond();
        let before = self.relisted.swap(now, std::sync::atomic::Ordering::Relaxed);
        if let (1.., Ok(between)) = (before, u64::try_from(now - before)) {
            let between = Duration::from_millis(between);
            self.observe("kubelet_pleg_relist_interval_seconds", String::new(), between);
        }
    }

    /// When the runtime was last listed, in seconds since 1970.
    pub fn last_relist(&self) -> f64 {
        self.relisted.load(std::sync::atomic::Ordering::Relaxed) as f64 / 1000.0
    }

    /// Forgets the probes of pods that are gone, which it asks by namespace and name.
    pub fn keep_pods(&self, is_here: impl Fn(&str, &str) -> bool) {
        let label = |labels: &str, name: &str| {
            let rest = labels.split(&format!("{name}=\"")).nth(1);
            rest.and_then(|rest| rest.split('"').next()).unwrap_or_default().to_string()
        };
        self.values.lock().retain(|(name, labels), _| {
            !name.starts_with("prober_") || is_here(&label(labels, "namespace"), &label(labels, "pod"))
        });
    }

    /// The figures as text: those of probes, or all others.
    pub fn write(&self, out: &mut String, probes: bool) {
        let values = self.values.lock();
        for (family, help, kind) in FAMILIES.iter().filter(|f| f.0.starts_with("prober_") == probes) {
            let of: Vec<_> = values.iter().filter(|((name, _), _)| name == family).collect();
            if of.is_empty() {
                continue;
            }
            let word = if matches!(kind, Kind::Counter) { "counter" } else { "histogram" };
            let _ = write!(out, "# HELP {family} {help}\n# TYPE {family} {word}\n");
            for ((_, labels), value) in of {
                write_value(out, family, labels, value, *kind);
            }
        }
    }
}

fn write_value(out: &mut String, name: &str, labels: &str, value: &Value, kind: Kind) {
    let braces = |more: &str| match (labels, more) {
        ("", "") => String::new(),
        ("", more) => format!("{{{more}}}"),
        (labels, "") => format!("{{{labels}}}"),
        (labels, more) => format!("{{{labels},{more}}}"),
    };
    let Kind::Histogram(bounds) = kind else {
        let _ = writeln!(out, "{name}{} {}", braces(""), value.count);
        return;
    };
    for (bound, count) in bounds.iter().zip(&value.buckets) {
        let _ = writeln!(out, "{name}_bucket{} {count}", braces(&format!("le=\"{bound}\"")));
    }
    let _ = writeln!(out, "{name}_bucket{} {}", braces("le=\"+Inf\""), value.count);
    let _ = writeln!(out, "{name}_sum{} {}", braces(""), value.sum);
    let _ = writeln!(out, "{name}_count{} {}", braces(""), value.count);
}

impl CallObserver for Meters {
    fn called(&self, method: &'static str, took: Duration, failed: bool) {
        let operation = operation(method);
        let labels = labels(&[("operation_type", &operation)]);
        self.count("kubelet_runtime_operations_total", labels.clone());
        if failed {
            self.count("kubelet_runtime_operations_errors_total", labels.clone());
        }
        self.observe("kubelet_runtime_operations_duration_seconds", labels, took);
    }
}

/// The name under which calls of a CRI method are counted.
fn operation(method: &str) -> String {
    match method {
        "update_container_resources" => "update_container".into(),
        other => other.replace("pod_sandbox", "podsandbox"),
    }
}

/// Counts pods as they start to run.
pub(crate) fn follow(shared: &std::sync::Arc<crate::Shared>) {
    let counted = std::sync::Arc::downgrade(shared);
    shared.pods.on_change(move |change| {
        let (Some(shared), Some(new)) = (counted.upgrade(), &change.new) else { return };
        let ran = change.old.as_ref().is_none_or(|old| old.status.phase != "Pending");
        if ran || new.status.phase != "Running" {
            return;
        }
        shared.meters.count("kubelet_started_pods_total", String::new());
        let seen = new.status.start_time.map(|t| shared.clock.now().duration_since(t.0));
        if let Some(took) = seen.and_then(|d| Duration::try_from(d).ok()) {
            shared.meters.observe("kubelet_pod_start_duration_seconds", String::new(), took);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_become_text() {
        let meters = Meters::default();
        meters.count("kubelet_evictions", labels(&[("eviction_signal", "memory.available")]));
        meters.observe("kubelet_pleg_relist_duration_seconds", String::new(), Duration::from_millis(20));
        let mut pod = corten_api::core::v1::Pod::default();
        pod.metadata.uid = "u\"1".into();
        let took = Duration::from_millis(2);
        meters.probed("Liveness", "successful", &pod, "c", took);
        meters.probed("Liveness", "failed", &pod, "c", took);
        meters.called("run_pod_sandbox", took, false);
        meters.called("run_pod_sandbox", took, true);
        for second in [7, 8] {
            meters.relisted(corten_rt::Timestamp::from_second(second).expect("in range"));
        }
        let mut text = String::new();
        meters.write(&mut text, false);
        for line in [
            "# TYPE kubelet_evictions counter",
            "kubelet_evictions{eviction_signal=\"memory.available\"} 1",
            "kubelet_pleg_relist_duration_seconds_bucket{le=\"0.01\"} 0",
            "kubelet_pleg_relist_duration_seconds_bucket{le=\"0.025\"} 1",
            "kubelet_pleg_relist_duration_seconds_count 1",
            "kubelet_pleg_relist_interval_seconds_sum 1",
            "kubelet_runtime_operations_total{operation_type=\"run_podsandbox\"} 2",
            "kubelet_runtime_operations_errors_total{operation_type=\"run_podsandbox\"} 1",
            "kubelet_runtime_operations_duration_seconds_count{operation_type=\"run_podsandbox\"} 2",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        let mut probes = String::new();
        meters.write(&mut probes, true);
        assert!(
            probes.contains("pod_uid=\"u\\\"1\",probe_type=\"Liveness\",result=\"successful\"} 1"),
            "{probes}"
        );
        assert!(probes.contains("prober_probe_duration_seconds_count{container=\"c\""), "{probes}");
        meters.keep_pods(|_, _| true);
        meters.keep_pods(|_, _| false);
        probes.clear();
        meters.write(&mut probes, true);
        assert_eq!(probes, "");
    }
}
