//! Changes as rtnetlink messages, and its answers as data.

use std::net::IpAddr;

use libc::{AF_BRIDGE, AF_INET, AF_INET6, AF_UNSPEC, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE};

use super::{Cidr, Link, Mac, Route, Veth};
use crate::cidr::{address_bytes, address_from_bytes};
use crate::netlink::{Attributes, Message, find};

const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFLA_BRPORT_MODE: u16 = 4;
/// No check for a twin before a version 6 address may be used: we hand each out once.
const IFA_F_NODAD: u8 = 2;
const IFINFO: usize = 16;
const IFADDR: usize = 8;
const RTMSG: usize = 12;

/// The structure that messages about interfaces begin with.
fn ifinfo(family: i32, index: u32, flags: u32) -> [u8; IFINFO] {
    let mut out = [0; IFINFO];
    out[0] = family as u8;
    out[4..8].copy_from_slice(&index.to_ne_bytes());
    out[8..12].copy_from_slice(&flags.to_ne_bytes());
    out[12..16].copy_from_slice(&flags.to_ne_bytes());
    out
}

fn family(address: IpAddr) -> u8 {
    (if address.is_ipv6() { AF_INET6 } else { AF_INET }) as u8
}

pub(super) fn add_bridge(name: &str, mac: Option<Mac>, mtu: Option<u32>) -> Message {
    let mut m = Message::new(libc::RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifinfo(AF_UNSPEC, 0, 0));
    m.text(libc::IFLA_IFNAME, name);
    details(&mut m, mac, mtu);
    m.nest(libc::IFLA_LINKINFO, |m| {
        m.text(IFLA_INFO_KIND, "bridge");
    });
    m
}

fn details(m: &mut Message, mac: Option<Mac>, mtu: Option<u32>) {
    if let Some(mac) = mac {
        m.bytes(libc::IFLA_ADDRESS, &mac);
    }
    if let Some(mtu) = mtu {
        m.u32(libc::IFLA_MTU, mtu);
    }
}

pub(super) fn add_veth(veth: &Veth, master: Option<u32>) -> Message {
    let mut m = Message::new(libc::RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifinfo(AF_UNSPEC, 0, 0));
    m.text(libc::IFLA_IFNAME, &veth.name);
    details(&mut m, None, veth.mtu);
    if let Some(master) = master {
        m.u32(libc::IFLA_MASTER, master);
    }
    m.nest(libc::IFLA_LINKINFO, |m| {
        m.text(IFLA_INFO_KIND, "veth").nest(IFLA_INFO_DATA, |m| {
            m.nest(VETH_INFO_PEER, |m| {
                m.raw(&ifinfo(AF_UNSPEC, 0, 0)).text(libc::IFLA_IFNAME, &veth.peer);
                details(m, veth.peer_mac, veth.mtu);
                if let Some(ns) = &veth.peer_ns {
                    m.u32(libc::IFLA_NET_NS_FD, ns.raw_fd() as u32);
                }
            });
        });
    });
    m
}

pub(super) fn set_up(index: u32) -> Message {
    Message::new(libc::RTM_NEWLINK, 0, &ifinfo(AF_UNSPEC, index, libc::IFF_UP as u32))
}

pub(super) fn set_hairpin(index: u32) -> Message {
    let mut m = Message::new(libc::RTM_SETLINK, 0, &ifinfo(AF_BRIDGE, index, 0));
    m.nest(libc::IFLA_PROTINFO, |m| {
        m.bytes(IFLA_BRPORT_MODE, &[1]);
    });
    m
}

pub(super) fn delete_link(name: &str) -> Message {
    let mut m = Message::new(libc::RTM_DELLINK, 0, &ifinfo(AF_UNSPEC, 0, 0));
    m.text(libc::IFLA_IFNAME, name);
    m
}

pub(super) fn add_address(index: u32, cidr: Cidr) -> Message {
    let flags = if cidr.is_v6() { IFA_F_NODAD } else { 0 };
    let mut fixed = [family(cidr.address), cidr.prefix, flags, 0, 0, 0, 0, 0];
    fixed[4..8].copy_from_slice(&index.to_ne_bytes());
    let mut m = Message::new(libc::RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &fixed);
    let bytes = address_bytes(cidr.address);
    m.bytes(libc::IFA_LOCAL, &bytes).bytes(libc::IFA_ADDRESS, &bytes);
    m
}

pub(super) fn add_route(route: &Route, link: Option<u32>) -> Message {
    let scope = if route.gateway.is_some() { libc::RT_SCOPE_UNIVERSE } else { libc::RT_SCOPE_LINK };
    route_message(libc::RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route, link, scope)
}

pub(super) fn delete_route(route: &Route, link: Option<u32>) -> Message {
    route_message(libc::RTM_DELROUTE, 0, route, link, libc::RT_SCOPE_NOWHERE)
}

fn route_message(kind: u16, flags: i32, route: &Route, link: Option<u32>, scope: u8) -> Message {
    let destination = route.destination.network();
    let mut fixed = [0; RTMSG];
    fixed[0] = family(destination.address);
    fixed[1] = destination.prefix;
    fixed[4] = libc::RT_TABLE_MAIN;
    fixed[5] = route.protocol;
    fixed[6] = scope;
    fixed[7] = libc::RTN_UNICAST;
    let mut m = Message::new(kind, flags, &fixed);
    if destination.prefix > 0 {
        m.bytes(libc::RTA_DST, &address_bytes(destination.address));
    }
    if let Some(gateway) = route.gateway {
        m.bytes(libc::RTA_GATEWAY, &address_bytes(gateway));
    }
    if let Some(link) = link {
        m.u32(libc::RTA_OIF, link);
    }
    if let Some(source) = route.source {
        m.bytes(libc::RTA_PREFSRC, &address_bytes(source));
    }
    m
}

pub(super) fn list_links() -> Message {
    Message::new(libc::RTM_GETLINK, NLM_F_DUMP, &ifinfo(AF_UNSPEC, 0, 0))
}

pub(super) fn list_addresses() -> Message {
    Message::new(libc::RTM_GETADDR, NLM_F_DUMP, &[0; IFADDR])
}

pub(super) fn list_routes() -> Message {
    Message::new(libc::RTM_GETROUTE, NLM_F_DUMP, &[0; RTMSG])
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(0..4)?.try_into().ok()?))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}

pub(super) fn read_link(body: &[u8]) -> Option<Link> {
    let attributes = body.get(IFINFO..)?;
    let info = find(attributes, libc::IFLA_LINKINFO).unwrap_or_default();
    Some(Link {
        index: number(&body[4..8])?,
        name: text(find(attributes, libc::IFLA_IFNAME)?),
        up: number(&body[8..12])? & libc::IFF_UP as u32 != 0,
        master: find(attributes, libc::IFLA_MASTER).and_then(number),
        mtu: find(attributes, libc::IFLA_MTU).and_then(number)?,
        kind: find(info, IFLA_INFO_KIND).map(text),
    })
}

pub(super) fn read_address(body: &[u8]) -> Option<(u32, Cidr)> {
    let attributes = body.get(IFADDR..)?;
    let local = find(attributes, libc::IFA_LOCAL).or(find(attributes, libc::IFA_ADDRESS))?;
    Some((number(&body[4..8])?, Cidr::new(address_from_bytes(local)?, body[1])))
}

/// A unicast route of the main table, with its interface's number in place of the name.
pub(super) fn read_route(body: &[u8]) -> Option<(Route, Option<u32>)> {
    let attributes = body.get(RTMSG..)?;
    if body[4] != libc::RT_TABLE_MAIN || body[7] != libc::RTN_UNICAST {
        return None;
    }
    let v6 = i32::from(body[0]) == AF_INET6;
    let mut route = Route {
        destination: Cidr::everything(v6),
        gateway: None,
        link: None,
        source: None,
        protocol: body[5],
    };
    let mut link = None;
    for (kind, value) in Attributes(attributes) {
        match kind {
            libc::RTA_DST => route.destination = Cidr::new(address_from_bytes(value)?, body[1]),
            libc::RTA_GATEWAY => route.gateway = address_from_bytes(value),
            libc::RTA_PREFSRC => route.source = address_from_bytes(value),
            libc::RTA_OIF => link = number(value),
            _ => {}
        }
    }
    Some((route, link))
}
