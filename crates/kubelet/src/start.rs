//! Puts the parts together.

use crate::directory::Directory;
use crate::node::{NodeConfig, Registration, capacity, memory_bytes};
use crate::plugins::{PluginHandler, Registry};
use crate::pod::names::{POD_UID, Places};
use crate::pod::sandbox::Resolver;
use crate::server::PodDirectory;
use crate::static_pods::{self, StaticPodConfig};
use crate::volumes::{VolumeConfig, Volumes};
use crate::workers::Workers;
use crate::{PullProgress, Settings, Shared, pleg};
use corten_api::core::v1::{Node, Pod};
use corten_client::{Client, EventRecorder, Informer, Informers, WatchOptions};
use corten_node_api::CriClient;
use corten_node_api::cri::{ListPodSandboxRequest, RemovePodSandboxRequest, StopPodSandboxRequest};
use corten_node_api::plugin_registration::CSI_PLUGIN;
use corten_rt::{Backoff, Clock, Tasks};
use corten_semantics::ApiResult;
use corten_semantics::resources::ResourceList;
use corten_sys::cgroups::Cgroups;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How a kubelet is set up.
pub struct KubeletConfig {
    pub node: NodeConfig,
    /// Where pods' volumes and files are.
    pub data_dir: PathBuf,
    /// Where containers' logs are.
    pub log_dir: PathBuf,
    pub resolver: Resolver,
    /// The cgroup below which pods' groups are made, `/kubepods`.
    pub cgroup_root: String,
    /// Pods that the node defines itself.
    pub static_pods: StaticPodConfig,
    /// What the kubelet's flags set.
    pub settings: Settings,
    /// Who knows how far the runtime's pulls are, if anybody does.
    pub pull_progress: Option<Arc<dyn PullProgress>>,
}

/// A running kubelet.
pub struct Kubelet {
    static_pods: StaticPodConfig,
    shared: Arc<Shared>,
    workers: Workers,
    registration: Arc<Registration>,
    capacity: ResourceList,
    tasks: Tasks,
}

impl Kubelet {
    /// Prepares everything; nothing runs yet.
    pub fn new(
        config: KubeletConfig,
        informers: &Informers,
        cri: CriClient,
        cgroups: Arc<dyn Cgroups>,
        clock: Clock,
        tasks: &Tasks,
    ) -> Self {
        let client: Client = informers.client().clone();
        let options = WatchOptions {
            field_selector: format!("spec.nodeName={}", config.node.name),
            ..WatchOptions::default()
        };
        let capacity = capacity(config.node.most_pods, &config.data_dir);
        let allocatable = config.settings.allocatable(&capacity);
        let volumes = VolumeConfig {
            root: config.data_dir.clone(),
            node_name: config.node.name.clone(),
            allocatable: allocatable.clone(),
        };
        let events = EventRecorder::start(client.clone(), "kubelet", &config.node.name, clock, tasks);
        let cpus = crate::cpu::Cpus::new(&config.settings, &config.data_dir);
        let meters = Arc::<crate::meters::Meters>::default();
        let shared = Arc::new(Shared {
            volumes: Volumes::new(volumes, client.clone(), clock).following(events.clone(), tasks),
            events,
            pods: Informer::start(client.all::<Pod>(), options, tasks),
            services: informers.of(),
            cgroups,
            cgroup_root: config.cgroup_root,
            places: Places { root: config.data_dir.clone(), logs: config.log_dir },
            resolver: config.resolver,
            features: Default::default(),
            static_pods: Default::default(),
            allocations: Default::default(),
            pulls: crate::pod::pull_records::Pulls::new(
                config.data_dir.join("pulled-images"),
                config.settings.pulls_at_once(),
            ),
            pull_progress: config.pull_progress,
            user_namespaces: Default::default(),
            node_name: config.node.name.clone(),
            host_ip: config.node.address.clone(),
            runtime: config.node.runtime.split("://").next().unwrap_or_default().to_string(),
            version: config.node.version.clone(),
            settings: config.settings,
            stats: Default::default(),
            meters: meters.clone(),
            reviews: Default::default(),
            orders: Default::default(),
            pressure: Default::default(),
            images: Default::default(),
            shutdown: Default::default(),
            devices: crate::devices::Devices::new(&config.data_dir),
            cpus,
            allocatable,
            memory_bytes: memory_bytes(),
            oom_floor: own_oom_score(),
            client: client.clone(),
            cri: cri.observed(meters),
            clock,
        });
        let workers = Workers::new(shared.clone(), tasks.clone());
        let ordered = workers.clone();
        shared.orders.on_order(move |uid| ordered.wake(uid));
        let registration = Arc::new(Registration { config: config.node, shared: shared.clone() });
        Kubelet {
            static_pods: config.static_pods,
            shared,
            workers,
            registration,
            capacity,
            tasks: tasks.clone(),
        }
    }

    /// Registers the node; gives its object.
    pub async fn register(&self) -> ApiResult<Arc<Node>> {
        self.registration.register().await
    }

    /// The node's pods.
    pub fn pods(&self) -> Informer<Pod> {
        self.shared.pods.clone()
    }

    /// What the node's HTTPS API learns of the pods.
    pub fn directory(&self) -> Arc<dyn PodDirectory> {
        Arc::new(Directory(self.shared.clone()))
    }

    /// Registers plugins as they come.
    fn run_plugins(&self) {
        let csi = self.shared.volumes.csi_plugins();
        let handler: Arc<dyn PluginHandler> = Arc::new(csi.clone());
        let registry =
            Registry::new(self.shared.places.root.join("plugins_registry"), [(CSI_PLUGIN, handler)].into());
        self.tasks.spawn_until_stopped("plugins", async move {
            let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
            while let Err(error) = csi.prepare().await {
                tracing::debug!(error, "the node's CSINode is not there yet");
                corten_rt::sleep(backoff.step()).await;
            }
            registry.run().await;
        });
    }

    /// Runs the node's pods and heartbeat as tasks.
    pub fn run(&self) {
        let registration = self.registration.clone();
        self.tasks.spawn_until_stopped("node heartbeat", async move { registration.keep().await });
        let logs = crate::logs::keeper::run(self.shared.clone(), self.workers.clone());
        self.tasks.spawn_until_stopped("log rotation", logs);
        let limits = crate::node::enforce(self.shared.clone(), self.capacity.clone());
        self.tasks.spawn_until_stopped("node limits", limits);
        let plugins = crate::devices::run(self.shared.clone(), self.tasks.clone());
        self.tasks.spawn_until_stopped("device plugins", plugins);
        self.tasks.spawn_until_stopped("processors", crate::cpu::run(self.shared.clone()));
        crate::meters::follow(&self.shared);
        let power =
            crate::shutdown::listen(self.shared.clone(), self.workers.clone(), self.tasks.stop().clone());
        self.tasks.spawn_until_stopped("machine shutdown", power);
        let eviction = crate::eviction::run(self.shared.clone(), self.workers.clone());
        self.tasks.spawn_until_stopped("eviction", eviction);
        let images = crate::images_gc::run(self.shared.clone());
        self.tasks.spawn_until_stopped("image collection", images);
        self.run_plugins();
        // These need no API server.
        static_pods::begin(&self.shared, &self.static_pods);
        let own = static_pods::run(self.shared.clone(), self.workers.clone(), self.static_pods.clone());
        self.tasks.spawn_until_stopped("static pods", own);
        let (shared, workers, tasks) = (self.shared.clone(), self.workers.clone(), self.tasks.clone());
        let told = workers.clone();
        shared.volumes.on_change(move |uid| told.wake(uid));
        self.tasks.spawn_until_stopped("kubelet", async move {
            shared.pods.synced().await;
            shared.services.synced().await;
            workers.follow();
            clean(&shared, &workers).await;
            clean_volumes(&shared, &workers, &tasks);
            workers.settle();
            pleg::run(shared, workers).await;
        });
    }
}

/// Takes away in a task what volumes have left: a driver may come back late.
fn clean_volumes(shared: &Arc<Shared>, workers: &Workers, tasks: &Tasks) {
    let (shared, workers) = (shared.clone(), workers.clone());
    tasks.spawn_until_stopped("leftover volumes", async move {
        crate::volumes::clean(&shared.volumes, || workers.uids().into_iter().collect()).await;
    });
}

/// Removes what is left of pods that were deleted while this process was away.
async fn clean(shared: &Arc<Shared>, workers: &Workers) {
    let live: HashSet<String> = workers.uids().into_iter().collect();
    match shared.cri.list_pod_sandbox(ListPodSandboxRequest { filter: None }).await {
        Ok(listed) => {
            for s in listed.items {
                if s.labels.get(POD_UID).is_none_or(|uid| live.contains(uid)) {
                    continue;
                }
                let stop = StopPodSandboxRequest { pod_sandbox_id: s.id.clone() };
                let remove = RemovePodSandboxRequest { pod_sandbox_id: s.id.clone() };
                let outcome = match shared.cri.stop_pod_sandbox(stop).await {
                    Ok(_) => shared.cri.remove_pod_sandbox(remove).await.map(|_| ()),
                    Err(e) => Err(e),
                };
                if let Err(error) = outcome {
                    tracing::warn!(sandbox = s.id, %error, "a leftover sandbox was not removed");
                }
            }
        }
        Err(error) => tracing::warn!(%error, "leftover sandboxes could not be listed"),
    }
    let (shared, workers) = (shared.clone(), workers.clone());
    if tokio::task::spawn_blocking(move || sweep(&shared, &workers)).await.is_err() {
        tracing::warn!("leftover cgroups and logs were not looked for");
    }
}

/// Removes the cgroups and logs of pods that are no longer here. Kills what still runs in them.
fn sweep(shared: &Shared, workers: &Workers) {
    // What is found first can only be older than a pod that comes now.
    let groups: Vec<(String, String)> = ["", "/burstable", "/besteffort"]
        .map(|class| format!("{}{class}", shared.cgroup_root))
        .into_iter()
        .flat_map(|group| {
            let children = shared.cgroups.children(&group).unwrap_or_default();
            children
                .into_iter()
                .filter_map(move |c| Some((c.strip_prefix("pod")?.to_string(), format!("{group}/{c}"))))
        })
        .collect();
    let logs = std::fs::read_dir(&shared.places.logs).into_iter().flatten().flatten();
    let logs: Vec<_> = logs
        .filter_map(|e| Some((e.file_name().to_string_lossy().rsplit_once('_')?.1.to_string(), e.path())))
        .collect();
    let live: HashSet<String> = workers.uids().into_iter().collect();
    for (_, group) in groups.iter().filter(|(uid, _)| !live.contains(uid)) {
        if let Err(error) = shared.cgroups.remove(group) {
            tracing::warn!(group, %error, "a leftover cgroup was not removed");
        }
    }
    for (_, path) in logs.iter().filter(|(uid, _)| !live.contains(uid)) {
        if let Err(error) = std::fs::remove_dir_all(path) {
            tracing::warn!(path = %path.display(), %error, "leftover logs were not removed");
        }
    }
}

/// This process's own OOM score: without privilege it cannot give a lower one.
fn own_oom_score() -> i64 {
    std::fs::read_to_string("/proc/self/oom_score_adj").ok().and_then(|t| t.trim().parse().ok()).unwrap_or(0)
}
