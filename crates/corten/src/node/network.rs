//! The node's pod network: it opens when the node's range is known; until then pods wait.

use super::NodeSetup;
use anyhow::{Context, Result};
use corten_api::core::v1::Node;
use corten_client::{Change, Informer, Informers, Key};
use corten_kubelet::cni::{self, PodNet};
use corten_network::node_routes::{self, PeerNode};
use corten_network::{PodNetwork, PodNetworkConfig};
use corten_rt::Tasks;
use corten_runtime::network::{Attachment, SandboxNetwork};
use corten_sys::Cidr;
use corten_sys::interfaces::KernelInterfaces;
use corten_sys::nft::KernelNft;
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a pod waits for the node's range.
const PATIENCE: Duration = Duration::from_secs(20);

/// The network, once it is open.
#[derive(Default)]
pub struct Holder {
    network: Mutex<Option<Arc<PodNetwork>>>,
    opened: Condvar,
    /// The sandboxes that the runtime found at its start; of others nothing is kept when the network opens.
    found: Mutex<Option<BTreeSet<String>>>,
}

impl Holder {
    fn wait(&self) -> Result<Arc<PodNetwork>, String> {
        let mut network = self.network.lock();
        if network.is_none() {
            self.opened.wait_for(&mut network, PATIENCE);
        }
        network.clone().ok_or_else(|| "the node has no pod range yet".to_string())
    }

    fn is_open(&self) -> bool {
        self.network.lock().is_some()
    }
}

impl SandboxNetwork for Holder {
    fn setup(&self, attachment: &Attachment) -> Result<Vec<IpAddr>, String> {
        PodNet::setup(self, &attachment.sandbox, &attachment.netns)
    }

    fn teardown(&self, attachment: &Attachment) -> Result<(), String> {
        PodNet::teardown(self, &attachment.sandbox)
    }

    fn may_be_late(&self, _: &Attachment) -> bool {
        // Ports of the machine are claimed and given back with the pod, elsewhere.
        true
    }

    fn keep_only(&self, sandboxes: &BTreeSet<String>) -> Result<(), String> {
        *self.found.lock() = Some(sandboxes.clone());
        Ok(())
    }
}

impl PodNet for Holder {
    fn setup(&self, pod: &str, netns: &Path) -> Result<Vec<IpAddr>, String> {
        self.wait()?.setup(pod, netns).map_err(|e| e.to_string())
    }

    fn teardown(&self, pod: &str) -> Result<(), String> {
        self.wait()?.teardown(pod).map_err(|e| e.to_string())
    }
}

/// Serves the plugins, where a runtime executes them, and follows the nodes: this one's range, and the ways to the others'.
pub fn start(
    setup: &NodeSetup,
    informers: &Informers,
    holder: Arc<Holder>,
    plugins: Option<&Path>,
    tasks: &Tasks,
) -> Result<()> {
    if let Some(plugins) = plugins {
        cni::serve(plugins, holder.clone(), tasks).context("serve the network plugins")?;
    }
    let cluster: Cidr = setup.cluster_cidr.parse().context("the range of pods")?;
    let services: Cidr = setup.service_cidr.parse().context("the range of Services")?;
    let follower = Follower {
        name: setup.name.clone(),
        data_dir: setup.data_dir.join("network"),
        cluster,
        services,
        dns: setup.cluster_dns.clone(),
        nodes: informers.of(),
        informers: informers.clone(),
        holder,
        named: false,
        tasks: tasks.clone(),
    };
    tasks.spawn_until_stopped("node network", follower.run());
    Ok(())
}

struct Follower {
    name: String,
    data_dir: std::path::PathBuf,
    cluster: Cidr,
    services: Cidr,
    dns: String,
    nodes: Informer<Node>,
    informers: Informers,
    holder: Arc<Holder>,
    /// Names are served.
    named: bool,
    tasks: Tasks,
}

impl Follower {
    async fn run(mut self) {
        let woken = Arc::new(tokio::sync::Notify::new());
        let wake = woken.clone();
        self.nodes.on_change(move |change: &Change<Node>| {
            let ranges = |n: &Option<Arc<Node>>| {
                n.as_ref().map(|n| (n.spec.pod_cidrs.clone(), n.status.addresses.clone()))
            };
            if ranges(&change.old) != ranges(&change.new) {
                wake.notify_one();
            }
        });
        loop {
            if let Err(error) = self.step().await {
                tracing::warn!(%error, "the node's network is not as it should be; trying again");
                corten_rt::sleep(Duration::from_secs(1)).await;
                continue;
            }
            woken.notified().await;
        }
    }

    async fn step(&mut self) -> Result<()> {
        let own = self.nodes.get(&Key::new("", &self.name));
        if let Some(range) = own.map(|n| n.spec.pod_cidr.clone()).filter(|r| !r.is_empty()) {
            if !self.holder.is_open() {
                self.open(&range).await?;
            }
            if !self.named {
                self.serve_names(&range).await?;
            }
        }
        let peers: Vec<PeerNode> =
            self.nodes.list().iter().filter(|n| n.metadata.name != self.name).map(|n| peer(n)).collect();
        tokio::task::spawn_blocking(move || node_routes::sync(&KernelInterfaces, &peers)).await??;
        Ok(())
    }

    async fn open(&self, range: &str) -> Result<()> {
        let own: Cidr = range.parse().context("the node's pod range")?;
        let config = PodNetworkConfig::new(own, self.cluster, self.services, &self.data_dir);
        let found = self.holder.found.lock().take();
        let opened = tokio::task::spawn_blocking(move || {
            let network = PodNetwork::open(config, Arc::new(KernelInterfaces), &KernelNft::default())?;
            if let Some(found) = found {
                network.collect_garbage(&found)?;
            }
            Ok::<_, corten_network::Error>(network)
        });
        *self.holder.network.lock() = Some(Arc::new(opened.await??));
        self.holder.opened.notify_all();
        Ok(())
    }

    /// Answers names at the address that the cluster's DNS Service leads to on this node.
    async fn serve_names(&mut self, range: &str) -> Result<()> {
        if let Some(gateway) = corten_controllers::gateway(range).filter(|_| !self.dns.is_empty()) {
            let config = corten_dns::Config {
                address: self.dns.parse().ok(),
                ..corten_dns::Config::new(gateway.parse()?)
            };
            corten_dns::serve(config, &self.informers, &self.tasks).await.context("serve names")?;
        }
        self.named = true;
        Ok(())
    }
}

fn peer(node: &Node) -> PeerNode {
    let addresses = node.status.addresses.iter().filter(|a| a.type_ == "InternalIP");
    PeerNode {
        addresses: addresses.filter_map(|a| a.address.parse().ok()).collect(),
        pod_ranges: node.spec.pod_cidrs.iter().filter_map(|r| r.parse().ok()).collect(),
    }
}
