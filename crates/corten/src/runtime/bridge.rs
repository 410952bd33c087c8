//! A network of one's own for `corten cri`: a bridge, and rules for the ports of the machine that lead to pods.

use anyhow::{Context, Result};
use corten_network::{Claim, HostPort, PodNetwork, PodNetworkConfig, Protocol, Services, ServicesConfig};
use corten_node_api::cri::{PortMapping, Protocol as CriProtocol};
use corten_runtime::network::{Attachment, SandboxNetwork};
use corten_sys::Cidr;
use corten_sys::conntrack::KernelConntrack;
use corten_sys::interfaces::KernelInterfaces;
use corten_sys::nft::{Family, KernelNft};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

/// A bridge and its rules.
pub struct Bridge {
    network: PodNetwork,
    ports: Services,
}

impl Bridge {
    /// Makes the bridge. Blocks.
    pub fn open(name: &str, range: &str, data_dir: &Path) -> Result<Bridge> {
        let range: Cidr = range.parse().context("the range of pods")?;
        let config = PodNetworkConfig {
            bridge: name.to_owned(),
            pod_ranges: vec![range],
            cluster_ranges: vec![range],
            service_ranges: Vec::new(),
            mtu: None,
            data_dir: data_dir.to_owned(),
        };
        let network = PodNetwork::open(config, Arc::new(KernelInterfaces), &KernelNft::default())?;
        let family = if range.is_v6() { Family::V6 } else { Family::V4 };
        let config = ServicesConfig {
            families: vec![family],
            cluster_ranges: vec![range],
            service_ranges: Vec::new(),
        };
        let ports =
            Services::new(config, Arc::new(KernelNft::default()), Arc::new(KernelConntrack::default()));
        ports.start()?;
        Ok(Bridge { network, ports })
    }
}

impl SandboxNetwork for Bridge {
    fn setup(&self, attachment: &Attachment) -> Result<Vec<IpAddr>, String> {
        let addresses =
            self.network.setup(&attachment.sandbox, &attachment.netns).map_err(|e| e.to_string())?;
        let ports = host_ports(&attachment.ports, &addresses);
        if !ports.is_empty() {
            let claim = (attachment.sandbox.clone(), Claim::of_host_ports(&ports));
            self.ports.update([claim]).map_err(|e| e.to_string())?;
        }
        Ok(addresses)
    }

    fn teardown(&self, attachment: &Attachment) -> Result<(), String> {
        if !attachment.ports.is_empty() {
            let claim = (attachment.sandbox.clone(), Claim::default());
            self.ports.update([claim]).map_err(|e| e.to_string())?;
        }
        self.network.teardown(&attachment.sandbox).map_err(|e| e.to_string())
    }

    fn may_be_late(&self, attachment: &Attachment) -> bool {
        // The machine's ports are wanted by others at once.
        attachment.ports.is_empty()
    }

    fn keep_only(&self, sandboxes: &BTreeSet<String>) -> Result<(), String> {
        self.network.collect_garbage(sandboxes).map(drop).map_err(|e| e.to_string())
    }

    fn restore(&self, attachment: &Attachment, addresses: &[IpAddr]) -> Result<(), String> {
        let ports = host_ports(&attachment.ports, addresses);
        if ports.is_empty() {
            return Ok(());
        }
        let claim = (attachment.sandbox.clone(), Claim::of_host_ports(&ports));
        self.ports.update([claim]).map(drop).map_err(|e| e.to_string())
    }
}

/// The ports of the machine that a sandbox asks for.
fn host_ports(mappings: &[PortMapping], addresses: &[IpAddr]) -> Vec<HostPort> {
    let port = |number: i32| u16::try_from(number).ok().filter(|p| *p > 0);
    let mut out = Vec::new();
    for mapping in mappings {
        let (Some(own), Some(target)) = (port(mapping.host_port), port(mapping.container_port)) else {
            continue;
        };
        let protocol = match mapping.protocol() {
            CriProtocol::Tcp => Protocol::Tcp,
            CriProtocol::Udp => Protocol::Udp,
            CriProtocol::Sctp => Protocol::Sctp,
        };
        let host_ip = mapping.host_ip.parse().ok();
        out.extend(addresses.iter().map(|address| HostPort {
            host_ip,
            protocol,
            port: own,
            pod: SocketAddr::new(*address, target),
        }));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_real_ports_are_mapped() {
        let mapping = |host_port, container_port| PortMapping {
            host_port,
            container_port,
            protocol: CriProtocol::Udp as i32,
            host_ip: "127.0.0.1".into(),
        };
        let mappings = [mapping(8080, 80), mapping(0, 80), mapping(70_000, 80)];
        let ports = host_ports(&mappings, &["10.0.0.2".parse().expect("valid")]);
        assert_eq!(ports.len(), 1);
        assert_eq!((ports[0].port, ports[0].pod.to_string().as_str()), (8080, "10.0.0.2:80"));
        assert_eq!((ports[0].protocol, ports[0].host_ip), (Protocol::Udp, "127.0.0.1".parse().ok()));
    }
}
