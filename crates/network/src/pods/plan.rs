//! What is to be done to the kernel for a node and for a pod.

use std::collections::BTreeSet;
use std::net::IpAddr;

use corten_sys::interfaces::{Change, Link, Mac, Route, Veth};
use corten_sys::netns::NetNs;
use corten_sys::{Cidr, address_bytes};

use super::{POD_INTERFACE, PodNetworkConfig};
use crate::ROUTE_PROTOCOL;

/// The name of the node's end of a pod's cable: the same for a pod at all times, and short enough for the
/// kernel (15 characters).
pub fn interface_name(pod: &str) -> String {
    // FNV-1a, of which 44 bits fit: two pods of a node meet once in 10^9 nodes of 110 pods.
    let hash = pod.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("veth{:011x}", hash >> 20)
}

/// A hardware address that follows from the first of the addresses: who gets the address later has the same
/// one, so no neighbour remembers a wrong one.
fn mac(addresses: &[IpAddr]) -> Option<Mac> {
    let bytes = address_bytes(*addresses.first()?);
    let [a, b, c, d] = *bytes.last_chunk()?;
    Some([0x0a, 0x58, a, b, c, d])
}

fn sysctl(key: impl Into<String>, value: &str) -> Change {
    Change::SetSysctl(key.into(), value.to_owned())
}

/// The node: forwarding, bridge, gateways, the way to Services.
pub(super) fn node(config: &PodNetworkConfig) -> Vec<Change> {
    let bridge = &config.bridge;
    let gateways: Vec<IpAddr> = config.pod_ranges.iter().map(|r| r.at(1)).collect();
    let mut out = vec![Change::AddBridge { name: bridge.clone(), mac: mac(&gateways), mtu: config.mtu }];
    for (range, gateway) in config.pod_ranges.iter().zip(&gateways) {
        if range.is_v6() {
            out.push(sysctl("ipv6.conf.all.forwarding", "1"));
            out.push(sysctl(format!("ipv6.conf.{}.accept_dad", bridge.replace('.', "/")), "0"));
        } else {
            out.push(sysctl("ipv4.ip_forward", "1"));
            // A node port must answer on 127.0.0.1 too; the rules keep strangers from that address.
            out.push(sysctl("ipv4.conf.all.route_localnet", "1"));
            // A redirect would use up what the kernel allows for telling a pod that nobody listens. Both
            // settings count; other interfaces keep theirs.
            out.push(sysctl("ipv4.conf.all.send_redirects", "0"));
            out.push(sysctl(format!("ipv4.conf.{}.send_redirects", bridge.replace('.', "/")), "0"));
        }
        out.push(Change::AddAddress(bridge.clone(), Cidr::new(*gateway, range.prefix)));
    }
    out.push(Change::SetUp(bridge.clone()));
    for range in &config.service_ranges {
        let source = gateways.iter().find(|g| g.is_ipv6() == range.is_v6());
        out.extend(source.map(|source| {
            Change::AddRoute(Route {
                destination: range.network(),
                gateway: None,
                link: Some(bridge.clone()),
                source: Some(*source),
                protocol: ROUTE_PROTOCOL,
            })
        }));
    }
    out
}

/// The node's side of a pod's cable. A stale one of the same name goes first.
pub(super) fn pod_outside(config: &PodNetworkConfig, pod: &str, ns: &NetNs, own: &[IpAddr]) -> Vec<Change> {
    let name = interface_name(pod);
    let veth = Veth {
        name: name.clone(),
        master: Some(config.bridge.clone()),
        peer: POD_INTERFACE.to_owned(),
        peer_ns: Some(ns.clone()),
        peer_mac: mac(own),
        mtu: config.mtu,
    };
    vec![
        Change::DeleteLink(name.clone()),
        Change::AddVeth(veth),
        Change::SetHairpin(name.clone()),
        Change::SetUp(name),
    ]
}

/// The pod's side.
pub(super) fn pod_inside(own: &[IpAddr], gateways: &[IpAddr]) -> Vec<Change> {
    let eth0 = || POD_INTERFACE.to_owned();
    let route = |destination, gateway| {
        Change::AddRoute(Route {
            destination,
            gateway,
            link: Some(eth0()),
            source: None,
            protocol: ROUTE_PROTOCOL,
        })
    };
    let mut out = Vec::new();
    // The node is always the right way to a neighbour, whatever a redirect says.
    for interface in ["all", POD_INTERFACE] {
        out.push(sysctl(format!("ipv4.conf.{interface}.accept_redirects"), "0"));
    }
    if own.iter().any(IpAddr::is_ipv6) {
        out.push(sysctl(format!("ipv6.conf.{POD_INTERFACE}.accept_redirects"), "0"));
        // Addresses are handed out once: a check for twins would only delay the first packet by a second.
        out.push(sysctl(format!("ipv6.conf.{POD_INTERFACE}.accept_dad"), "0"));
    }
    out.push(Change::SetUp("lo".to_owned()));
    out.extend(own.iter().map(|a| Change::AddAddress(eth0(), Cidr::host(*a))));
    out.push(Change::SetUp(eth0()));
    for gateway in gateways {
        out.push(route(Cidr::host(*gateway), None));
        out.push(route(Cidr::everything(gateway.is_ipv6()), Some(*gateway)));
    }
    out
}

/// Removes the bridge's cables that belong to no living pod.
pub(super) fn leftover_links(links: &[Link], bridge: &str, live: &BTreeSet<String>) -> Vec<Change> {
    let names: BTreeSet<String> = live.iter().map(|pod| interface_name(pod)).collect();
    let Some(bridge) = links.iter().find(|l| l.name == bridge).map(|l| l.index) else { return Vec::new() };
    let ours = links.iter().filter(|l| l.master == Some(bridge) && l.kind.as_deref() == Some("veth"));
    ours.filter(|l| !names.contains(&l.name)).map(|l| Change::DeleteLink(l.name.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_names_are_stable_short_and_distinct() {
        assert_eq!(interface_name("pod-a"), interface_name("pod-a"));
        let names: BTreeSet<String> = (0..1000).map(|n| interface_name(&format!("pod-{n}"))).collect();
        assert_eq!(names.len(), 1000);
        assert!(names.iter().all(|n| n.len() == 15 && n.starts_with("veth")));
    }

    #[test]
    fn leftovers_are_our_cables_without_a_pod() {
        let link = |index, name: &str, master, kind: &str| Link {
            index,
            name: name.to_owned(),
            up: true,
            master,
            mtu: 1500,
            kind: Some(kind.to_owned()),
        };
        let (live, dead) = (interface_name("live"), interface_name("dead"));
        let links = [
            link(1, "corten0", None, "bridge"),
            link(2, &live, Some(1), "veth"),
            link(3, &dead, Some(1), "veth"),
            link(4, "vethother", Some(9), "veth"),
            link(5, "tap0", Some(1), "tun"),
        ];
        let living = BTreeSet::from(["live".to_owned()]);
        assert_eq!(leftover_links(&links, "corten0", &living), [Change::DeleteLink(dead)]);
        assert!(leftover_links(&links, "missing", &living).is_empty());
    }

    #[test]
    fn a_node_of_both_versions() {
        let cidr = |t: &str| t.parse::<Cidr>().expect("valid");
        let config = PodNetworkConfig {
            bridge: "corten0".into(),
            pod_ranges: vec![cidr("10.244.1.0/24"), cidr("fd00:1::/64")],
            cluster_ranges: vec![],
            service_ranges: vec![cidr("10.96.0.0/12"), cidr("fd00:2::/112")],
            mtu: Some(1400),
            data_dir: "/unused".into(),
        };
        let changes = node(&config);
        let mac = Some([0x0a, 0x58, 10, 244, 1, 1]);
        assert_eq!(changes[0], Change::AddBridge { name: "corten0".into(), mac, mtu: Some(1400) });
        assert!(changes.contains(&Change::AddAddress("corten0".into(), cidr("10.244.1.1/24"))));
        assert!(changes.contains(&Change::AddAddress("corten0".into(), cidr("fd00:1::1/64"))));
        let routes: Vec<String> = changes
            .iter()
            .filter_map(|c| match c {
                Change::AddRoute(r) => Some(format!("{} {:?}", r.destination, r.source)),
                _ => None,
            })
            .collect();
        assert_eq!(routes, ["10.96.0.0/12 Some(10.244.1.1)", "fd00:2::/112 Some(fd00:1::1)"]);
    }
}
