//! The node's side: runtime, kubelet, pod network, Services, DNS, in this process.

mod network;
mod services;
mod settings;

use crate::config::KubeletFlags;
use crate::runtime::NodeRuntime;
use crate::runtime::containerd::Layout;
use anyhow::{Context, Result};
use corten_api::Kind;
use corten_api::core::v1::Pod;
use corten_auth::pki::Identity;
use corten_client::{Client, Informers};
use corten_kubelet::server::{NodeServer, ServerConfig};
use corten_kubelet::{Kubelet, KubeletConfig, NodeConfig, Resolver, StaticPodConfig};
use corten_node_api::cri::VersionRequest;
use corten_rt::{Clock, Tasks};
use corten_sys::cgroups::KernelCgroups;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Below the data directory: where the pods' cgroups are, for `corten reset`.
pub const CGROUP_ROOT_FILE: &str = "cgroup-root";

/// What a node is told of its cluster.
pub struct NodeSetup {
    pub data_dir: PathBuf,
    pub name: String,
    pub address: IpAddr,
    pub client: Client,
    /// The cluster's authority, PEM.
    pub authority: String,
    /// The certificate with which the node's API is served.
    pub serving: Identity,
    pub cluster_cidr: String,
    pub service_cidr: String,
    pub cluster_dns: String,
}

/// A node's runtime, and the network that it asks for pods' interfaces.
pub struct Ground {
    runtime: NodeRuntime,
    network: Arc<network::Holder>,
}

/// Starts the runtime, which can be before the cluster answers.
pub async fn start_runtime(data_dir: &Path, flags: &KubeletFlags, tasks: &Tasks) -> Result<Ground> {
    let network = Arc::new(network::Holder::default());
    let runtime = NodeRuntime::start(data_dir, flags, network.clone(), tasks).await?;
    Ok(Ground { runtime, network })
}

/// Registers the node and runs everything on it as tasks of `tasks`.
pub async fn start(setup: NodeSetup, flags: &KubeletFlags, ground: Ground, tasks: &Tasks) -> Result<()> {
    let clock = Clock::system();
    let cri = ground.runtime.client();
    std::fs::write(setup.data_dir.join(CGROUP_ROOT_FILE), &flags.cgroup_root)?;
    let version =
        cri.version(VersionRequest { version: "0.1.0".into() }).await.context("ask the runtime's version")?;
    let informers = Informers::new(setup.client.clone(), tasks.clone());
    let data_dir = setup.data_dir.join("kubelet");
    let log_dir = setup.data_dir.join("logs/pods");
    let config = KubeletConfig {
        node: NodeConfig {
            name: setup.name.clone(),
            address: setup.address.to_string(),
            port: flags.kubelet_port,
            labels: labels(&flags.node_labels),
            most_pods: flags.max_pods,
            version: corten_apiserver::http::git_version().to_string(),
            runtime: format!(
                "{}://{}",
                version.runtime_name,
                version.runtime_version.trim_start_matches('v')
            ),
        },
        static_pods: StaticPodConfig { dir: data_dir.join("manifests"), default: default_pod },
        data_dir,
        log_dir: log_dir.clone(),
        resolver: Resolver {
            cluster_dns: vec![setup.cluster_dns.clone()],
            domain: "cluster.local".into(),
            host: Resolver::parse(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default()),
        },
        cgroup_root: flags.cgroup_root.clone(),
        settings: settings::of(&flags.resources)?,
        pull_progress: ground.runtime.pull_progress(),
    };
    let cgroups = Arc::new(KernelCgroups::detect().context("find the cgroup hierarchies")?);
    let kubelet = Kubelet::new(config, &informers, cri.clone(), cgroups, clock, tasks);
    let plugins = match ground.runtime {
        NodeRuntime::Containerd(_) => Some(Layout::new(&setup.data_dir).plugins()),
        NodeRuntime::Embedded(_) | NodeRuntime::External(_) => None,
    };
    network::start(&setup, &informers, ground.network, plugins.as_deref(), tasks)?;
    kubelet.register().await.map_err(anyhow::Error::from).context("register the node")?;
    kubelet.run();
    services::start(&setup, &informers, kubelet.pods(), tasks)?;
    let server = ServerConfig {
        address: std::net::SocketAddr::new(IpAddr::from([0, 0, 0, 0]), flags.kubelet_port),
        identity: setup.serving,
        authority: setup.authority,
        node_name: setup.name,
    };
    NodeServer::start(server, kubelet.directory(), cri, clock, tasks).await?;
    Ok(())
}

/// Fills in what the definition of a static pod leaves out, as the API server would.
fn default_pod(pod: &mut Pod) {
    corten_kinds::strategy_for(Pod::INFO).default(pod);
}

fn labels(given: &[String]) -> BTreeMap<String, String> {
    given.iter().filter_map(|l| l.split_once('=')).map(|(k, v)| (k.to_string(), v.to_string())).collect()
}
