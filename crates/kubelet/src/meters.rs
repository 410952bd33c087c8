//! What the kubelet counts of its own work, for `/metrics` and `/metrics/probes`. The names are upstream's.

use corten_metrics::{Histogram, Kind, Series, Text};
use corten_node_api::CallObserver;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// The most series of one family.
const MOST: usize = 10_000;

/// What a family of figures is.
#[derive(Clone, Copy, Debug)]
enum Of {
    Counts,
    /// With the upper bounds of its buckets, in seconds.
    Times(&'static [f64]),
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

/// Every family: name, help, what it is of. One whose name begins with `prober_` is shown by `/metrics/probes`.
const FAMILIES: [(&str, &str, Of); 16] = [
    (
        "kubelet_device_plugin_alloc_duration_seconds",
        "Duration in seconds to serve a device plugin Allocation request. Broken down by resource name.",
        Of::Times(USUAL),
    ),
    (
        "kubelet_device_plugin_registration_total",
        "Cumulative number of device plugin registrations. Broken down by resource name.",
        Of::Counts,
    ),
    ("kubelet_evictions", "Cumulative number of pod evictions by eviction signal", Of::Counts),
    (
        "kubelet_image_garbage_collected_total",
        "Total number of images garbage collected by the kubelet, whether through disk usage or image age.",
        Of::Counts,
    ),
    ("kubelet_image_pull_duration_seconds", "Duration in seconds to pull an image.", Of::Times(PULLS)),
    (
        "kubelet_pleg_relist_duration_seconds",
        "Duration in seconds for relisting pods in PLEG.",
        Of::Times(USUAL),
    ),
    (
        "kubelet_pleg_relist_interval_seconds",
        "Interval in seconds between relisting in PLEG.",
        Of::Times(USUAL),
    ),
    (
        "kubelet_pod_start_duration_seconds",
        "Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run",
        Of::Times(STARTS),
    ),
    ("kubelet_preemptions", "Cumulative number of pod preemptions by preemption resource", Of::Counts),
    (
        "kubelet_runtime_operations_duration_seconds",
        "Duration in seconds of runtime operations. Broken down by operation type.",
        Of::Times(OPERATIONS),
    ),
    (
        "kubelet_runtime_operations_errors_total",
        "Cumulative number of runtime operation errors by operation type.",
        Of::Counts,
    ),
    (
        "kubelet_runtime_operations_total",
        "Cumulative number of runtime operations by operation type.",
        Of::Counts,
    ),
    ("kubelet_started_containers_total", "Cumulative number of containers started", Of::Counts),
    ("kubelet_started_pods_total", "Cumulative number of pods started", Of::Counts),
    ("prober_probe_duration_seconds", "Duration in seconds for a probe response.", Of::Times(USUAL)),
    (
        "prober_probe_total",
        "Cumulative number of a liveness, readiness or startup probe for a container by result.",
        Of::Counts,
    ),
];

/// A family's series.
#[derive(Debug)]
enum Family {
    Counts(Series<AtomicU64>),
    Times(Series<Histogram>, &'static [f64]),
}

/// The counts.
#[derive(Debug)]
pub struct Meters {
    families: [Family; FAMILIES.len()],
    /// When the runtime was last listed, in milliseconds since 1970.
    relisted: AtomicI64,
}

impl Default for Meters {
    fn default() -> Self {
        let families = FAMILIES.map(|(.., of)| match of {
            Of::Counts => Family::Counts(Series::new(MOST)),
            Of::Times(bounds) => Family::Times(Series::new(MOST), bounds),
        });
        Meters { families, relisted: AtomicI64::new(0) }
    }
}

impl Meters {
    fn family(&self, name: &str) -> Option<&Family> {
        FAMILIES.iter().zip(&self.families).find(|(family, _)| family.0 == name).map(|(_, series)| series)
    }

    /// Counts one more.
    pub fn count(&self, name: &'static str, labels: &[(&str, &str)]) {
        let Some(Family::Counts(series)) = self.family(name) else { return };
        if let Some(count) = series.of(labels, AtomicU64::default) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes how long something took.
    pub fn observe(&self, name: &'static str, labels: &[(&str, &str)], took: Duration) {
        let Some(Family::Times(series, bounds)) = self.family(name) else { return };
        if let Some(times) = series.of(labels, || Histogram::new(bounds)) {
            times.took(took);
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
        self.count("prober_probe_total", &pairs);
        if result == "successful" {
            let pairs = [
                ("container", container),
                ("namespace", &m.namespace),
                ("pod", &m.name),
                ("probe_type", kind),
            ];
            self.observe("prober_probe_duration_seconds", &pairs, took);
        }
    }

    /// Notes that the runtime was listed.
    pub fn relisted(&self, now: corten_rt::Timestamp) {
        let now = now.as_millisecond();
        let before = self.relisted.swap(now, Ordering::Relaxed);
        if let (1.., Ok(between)) = (before, u64::try_from(now - before)) {
            let between = Duration::from_millis(between);
            self.observe("kubelet_pleg_relist_interval_seconds", &[], between);
        }
    }

    /// When the runtime was last listed, in seconds since 1970.
    pub fn last_relist(&self) -> f64 {
        self.relisted.load(Ordering::Relaxed) as f64 / 1000.0
    }

    /// Forgets the probes of pods that are gone, which it asks by namespace and name.
    pub fn keep_pods(&self, is_here: impl Fn(&str, &str) -> bool) {
        let label = |labels: &str, name: &str| {
            let rest = labels.split(&format!("{name}=\"")).nth(1);
            rest.and_then(|rest| rest.split('"').next()).unwrap_or_default().to_string()
        };
        let wanted = |labels: &str| is_here(&label(labels, "namespace"), &label(labels, "pod"));
        for (.., series) in self.shown(true) {
            match series {
                Family::Counts(series) => series.retain(wanted),
                Family::Times(series, _) => series.retain(wanted),
            }
        }
    }

    /// The families of probes, or all others.
    fn shown(&self, probes: bool) -> impl Iterator<Item = (&'static str, &'static str, &Family)> {
        let all = FAMILIES.iter().zip(&self.families);
        all.filter(move |(family, _)| family.0.starts_with("prober_") == probes)
            .map(|((name, help, _), series)| (*name, *help, series))
    }

    /// The figures as text: those of probes, or all others.
    pub fn write(&self, out: &mut Text, probes: bool) {
        for (name, help, series) in self.shown(probes) {
            match series {
                Family::Counts(series) if !series.is_empty() => {
                    out.family(name, Kind::Counter, help);
                    series.each(|labels, count| out.sample(labels, count.load(Ordering::Relaxed)));
                }
                Family::Times(series, _) if !series.is_empty() => {
                    out.family(name, Kind::Histogram, help);
                    series.each(|labels, times| out.histogram(labels, times));
                }
                _ => {}
            }
        }
    }
}

impl CallObserver for Meters {
    fn called(&self, method: &'static str, took: Duration, failed: bool) {
        let operation = operation(method);
        let labels = [("operation_type", operation.as_str())];
        self.count("kubelet_runtime_operations_total", &labels);
        if failed {
            self.count("kubelet_runtime_operations_errors_total", &labels);
        }
        self.observe("kubelet_runtime_operations_duration_seconds", &labels, took);
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
        shared.meters.count("kubelet_started_pods_total", &[]);
        let seen = new.status.start_time.map(|t| shared.clock.now().duration_since(t.0));
        if let Some(took) = seen.and_then(|d| Duration::try_from(d).ok()) {
            shared.meters.observe("kubelet_pod_start_duration_seconds", &[], took);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_become_text() {
        let meters = Meters::default();
        meters.count("kubelet_evictions", &[("eviction_signal", "memory.available")]);
        meters.observe("kubelet_pleg_relist_duration_seconds", &[], Duration::from_millis(20));
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
        let written = |probes| {
            let mut text = Text::default();
            meters.write(&mut text, probes);
            text.finish()
        };
        let text = written(false);
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
        let probes = written(true);
        assert!(
            probes.contains("pod_uid=\"u\\\"1\",probe_type=\"Liveness\",result=\"successful\"} 1"),
            "{probes}"
        );
        assert!(probes.contains("prober_probe_duration_seconds_count{container=\"c\""), "{probes}");
        meters.keep_pods(|_, _| true);
        meters.keep_pods(|_, _| false);
        assert_eq!(written(true), "");
    }
}
