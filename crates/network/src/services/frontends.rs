//! From Services to the addresses that answer for them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use corten_sys::nft::Family;

use super::model::{Endpoint, HostPort, Protocol, ServicePort, TrafficPolicy};

/// Which destination addresses a frontend is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// This one.
    Address(IpAddr),
    /// Every address of this node.
    Node(Family),
    /// Every address of this node, asked from inside the cluster; comes before [`Target::Node`].
    NodeFromInside(Family),
}

impl Target {
    /// The version of its addresses.
    pub fn family(self) -> Family {
        match self {
            Target::Address(address) => family(address),
            Target::Node(family) | Target::NodeFromInside(family) => family,
        }
    }
}

/// An address and port that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Frontend {
    /// For which destination.
    pub target: Target,
    /// The protocol.
    pub protocol: Protocol,
    /// The port.
    pub port: u16,
}

/// What happens to a connection to a frontend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It goes to one of these.
    Spread {
        /// At least one, each once.
        backends: Vec<SocketAddr>,
        /// Whether it goes under this node's address.
        masquerade: bool,
        /// For how long a client keeps its backend.
        sticky: Option<Duration>,
    },
    /// The client is told that nobody listens.
    Reject,
    /// It is dropped: there are endpoints, but none that may answer here.
    Drop,
}

/// What one owner (a Service, or a pod with host ports) wants from the node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Its frontends, each once.
    pub frontends: Vec<(Frontend, Action)>,
    /// Endpoints on this node: what they send to themselves goes under the node's address.
    pub local_endpoints: Vec<IpAddr>,
}

fn family(address: IpAddr) -> Family {
    if address.is_ipv6() { Family::V6 } else { Family::V4 }
}

impl Claim {
    /// All ports of one Service.
    pub fn of_service(ports: &[ServicePort]) -> Self {
        let mut claim = Claim::default();
        for port in ports {
            port_frontends(port, &mut claim);
            claim.local_endpoints.extend(port.endpoints.iter().filter(|e| e.local).map(|e| e.address.ip()));
        }
        claim.tidy()
    }

    /// The host ports of one pod.
    pub fn of_host_ports(ports: &[HostPort]) -> Self {
        let mut claim = Claim::default();
        for port in ports {
            let target = match port.host_ip.filter(|ip| !ip.is_unspecified()) {
                Some(address) => Target::Address(address),
                None => Target::Node(family(port.pod.ip())),
            };
            let action = Action::Spread { backends: vec![port.pod], masquerade: false, sticky: None };
            claim.frontends.push((Frontend { target, protocol: port.protocol, port: port.port }, action));
            claim.local_endpoints.push(port.pod.ip());
        }
        claim.tidy()
    }

    fn tidy(mut self) -> Self {
        // The first of two equal ports wins, as the sort keeps their order.
        self.frontends.sort_by_key(|(frontend, _)| *frontend);
        self.frontends.dedup_by_key(|(frontend, _)| *frontend);
        self.local_endpoints.sort();
        self.local_endpoints.dedup();
        self
    }
}

fn port_frontends(service: &ServicePort, claim: &mut Claim) {
    let (internal, external) = (service.internal_policy, service.external_policy);
    let outside_masquerade = external == TrafficPolicy::Cluster;
    let mut add = |target: Target, port: u16, policy, masquerade| {
        let frontend = Frontend { target, protocol: service.protocol, port };
        claim.frontends.push((frontend, action(service, target.family(), policy, masquerade)));
    };
    for address in &service.cluster_ips {
        add(Target::Address(*address), service.port, internal, false);
    }
    for address in &service.external_ips {
        add(Target::Address(*address), service.port, external, outside_masquerade);
    }
    if let Some(node_port) = service.node_port {
        for family in service.cluster_ips.iter().map(|a| family(*a)) {
            add(Target::Node(family), node_port, external, outside_masquerade);
            if external == TrafficPolicy::Local {
                add(Target::NodeFromInside(family), node_port, TrafficPolicy::Cluster, true);
            }
        }
    }
}

fn action(service: &ServicePort, version: Family, policy: TrafficPolicy, masquerade: bool) -> Action {
    let all = || service.endpoints.iter().filter(|e| family(e.address.ip()) == version);
    let allowed = |e: &&Endpoint| policy == TrafficPolicy::Cluster || e.local;
    let any_ready = all().filter(allowed).any(|e| e.ready);
    let chosen = all().filter(allowed).filter(|e| e.ready || !any_ready);
    let mut backends: Vec<SocketAddr> = chosen.map(|e| e.address).collect();
    backends.sort();
    backends.dedup();
    match (backends.is_empty(), all().next().is_none()) {
        (false, _) => Action::Spread { backends, masquerade, sticky: service.affinity },
        (true, false) => Action::Drop,
        (true, true) => Action::Reject,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> ServicePort {
        ServicePort {
            cluster_ips: vec![[10, 96, 0, 9].into()],
            external_ips: vec![],
            protocol: Protocol::Tcp,
            port: 80,
            node_port: Some(30080),
            endpoints: vec![endpoint("10.244.1.2:8080", false), endpoint("10.244.0.2:8080", true)],
            internal_policy: TrafficPolicy::Cluster,
            external_policy: TrafficPolicy::Cluster,
            affinity: None,
        }
    }

    fn endpoint(address: &str, local: bool) -> Endpoint {
        Endpoint { address: address.parse().expect("address"), local, ready: true }
    }

    fn shown(claim: &Claim) -> Vec<String> {
        let show = |(frontend, action): &(Frontend, Action)| {
            let target = match frontend.target {
                Target::Address(address) => address.to_string(),
                Target::Node(_) => "node".to_owned(),
                Target::NodeFromInside(_) => "inside".to_owned(),
            };
            let action = match action {
                Action::Spread { backends, masquerade, .. } => {
                    let list: Vec<_> = backends.iter().map(|b| b.ip().to_string()).collect();
                    format!("{}{}", list.join(","), if *masquerade { " masquerade" } else { "" })
                }
                other => format!("{other:?}"),
            };
            format!("{target}:{} {action}", frontend.port)
        };
        claim.frontends.iter().map(show).collect()
    }

    #[test]
    fn policies_choose_endpoints() {
        let all = "10.244.0.2,10.244.1.2";
        let local = TrafficPolicy::Local;
        let plain = service();
        let inside = ServicePort { internal_policy: local, ..service() };
        let outside = ServicePort { external_policy: local, ..service() };
        let far = ServicePort { endpoints: vec![endpoint("10.244.1.2:8080", false)], ..outside.clone() };
        let none = ServicePort { endpoints: vec![], ..service() };
        let mut ending = service();
        ending.endpoints[1].ready = false;
        let ending_far = ServicePort { external_policy: local, ..ending.clone() };
        let outer = ServicePort { external_ips: vec![[1, 2, 3, 4].into()], node_port: None, ..service() };
        for (service, expected) in [
            (plain, vec![format!("10.96.0.9:80 {all}"), format!("node:30080 {all} masquerade")]),
            (inside, vec!["10.96.0.9:80 10.244.0.2".into(), format!("node:30080 {all} masquerade")]),
            (
                outside,
                vec![
                    format!("10.96.0.9:80 {all}"),
                    "node:30080 10.244.0.2".into(),
                    format!("inside:30080 {all} masquerade"),
                ],
            ),
            (
                far,
                vec![
                    "10.96.0.9:80 10.244.1.2".into(),
                    "node:30080 Drop".into(),
                    "inside:30080 10.244.1.2 masquerade".into(),
                ],
            ),
            (none, vec!["10.96.0.9:80 Reject".into(), "node:30080 Reject".into()]),
            (ending, vec!["10.96.0.9:80 10.244.1.2".into(), "node:30080 10.244.1.2 masquerade".into()]),
            (
                ending_far,
                vec![
                    "10.96.0.9:80 10.244.1.2".into(),
                    "node:30080 10.244.0.2".into(),
                    "inside:30080 10.244.1.2 masquerade".into(),
                ],
            ),
            (outer, vec![format!("1.2.3.4:80 {all} masquerade"), format!("10.96.0.9:80 {all}")]),
        ] {
            assert_eq!(shown(&Claim::of_service(&[service])), expected);
        }
    }

    #[test]
    fn versions_stay_apart() {
        let mut both = service();
        both.cluster_ips.push("fd00::9".parse().expect("address"));
        both.node_port = None;
        both.endpoints.push(endpoint("[fd00:1::2]:8080", true));
        let claim = Claim::of_service(&[both]);
        assert_eq!(shown(&claim), ["10.96.0.9:80 10.244.0.2,10.244.1.2", "fd00::9:80 fd00:1::2"]);
        assert_eq!(claim.local_endpoints.len(), 2);
    }

    #[test]
    fn host_ports_are_for_one_address_or_all() {
        let pod = "10.244.0.2:80".parse().expect("address");
        let port = |host_ip| HostPort { host_ip, protocol: Protocol::Tcp, port: 8080, pod };
        for (host_ip, expected) in [
            (None, "node:8080 10.244.0.2"),
            (Some([0, 0, 0, 0].into()), "node:8080 10.244.0.2"),
            (Some([127, 0, 0, 1].into()), "127.0.0.1:8080 10.244.0.2"),
        ] {
            assert_eq!(shown(&Claim::of_host_ports(&[port(host_ip)])), [expected]);
        }
    }
}
