//! Services as the node needs them, without their API objects.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// The number in a packet.
    pub fn number(self) -> u8 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Sctp => 132,
        }
    }
}

/// Which endpoints may be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrafficPolicy {
    /// Those of the whole cluster.
    #[default]
    Cluster,
    /// Those on this node.
    Local,
}

/// One that answers for a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Its address and port.
    pub address: SocketAddr,
    /// Whether it runs on this node.
    pub local: bool,
    /// Whether it wants connections; otherwise it is ending, and gets them only where no other may answer.
    pub ready: bool,
}

/// One port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Its addresses inside the cluster, one of each version at most.
    pub cluster_ips: Vec<IpAddr>,
    /// Further addresses: `externalIPs` and those of its load balancer.
    pub external_ips: Vec<IpAddr>,
    /// The protocol.
    pub protocol: Protocol,
    /// The port of all these addresses.
    pub port: u16,
    /// The port of every address of every node.
    pub node_port: Option<u16>,
    /// Who may answer now, of either version.
    pub endpoints: Vec<Endpoint>,
    /// Who answers to the addresses inside the cluster.
    pub internal_policy: TrafficPolicy,
    /// Who answers to the further addresses and the nodes' port.
    pub external_policy: TrafficPolicy,
    /// For how long a client is led to the endpoint it had.
    pub affinity: Option<Duration>,
}

/// A port of this node that leads to a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// The one address of the node that has it; every one when `None`.
    pub host_ip: Option<IpAddr>,
    /// The protocol.
    pub protocol: Protocol,
    /// The node's port.
    pub port: u16,
    /// Where it leads.
    pub pod: SocketAddr,
}
