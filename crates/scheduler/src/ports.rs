//! Ports of the node that pods take for themselves.

use corten_api::core::v1::Pod;
use corten_semantics::pod::is_sidecar;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One port of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    pub protocol: Protocol,
    pub port: u16,
    /// `None` for all of the node's addresses.
    pub address: Option<IpAddr>,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

impl HostPort {
    /// Whether both cannot be had at once.
    pub fn conflicts(&self, other: &HostPort) -> bool {
        self.port == other.port
            && self.protocol == other.protocol
            && (self.address.is_none() || other.address.is_none() || self.address == other.address)
    }

    /// The ports that `pod` takes: those of containers that run all the time.
    pub fn of(pod: &Pod) -> Vec<HostPort> {
        let sidecars = pod.spec.init_containers.iter().filter(|c| is_sidecar(c));
        let ports = sidecars.chain(&pod.spec.containers).flat_map(|c| &c.ports);
        ports
            .filter(|p| p.host_port > 0)
            .filter_map(|p| {
                let protocol = match p.protocol.as_str() {
                    "UDP" => Protocol::Udp,
                    "SCTP" => Protocol::Sctp,
                    _ => Protocol::Tcp,
                };
                let any = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
                let address = p.host_ip.parse().ok().filter(|a| !any.contains(a));
                Some(HostPort { protocol, port: u16::try_from(p.host_port).ok()?, address })
            })
            .collect()
    }
}
