//! What the node, its pods and their containers use. Processor time, memory and network come from control
//! groups and `/proc`, in one pass over the pods; what is on disk is measured more rarely. Nothing is
//! measured while nobody asks.

mod disk;
mod groups;
mod machine;
mod rates;

pub use machine::Machine;

use crate::Shared;
use corten_api::core::v1::Pod;
use corten_rt::Timestamp;
use rates::Rates;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Figures this fresh are given again.
const FRESH: Duration = Duration::from_secs(1);
/// How old figures of disks may be for those who only report them.
pub const DISK_FRESH: Duration = Duration::from_secs(30);

/// Processor time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cpu {
    /// Nanoseconds in all.
    pub nanoseconds: u64,
    /// Billionths of a core, over the time since the figures before these.
    pub nano_cores: Option<u64>,
    /// Periods of a quota, those cut short by it, and for how long in nanoseconds.
    pub periods: u64,
    pub throttled_periods: u64,
    pub throttled_nanoseconds: u64,
}

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Memory {
    pub usage: u64,
    /// What the kernel could not give back easily.
    pub working_set: u64,
    pub rss: u64,
    /// Page faults, and those that needed the disk.
    pub faults: u64,
    pub major_faults: u64,
    /// The limit, if there is one.
    pub limit: Option<u64>,
    pub oom_kills: u64,
}

/// One file system, and how much of it the one that is told of uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Disk {
    pub available: u64,
    pub capacity: u64,
    pub used: u64,
    pub inodes_free: u64,
    pub inodes: u64,
    pub inodes_used: u64,
}

/// What went through one network interface.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interface {
    pub name: String,
    pub rx_bytes: u64,
    pub rx_packets: u64,
    pub rx_errors: u64,
    pub rx_dropped: u64,
    pub tx_bytes: u64,
    pub tx_packets: u64,
    pub tx_errors: u64,
    pub tx_dropped: u64,
}

/// The use of one running container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerUse {
    pub name: String,
    /// Its ID in the runtime.
    pub id: String,
    pub image: String,
    /// Its control group.
    pub group: String,
    pub started: Option<Timestamp>,
    pub cpu: Cpu,
    pub memory: Memory,
    pub pids: u64,
    pub restarts: i32,
}

/// The use of one pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodUse {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    /// Its control group.
    pub group: String,
    pub started: Option<Timestamp>,
    pub cpu: Cpu,
    pub memory: Memory,
    pub pids: u64,
    /// `None` for pods on the host's network.
    pub network: Option<Vec<Interface>>,
    pub containers: Vec<ContainerUse>,
}

/// Everything that runs, at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    pub time: Timestamp,
    pub machine: Machine,
    /// The node's use of processors, and that of all pods together.
    pub cpu: Cpu,
    pub pods_cpu: Cpu,
    pub pods_memory: Memory,
    pub pods: Vec<PodUse>,
}

/// What one volume of a pod holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VolumeUse {
    pub name: String,
    /// Namespace and name of the claim that it is bound to.
    pub claim: Option<(String, String)>,
    /// Whether the node pays for it: an `emptyDir` on disk and its like.
    pub ephemeral: bool,
    pub disk: Disk,
}

/// What a pod has on disk.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodDisk {
    pub volumes: Vec<VolumeUse>,
    /// By container name: its writable layer and its logs.
    pub layers: HashMap<String, Disk>,
    pub logs: HashMap<String, Disk>,
    /// The files that the kubelet made for it.
    pub other: u64,
}

impl PodDisk {
    /// Bytes and inodes of everything that the pod's share of ephemeral storage counts.
    pub fn ephemeral(&self) -> (u64, u64) {
        let volumes = self.volumes.iter().filter(|v| v.ephemeral).map(|v| v.disk);
        let all = self.layers.values().chain(self.logs.values()).copied().chain(volumes);
        all.fold((self.other, 0), |(bytes, inodes), d| (bytes + d.used, inodes + d.inodes_used))
    }
}

/// The node's file systems, and the pods' parts of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Disks {
    pub time: Timestamp,
    /// Where pods' volumes and logs are.
    pub node: Disk,
    /// Where images are, and where containers write.
    pub images: Disk,
    pub containers: Disk,
    /// Images are on another disk than volumes and logs; containers write to another disk than that of images.
    pub images_apart: bool,
    pub containers_apart_from_images: bool,
    /// By pod UID.
    pub pods: HashMap<String, PodDisk>,
}

/// Measures when asked.
#[derive(Default)]
pub struct Collector {
    usage: Mutex<Option<(corten_rt::Instant, Arc<Usage>)>>,
    rates: parking_lot::Mutex<Rates>,
    disks: Mutex<Option<(corten_rt::Instant, Arc<Disks>)>>,
}

impl Collector {
    /// What is used now, or was a moment ago.
    pub(crate) async fn usage(&self, shared: &Arc<Shared>) -> Arc<Usage> {
        let mut last = self.usage.lock().await;
        if let Some((at, usage)) = &*last
            && at.elapsed() < FRESH
        {
            return usage.clone();
        }
        let asked = shared.clone();
        let measured = tokio::task::spawn_blocking(move || groups::measure(&asked)).await;
        let mut usage = measured.unwrap_or_default();
        self.rates.lock().apply(&mut usage);
        let usage = Arc::new(usage);
        *last = Some((corten_rt::Instant::now(), usage.clone()));
        usage
    }

    /// The node's file systems alone.
    pub(crate) async fn file_systems(&self, shared: &Arc<Shared>) -> Disks {
        disk::file_systems(shared).await
    }

    /// What these pods have on disk, by UID.
    pub(crate) async fn disks_of(
        &self,
        shared: &Arc<Shared>,
        pods: Vec<Arc<Pod>>,
    ) -> HashMap<String, PodDisk> {
        let disks = disk::file_systems(shared).await;
        disk::of_pods(shared, pods, disks).await.pods
    }

    /// What is on disk, measured no longer ago than `fresh`.
    pub(crate) async fn disks(&self, shared: &Arc<Shared>, fresh: Duration) -> Arc<Disks> {
        let mut last = self.disks.lock().await;
        if let Some((at, disks)) = &*last
            && at.elapsed() < fresh
        {
            return disks.clone();
        }
        let disks = Arc::new(disk::measure(shared).await);
        *last = Some((corten_rt::Instant::now(), disks.clone()));
        disks
    }
}
