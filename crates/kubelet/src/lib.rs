//! The kubelet: runs the pods that are bound to this node. One task per pod ([`pod::worker`]) owns that
//! pod's state machine: it looks at the pod, at what the runtime shows, plans, acts, and writes the status.
//! Containers are reached through CRI alone, the API through `client` alone; what the kubelet needs of the
//! machine comes through `sys`.

pub mod cni;
mod cpu;
mod devices;
mod directory;
pub mod downward;
mod eviction;
mod gate;
mod images_gc;
pub mod logs;
mod meters;
mod node;
mod orders;
mod pleg;
pub mod plugins;
mod pod;
pub mod server;
mod settings;
mod shutdown;
mod start;
mod static_pods;
mod stats;
mod tls;
pub mod volumes;
mod workers;

pub use cpu::CpuSet;
pub use eviction::threshold::DEFAULT_HARD as EVICTION_HARD;
pub use node::NodeConfig;
pub use pod::pull_progress::{PullProgress, Pulled};
pub use pod::sandbox::Resolver;
pub use settings::{SettingError, Settings, duration, resource_list};
pub use start::{Kubelet, KubeletConfig};
pub use static_pods::StaticPodConfig;

use corten_api::Quantity;
use corten_api::core::v1::{Pod, Service};
use corten_client::{Client, EventRecorder, Informer};
use corten_node_api::CriClient;
use corten_rt::Clock;
use corten_sys::cgroups::Cgroups;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What all parts of the kubelet share.
pub(crate) struct Shared {
    pub client: Client,
    pub cri: CriClient,
    pub events: EventRecorder,
    pub clock: Clock,
    pub pods: Informer<Pod>,
    pub services: Informer<Service>,
    pub volumes: volumes::Volumes,
    pub cgroups: Arc<dyn Cgroups>,
    /// The cgroup below which pods' groups are made.
    pub cgroup_root: String,
    pub places: pod::names::Places,
    /// What the runtime can do.
    pub features: pod::runtime_features::RuntimeFeatures,
    pub static_pods: static_pods::StaticPods,
    /// What pods have been given of what they ask for.
    pub allocations: pod::allocation::Allocations,
    pub pulls: pod::pull_records::Pulls,
    pub pull_progress: Option<Arc<dyn PullProgress>>,
    pub user_namespaces: pod::user_namespaces::UserNamespaces,
    pub resolver: Resolver,
    pub node_name: String,
    pub host_ip: String,
    /// The runtime's name, `containerd`.
    pub runtime: String,
    pub version: String,
    pub settings: Settings,
    pub stats: stats::Collector,
    pub meters: Arc<meters::Meters>,
    pub reviews: server::Reviews,
    pub orders: orders::Orders,
    pub pressure: eviction::Pressure,
    pub images: images_gc::Images,
    pub shutdown: shutdown::Shutdown,
    pub devices: devices::Devices,
    pub cpus: cpu::Cpus,
    pub allocatable: BTreeMap<String, Quantity>,
    pub memory_bytes: i64,
    /// The lowest OOM score that this process may give: its own.
    pub oom_floor: i64,
}

impl Shared {
    /// The node's pods, with what they have been given.
    fn bound(&self) -> Vec<Arc<Pod>> {
        static_pods::with_static(self).iter().map(|pod| self.allocations.apply(pod)).collect()
    }
}
