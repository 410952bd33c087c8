//! How the kubelet is set up: upstream's `KubeletConfiguration`, as far as flags set it.

use crate::cpu::CpuSet;
use crate::eviction::{Amount, Signal, Threshold, ThresholdFlags, parse_thresholds, threshold};
use crate::pod::sandbox::Resolver;
use corten_api::Quantity;
use corten_semantics::resources::ResourceList;
use serde_json::{Value, json};
use std::time::Duration;

/// Why settings are no good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--{flag}: {why}")]
pub struct SettingError {
    /// The flag.
    pub flag: &'static str,
    /// What is wrong with its value.
    pub why: String,
}

/// The settings; their defaults are upstream's.
#[derive(Clone, Debug)]
pub struct Settings {
    /// When pods have to go for want of something.
    pub thresholds: Vec<Threshold>,
    /// The most seconds that a pod evicted by a soft threshold has to end.
    pub max_pod_grace_seconds: i64,
    /// How long the node's condition stays after the last time of pressure.
    pub pressure_transition: Duration,
    /// What the system and the kubelet keep for themselves.
    pub system_reserved: ResourceList,
    pub kube_reserved: ResourceList,
    /// Percent of the disk of images in use: above the first, images go until the second is reached.
    pub image_gc_high: u8,
    pub image_gc_low: u8,
    /// An image younger than this stays; one unused for longer than the second goes (zero: never).
    pub image_minimum_age: Duration,
    pub image_maximum_age: Duration,
    /// Images are pulled one after the other, or so many at once (`None`: any number).
    pub serialize_image_pulls: bool,
    pub max_parallel_image_pulls: Option<usize>,
    /// Ended containers that are younger stay; of the others as many of each container (`None`: all).
    pub minimum_container_age: Duration,
    pub most_dead_per_container: Option<usize>,
    /// The most processes of a pod; -1 for any number.
    pub pod_pids: i64,
    /// The size at which a container's log is rotated, and how many files of it are kept.
    pub log_max_size: u64,
    pub log_max_files: usize,
    /// How often the node's status is looked at, and how often it is written though nothing changed.
    pub status_update: Duration,
    pub status_report: Duration,
    /// How long the node's lease is good.
    pub lease: Duration,
    /// Whether containers may have processors for themselves, and which stay everybody's.
    pub static_cpus: bool,
    pub reserved_cpus: CpuSet,
    /// How long a shutdown of the machine waits for pods, and how much of it is critical pods'.
    pub shutdown_grace: Duration,
    pub shutdown_grace_critical: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let flags = ThresholdFlags { hard: threshold::DEFAULT_HARD, ..ThresholdFlags::default() };
        Settings {
            thresholds: parse_thresholds(flags).unwrap_or_default(),
            max_pod_grace_seconds: 0,
            pressure_transition: Duration::from_secs(300),
            system_reserved: ResourceList::new(),
            kube_reserved: ResourceList::new(),
            image_gc_high: 85,
            image_gc_low: 80,
            image_minimum_age: Duration::from_secs(120),
            image_maximum_age: Duration::ZERO,
            serialize_image_pulls: true,
            max_parallel_image_pulls: None,
            minimum_container_age: Duration::ZERO,
            most_dead_per_container: Some(1),
            pod_pids: -1,
            log_max_size: 10 << 20,
            log_max_files: 5,
            status_update: Duration::from_secs(10),
            status_report: Duration::from_secs(300),
            lease: Duration::from_secs(40),
            static_cpus: false,
            reserved_cpus: CpuSet::default(),
            shutdown_grace: Duration::ZERO,
            shutdown_grace_critical: Duration::ZERO,
        }
    }
}

impl Settings {
    /// Sets the thresholds.
    ///
    /// # Errors
    /// A threshold is malformed.
    pub fn set_thresholds(
        &mut self,
        hard: &str,
        soft: &str,
        soft_grace: &str,
        minimum_reclaim: &str,
    ) -> Result<(), SettingError> {
        let flags = ThresholdFlags { hard, soft, soft_grace, minimum_reclaim };
        self.thresholds =
            parse_thresholds(flags).map_err(|why| SettingError { flag: "eviction-hard", why })?;
        Ok(())
    }

    /// How many images are pulled at once; `None` for any number.
    pub fn pulls_at_once(&self) -> Option<usize> {
        if self.serialize_image_pulls { Some(1) } else { self.max_parallel_image_pulls }
    }

    /// What of `capacity` pods may have: what is not reserved, nor kept free by hard thresholds.
    pub fn allocatable(&self, capacity: &ResourceList) -> ResourceList {
        let mut out = capacity.clone();
        let kept = self.kept_free(capacity);
        for (name, left) in &mut out {
            for taken in
                [&self.system_reserved, &self.kube_reserved, &kept].into_iter().filter_map(|l| l.get(name))
            {
                *left -= *taken;
            }
            if left.milli_value() < 0 {
                *left = Quantity::default();
            }
        }
        out
    }

    /// What the hard thresholds keep free.
    fn kept_free(&self, capacity: &ResourceList) -> ResourceList {
        let mut out = ResourceList::new();
        for t in self.thresholds.iter().filter(|t| t.is_hard()) {
            let name = match t.signal {
                Signal::Memory => "memory",
                Signal::NodeFs => "ephemeral-storage",
                _ => continue,
            };
            let whole = capacity.get(name).map_or(0, |q| q.value());
            let bytes =
                i64::try_from(t.value.of(u64::try_from(whole).unwrap_or_default())).unwrap_or(i64::MAX);
            out.insert(name.into(), Quantity::bytes(bytes));
        }
        out
    }

    /// As `/configz` tells it.
    pub(crate) fn configuration(&self, resolver: &Resolver, cgroup_root: &str) -> Value {
        let list = |l: &ResourceList| -> Value {
            l.iter()
                .map(|(name, q)| (name.clone(), Value::from(q.to_string())))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let amount = |a: &Amount| match a {
            Amount::Quantity(q) => q.to_string(),
            Amount::Part(p) => format!("{}%", p * 100.0),
        };
        let chosen = |hard: bool| -> Value {
            let of = self
                .thresholds
                .iter()
                .filter(|t| t.is_hard() == hard && t.signal != Signal::AllocatableMemory);
            of.map(|t| (t.signal.name().to_string(), Value::from(amount(&t.value))))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let mut configuration = json!({ "kubeletconfig": {
            "kind": "KubeletConfiguration",
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "syncFrequency": "1m0s",
            "fileCheckFrequency": "20s",
            "httpCheckFrequency": "20s",
            "authentication": { "x509": {}, "webhook": { "enabled": true, "cacheTTL": "2m0s" }, "anonymous": { "enabled": false } },
            "authorization": { "mode": "Webhook", "webhook": { "cacheAuthorizedTTL": "5m0s", "cacheUnauthorizedTTL": "30s" } },
            "clusterDomain": resolver.domain,
            "clusterDNS": resolver.cluster_dns,
            "nodeStatusUpdateFrequency": go_duration(self.status_update),
            "nodeStatusReportFrequency": go_duration(self.status_report),
            "nodeLeaseDurationSeconds": self.lease.as_secs(),
            "imageMinimumGCAge": go_duration(self.image_minimum_age),
            "imageMaximumGCAge": go_duration(self.image_maximum_age),
            "imageGCHighThresholdPercent": self.image_gc_high,
            "imageGCLowThresholdPercent": self.image_gc_low,
            "volumeStatsAggPeriod": "1m0s",
            "cgroupRoot": cgroup_root,
            "cgroupsPerQOS": true,
            "cgroupDriver": "cgroupfs",
            "cpuManagerPolicy": if self.static_cpus { "static" } else { "none" },
            "reservedSystemCPUs": self.reserved_cpus.to_string(),
            "memoryManagerPolicy": "None",
            "topologyManagerPolicy": "none",
            "evictionHard": chosen(true),
            "evictionSoft": chosen(false),
            "evictionPressureTransitionPeriod": go_duration(self.pressure_transition),
            "evictionMaxPodGracePeriod": self.max_pod_grace_seconds,
            "localStorageCapacityIsolation": true,
            "containerLogMaxSize": Quantity::bytes(i64::try_from(self.log_max_size).unwrap_or(i64::MAX)).to_string(),
            "containerLogMaxFiles": self.log_max_files,
            "systemReserved": list(&self.system_reserved),
            "kubeReserved": list(&self.kube_reserved),
            "enforceNodeAllocatable": ["pods"],
            "shutdownGracePeriod": go_duration(self.shutdown_grace),
            "shutdownGracePeriodCriticalPods": go_duration(self.shutdown_grace_critical),
            "serializeImagePulls": self.serialize_image_pulls,
            "podPidsLimit": self.pod_pids,
        }});
        if let Some(most) = self.max_parallel_image_pulls {
            configuration["kubeletconfig"]["maxParallelImagePulls"] = most.into();
        }
        configuration
    }
}

/// Go's notation of a duration.
fn go_duration(d: Duration) -> String {
    let (hours, minutes, seconds) = (d.as_secs() / 3600, d.as_secs() / 60 % 60, d.as_secs() % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, m) => format!("{m}m{seconds}s"),
        (h, m) => format!("{h}h{m}m{seconds}s"),
    }
}

/// Reads `cpu=100m,memory=100Mi`.
///
/// # Errors
/// A name or amount is malformed.
pub fn resource_list(flag: &'static str, text: &str) -> Result<ResourceList, SettingError> {
    let failed = |why: String| SettingError { flag, why };
    let mut out = ResourceList::new();
    for (name, value) in threshold::pairs(text, '=').map_err(failed)? {
        if !matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage" | "pid") {
            return Err(failed(format!("cannot reserve {name:?} resource")));
        }
        let quantity: Quantity = value.parse().map_err(|e| failed(format!("{value:?}: {e}")))?;
        if quantity.milli_value() < 0 {
            return Err(failed(format!("resource quantity for {name:?} cannot be negative: {value}")));
        }
        out.insert(name, quantity);
    }
    Ok(out)
}

/// Reads a duration in Go's notation.
///
/// # Errors
/// It is malformed.
pub fn duration(flag: &'static str, text: &str) -> Result<Duration, SettingError> {
    threshold::duration(text)
        .ok_or_else(|| SettingError { flag, why: format!("{text:?} is no duration such as 30s or 1m30s") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocatable_is_what_is_neither_reserved_nor_kept_free() {
        let list = |text| resource_list("system-reserved", text).expect("valid");
        let mut settings = Settings { system_reserved: list("cpu=500m,memory=1Gi"), ..Settings::default() };
        settings.kube_reserved = list("cpu=100m");
        let capacity = list("cpu=2,memory=4Gi,ephemeral-storage=1000");
        let got = settings.allocatable(&capacity);
        assert_eq!(got["cpu"].milli_value(), 1400);
        assert_eq!(got["memory"].value(), (3 << 30) - (100 << 20));
        assert_eq!(got["ephemeral-storage"].value(), 900);
        assert_eq!(settings.allocatable(&list("memory=1Gi"))["memory"].value(), 0);
    }

    #[test]
    fn flags_that_are_no_good_are_explained() {
        let of = |text| resource_list("kube-reserved", text).expect_err("invalid").to_string();
        assert_eq!(of("gpu=1"), "--kube-reserved: cannot reserve \"gpu\" resource");
        assert!(of("cpu").contains("NAME=VALUE"));
        assert!(of("cpu=-1").contains("cannot be negative"));
        assert_eq!(go_duration(Duration::from_secs(3723)), "1h2m3s");
        assert_eq!(
            Settings::default().configuration(&Resolver::default(), "/k")["kubeletconfig"]["evictionHard"]["memory.available"],
            "100Mi"
        );
    }
}
