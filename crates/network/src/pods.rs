//! Pod interfaces: each pod has a cable from its namespace to the node's bridge, an address of the node's
//! range, and the bridge's address as its gateway.
//!
//! A pod's address stands alone (prefix 32 or 128), so that even neighbours on the bridge talk through the
//! node's routing. Answers of a Service's endpoint on the same node thus pass the node's packet rules, on
//! any setting of `bridge-nf-call-iptables`.

mod egress;
mod plan;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use corten_sys::Cidr;
use corten_sys::interfaces::{Change, Interfaces};
use corten_sys::netns::NetNs;
use corten_sys::nft::Nft;

use crate::{Addresses, BRIDGE, Result};
pub use egress::TABLE;
pub use plan::interface_name;

/// The pod's end of its cable.
pub const POD_INTERFACE: &str = "eth0";

/// What a node's pod network looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodNetworkConfig {
    /// The bridge's name.
    pub bridge: String,
    /// This node's pod ranges, at most one of each version.
    pub pod_ranges: Vec<Cidr>,
    /// All pods of the cluster: to them packets go unchanged, elsewhere under the node's address.
    pub cluster_ranges: Vec<Cidr>,
    /// Addresses of Services, routed to the bridge so that the node itself can reach them.
    pub service_ranges: Vec<Cidr>,
    /// Largest packet in bytes; the kernel's 1500 when `None`.
    pub mtu: Option<u32>,
    /// Where the record of addresses is kept.
    pub data_dir: PathBuf,
}

impl PodNetworkConfig {
    /// The usual bridge and packet size.
    pub fn new(pod_range: Cidr, cluster_range: Cidr, service_range: Cidr, data_dir: &Path) -> Self {
        PodNetworkConfig {
            bridge: BRIDGE.to_owned(),
            pod_ranges: vec![pod_range],
            cluster_ranges: vec![cluster_range],
            service_ranges: vec![service_range],
            mtu: None,
            data_dir: data_dir.to_owned(),
        }
    }
}

/// The pods' interfaces of one node.
pub struct PodNetwork {
    config: PodNetworkConfig,
    interfaces: Arc<dyn Interfaces>,
    addresses: Vec<Addresses>,
}

impl PodNetwork {
    /// Prepares the node: forwarding, the bridge with the gateways' addresses, the route for Services, and
    /// the rules for packets that leave the cluster. What is there already stays.
    pub fn open(config: PodNetworkConfig, interfaces: Arc<dyn Interfaces>, nft: &dyn Nft) -> Result<Self> {
        let dir = config.data_dir.join("addresses");
        let open = |range: &Cidr| Addresses::open(&dir, *range);
        let addresses = config.pod_ranges.iter().map(open).collect::<Result<Vec<_>>>()?;
        interfaces.apply(None, &plan::node(&config))?;
        nft.commit(egress::rules(&config))?;
        Ok(PodNetwork { config, interfaces, addresses })
    }

    /// Gives the pod in the namespace at `netns` its interface and returns its addresses, those of the
    /// first range first. A pod that has its interface keeps it untouched.
    pub fn setup(&self, pod: &str, netns: &Path) -> Result<Vec<IpAddr>> {
        let ns = NetNs::open(netns)?;
        let had = self.addresses(pod);
        let own = self.addresses.iter().map(|a| a.allocate(pod)).collect::<Result<Vec<_>>>();
        let result = own.and_then(|own| {
            if had != own || !self.is_wired(pod, &ns, &own)? {
                self.wire(pod, &ns, &own)?;
            }
            Ok(own)
        });
        if result.is_err() && had.is_empty() {
            self.teardown(pod)?;
        }
        result
    }

    /// Removes the pod's interface and gives its addresses back; a pod without is fine.
    pub fn teardown(&self, pod: &str) -> Result<()> {
        self.interfaces.apply(None, &[Change::DeleteLink(interface_name(pod))])?;
        self.addresses.iter().try_for_each(|a| a.release(pod))
    }

    /// The pod's addresses, if it has any.
    pub fn addresses(&self, pod: &str) -> Vec<IpAddr> {
        self.addresses.iter().filter_map(|a| a.of(pod)).collect()
    }

    /// Removes what is left of pods other than these. Returns how many interfaces and addresses went.
    pub fn collect_garbage(&self, live: &BTreeSet<String>) -> Result<usize> {
        let holders: BTreeSet<String> = self.addresses.iter().flat_map(Addresses::pods).collect();
        let dead: Vec<&String> = holders.difference(live).collect();
        for pod in &dead {
            self.teardown(pod)?;
        }
        let links = self.interfaces.links(None)?;
        let leftovers = plan::leftover_links(&links, &self.config.bridge, live);
        self.interfaces.apply(None, &leftovers)?;
        Ok(dead.len() + leftovers.len())
    }

    /// Whether the pod's cable lies and the addresses are on it.
    fn is_wired(&self, pod: &str, ns: &NetNs, own: &[IpAddr]) -> Result<bool> {
        let name = interface_name(pod);
        if !self.interfaces.links(None)?.iter().any(|l| l.name == name) {
            return Ok(false);
        }
        let inside = self.interfaces.addresses(Some(ns))?;
        Ok(own.iter().all(|a| inside.iter().any(|(_, cidr)| cidr.address == *a)))
    }

    fn wire(&self, pod: &str, ns: &NetNs, own: &[IpAddr]) -> Result<()> {
        let gateways: Vec<IpAddr> = self.addresses.iter().map(Addresses::gateway).collect();
        self.interfaces.apply(None, &plan::pod_outside(&self.config, pod, ns, own))?;
        self.interfaces.apply(Some(ns), &plan::pod_inside(own, &gateways))?;
        Ok(())
    }
}
