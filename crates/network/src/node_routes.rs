//! Routes to the pods of other nodes, for nodes that reach each other directly.

use std::net::IpAddr;

use corten_sys::Cidr;
use corten_sys::interfaces::{Change, Interfaces, Route};

use crate::{ROUTE_PROTOCOL, Result};

/// Another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerNode {
    /// Its addresses; the first of a range's version is the way to that range.
    pub addresses: Vec<IpAddr>,
    /// Its pod ranges.
    pub pod_ranges: Vec<Cidr>,
}

/// What turns the `current` routes into those that the nodes want. Only our own routes through a gateway are
/// looked at.
pub fn plan(current: &[Route], peers: &[PeerNode]) -> Vec<Change> {
    let wanted: Vec<Route> = peers.iter().flat_map(routes_to).collect();
    let ours = current.iter().filter(|r| r.protocol == ROUTE_PROTOCOL && r.gateway.is_some());
    let is_wanted = |route: &Route| wanted.iter().any(|w| w.destination == route.destination);
    let has = |wanted: &Route| {
        current.iter().any(|r| {
            (r.destination, r.gateway, r.protocol) == (wanted.destination, wanted.gateway, ROUTE_PROTOCOL)
        })
    };
    let gone = ours.filter(|r| !is_wanted(r)).cloned().map(Change::DeleteRoute);
    let new = wanted.iter().filter(|w| !has(w)).cloned().map(Change::AddRoute);
    gone.chain(new).collect()
}

fn routes_to(peer: &PeerNode) -> Vec<Route> {
    let route = |range: &Cidr| {
        let gateway = peer.addresses.iter().find(|a| a.is_ipv6() == range.is_v6())?;
        Some(Route {
            destination: range.network(),
            gateway: Some(*gateway),
            link: None,
            source: None,
            protocol: ROUTE_PROTOCOL,
        })
    };
    peer.pod_ranges.iter().filter_map(route).collect()
}

/// Brings the kernel's routes in step with the other nodes. A node that cannot be reached directly does not
/// keep the others from their routes; its error is given in the end. Returns how many routes changed.
pub fn sync(interfaces: &dyn Interfaces, peers: &[PeerNode]) -> Result<usize> {
    let changes = plan(&interfaces.routes(None)?, peers);
    let results: Vec<_> = changes.iter().map(|c| interfaces.apply(None, std::slice::from_ref(c))).collect();
    results.into_iter().collect::<Result<(), _>>()?;
    Ok(changes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_sys::interfaces::FakeInterfaces;

    fn peer(address: &str, range: &str) -> PeerNode {
        let addresses = vec![address.parse().expect("address")];
        PeerNode { addresses, pod_ranges: vec![range.parse().expect("range")] }
    }

    fn shown(changes: &[Change]) -> Vec<String> {
        let show = |change: &Change| match change {
            Change::AddRoute(r) => format!("+{} {}", r.destination, r.gateway.expect("gateway")),
            Change::DeleteRoute(r) => format!("-{}", r.destination),
            other => format!("{other:?}"),
        };
        changes.iter().map(show).collect()
    }

    #[test]
    fn only_what_differs_changes() {
        let (b, c) = (peer("192.168.0.2", "10.244.1.0/24"), peer("192.168.0.3", "10.244.2.0/24"));
        let mixed = peer("192.168.0.4", "fd00::/64");
        let route = |p: &PeerNode| routes_to(p).remove(0);
        let foreign = Route { protocol: 4, destination: "10.0.0.0/8".parse().expect("range"), ..route(&b) };
        let services = Route { gateway: None, ..route(&c) };
        let moved = Route { gateway: Some([192, 168, 0, 9].into()), ..route(&b) };
        for (current, peers, expected) in [
            (
                vec![],
                vec![b.clone(), c.clone()],
                vec!["+10.244.1.0/24 192.168.0.2", "+10.244.2.0/24 192.168.0.3"],
            ),
            (vec![route(&b), route(&c)], vec![b.clone(), c.clone()], vec![]),
            (vec![route(&b), route(&c)], vec![c.clone()], vec!["-10.244.1.0/24"]),
            (vec![moved], vec![b.clone()], vec!["+10.244.1.0/24 192.168.0.2"]),
            (vec![foreign, services], vec![], vec![]),
            (vec![], vec![mixed], vec![]),
        ] {
            assert_eq!(shown(&plan(&current, &peers)), expected);
        }
    }

    #[test]
    fn in_step_means_nothing_to_do() {
        let interfaces = FakeInterfaces::default();
        let peers = [peer("192.168.0.2", "10.244.1.0/24")];
        assert_eq!(sync(&interfaces, &peers).expect("sync"), 1);
        assert_eq!(sync(&interfaces, &peers).expect("sync"), 0);
        assert_eq!(sync(&interfaces, &[]).expect("sync"), 1);
    }
}
