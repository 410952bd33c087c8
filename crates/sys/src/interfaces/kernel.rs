//! The machine's interfaces, through rtnetlink.

use std::path::PathBuf;

use super::{Change, Cidr, Interfaces, Link, Route, encode};
use crate::Result;
use crate::error::Context;
use crate::netlink::{Protocol, Socket};
use crate::netns::NetNs;

/// The interfaces of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct KernelInterfaces;

/// Runs `work` in the namespace, or right here.
fn inside<T: Send>(ns: Option<&NetNs>, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    match ns {
        Some(ns) => ns.run(work)?,
        None => work(),
    }
}

impl Interfaces for KernelInterfaces {
    fn apply(&self, ns: Option<&NetNs>, changes: &[Change]) -> Result<()> {
        inside(ns, || {
            let mut socket = Socket::open(Protocol::Route)?;
            changes.iter().try_for_each(|change| apply_one(&mut socket, change))
        })
    }

    fn links(&self, ns: Option<&NetNs>) -> Result<Vec<Link>> {
        inside(ns, || {
            let mut out = Vec::new();
            let mut socket = Socket::open(Protocol::Route)?;
            socket.dump(encode::list_links(), "interfaces", |body| out.extend(encode::read_link(body)))?;
            Ok(out)
        })
    }

    fn addresses(&self, ns: Option<&NetNs>) -> Result<Vec<(u32, Cidr)>> {
        inside(ns, || {
            let mut out = Vec::new();
            let mut socket = Socket::open(Protocol::Route)?;
            socket.dump(encode::list_addresses(), "addresses", |b| out.extend(encode::read_address(b)))?;
            Ok(out)
        })
    }

    fn routes(&self, ns: Option<&NetNs>) -> Result<Vec<Route>> {
        let links = self.links(ns)?;
        let name = |index: u32| links.iter().find(|l| l.index == index).map(|l| l.name.clone());
        inside(ns, || {
            let mut out = Vec::new();
            let mut socket = Socket::open(Protocol::Route)?;
            socket.dump(encode::list_routes(), "routes", |body| {
                let route = encode::read_route(body);
                out.extend(route.map(|(route, link)| Route { link: link.and_then(name), ..route }));
            })?;
            Ok(out)
        })
    }

    fn sysctl(&self, ns: Option<&NetNs>, key: &str) -> Result<String> {
        inside(ns, || {
            let path = sysctl_path(key);
            let text = std::fs::read_to_string(&path).context("read", path.display())?;
            Ok(text.trim().to_owned())
        })
    }
}

fn apply_one(socket: &mut Socket, change: &Change) -> Result<()> {
    match change {
        Change::AddBridge { name, mac, mtu } => {
            existing_is_fine(socket.request(encode::add_bridge(name, *mac, *mtu), name))
        }
        Change::AddVeth(veth) => {
            let master = veth.master.as_deref().map(index_of).transpose()?;
            socket.request(encode::add_veth(veth, master), &veth.name)
        }
        Change::SetUp(name) => socket.request(encode::set_up(index_of(name)?), name),
        Change::SetHairpin(name) => socket.request(encode::set_hairpin(index_of(name)?), name),
        Change::DeleteLink(name) => {
            // Whether there is one is known without the lock under which all interfaces are changed.
            if nix::net::if_::if_nametoindex(name.as_str()) == Err(nix::Error::ENODEV) {
                return Ok(());
            }
            missing_is_fine(socket.request(encode::delete_link(name), name))
        }
        Change::AddAddress(name, cidr) => {
            let message = encode::add_address(index_of(name)?, *cidr);
            existing_is_fine(socket.request(message, &format!("{cidr} on {name}")))
        }
        Change::AddRoute(route) => {
            let link = route.link.as_deref().map(index_of).transpose()?;
            socket.request(encode::add_route(route, link), &format!("route to {}", route.destination))
        }
        Change::DeleteRoute(route) => {
            let link = match route.link.as_deref().map(index_of).transpose() {
                Err(error) if error.is_not_found() => return Ok(()),
                link => link?,
            };
            let what = format!("route to {}", route.destination);
            missing_is_fine(socket.request(encode::delete_route(route, link), &what))
        }
        Change::SetSysctl(key, value) => {
            let path = sysctl_path(key);
            std::fs::write(&path, value).context("write", format!("{value} to {}", path.display()))
        }
    }
}

/// The interface's number in the calling thread's namespace.
fn index_of(name: &str) -> Result<u32> {
    nix::net::if_::if_nametoindex(name).context("find the interface", name)
}

fn sysctl_path(key: &str) -> PathBuf {
    let parts = key.split('.').map(|part| part.replace('/', "."));
    PathBuf::from("/proc/sys/net").join(parts.collect::<Vec<_>>().join("/"))
}

fn existing_is_fine(result: Result<()>) -> Result<()> {
    match result {
        Err(error) if error.is_exists() => Ok(()),
        other => other,
    }
}

fn missing_is_fine(result: Result<()>) -> Result<()> {
    match result {
        Err(error) if error.is_not_found() => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Veth;
    use super::*;

    struct Scratch(NetNs, String);

    impl Scratch {
        fn new(tag: &str) -> Self {
            let name = format!("corten-if-{tag}-{}", std::process::id());
            Scratch(NetNs::create_named(&name).expect("namespace"), name)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = NetNs::delete_named(&self.1);
        }
    }

    fn cidr(text: &str) -> Cidr {
        text.parse().expect("valid")
    }

    #[test]
    fn a_bridge_a_cable_addresses_and_routes() {
        if !crate::is_root() {
            return eprintln!("skipped: needs root");
        }
        let (node, pod) = (Scratch::new("node"), Scratch::new("pod"));
        let kernel = KernelInterfaces;
        let via_pod = Route {
            destination: cidr("10.9.0.0/16"),
            gateway: Some([10, 1, 0, 2].into()),
            link: Some("br0".into()),
            source: Some([10, 1, 0, 1].into()),
            protocol: 77,
        };
        let on_link =
            Route { destination: cidr("10.8.0.0/16"), gateway: None, source: None, ..via_pod.clone() };
        let mac = [0x0a, 0x58, 10, 1, 0, 1];
        let changes = [
            Change::SetSysctl("ipv4.ip_forward".into(), "1".into()),
            Change::AddBridge { name: "br0".into(), mac: Some(mac), mtu: Some(1400) },
            Change::AddBridge { name: "br0".into(), mac: Some(mac), mtu: Some(1400) },
            Change::SetUp("br0".into()),
            Change::AddAddress("br0".into(), cidr("10.1.0.1/24")),
            Change::AddAddress("br0".into(), cidr("10.1.0.1/24")),
            Change::AddAddress("br0".into(), cidr("fd01::1/64")),
            Change::AddVeth(Veth {
                name: "veth1".into(),
                master: Some("br0".into()),
                peer: "eth0".into(),
                peer_ns: Some(pod.0.clone()),
                peer_mac: Some([0x0a, 0x58, 10, 1, 0, 2]),
                mtu: Some(1400),
            }),
            Change::SetHairpin("veth1".into()),
            Change::SetUp("veth1".into()),
            Change::AddRoute(via_pod.clone()),
            Change::AddRoute(via_pod.clone()),
            Change::AddRoute(on_link.clone()),
        ];
        kernel.apply(Some(&node.0), &changes).expect("apply");

        assert_eq!(kernel.sysctl(Some(&node.0), "ipv4.ip_forward").expect("sysctl"), "1");
        let links = kernel.links(Some(&node.0)).expect("links");
        let find = |name: &str| links.iter().find(|l| l.name == name).cloned().expect("link");
        let (bridge, veth) = (find("br0"), find("veth1"));
        assert_eq!((bridge.kind.as_deref(), bridge.mtu, bridge.up), (Some("bridge"), 1400, true));
        assert_eq!((veth.kind.as_deref(), veth.master), (Some("veth"), Some(bridge.index)));
        let peer = kernel.links(Some(&pod.0)).expect("links");
        assert!(peer.iter().any(|l| l.name == "eth0" && l.mtu == 1400 && !l.up));
        let addresses = kernel.addresses(Some(&node.0)).expect("addresses");
        assert!(addresses.contains(&(bridge.index, cidr("10.1.0.1/24"))));
        assert!(addresses.contains(&(bridge.index, cidr("fd01::1/64"))));
        let ours = || -> Vec<Route> {
            let routes = kernel.routes(Some(&node.0)).expect("routes");
            routes.into_iter().filter(|r| r.protocol == 77).collect()
        };
        assert_eq!(ours(), [on_link.clone(), via_pod.clone()]);

        let undo = [
            Change::DeleteRoute(via_pod.clone()),
            Change::DeleteRoute(via_pod),
            Change::DeleteLink("veth1".into()),
            Change::DeleteLink("br0".into()),
            Change::DeleteLink("br0".into()),
            Change::DeleteRoute(on_link),
        ];
        kernel.apply(Some(&node.0), &undo).expect("undo");
        assert!(ours().is_empty());
        assert!(kernel.links(Some(&pod.0)).expect("links").iter().all(|l| l.name != "eth0"));
    }

    #[test]
    fn an_error_names_the_subject_and_the_kernels_reason() {
        if !crate::is_root() {
            return eprintln!("skipped: needs root");
        }
        let node = Scratch::new("err");
        let route = Route {
            destination: cidr("10.9.0.0/16"),
            gateway: Some([10, 1, 0, 2].into()),
            link: None,
            source: None,
            protocol: 77,
        };
        let error =
            KernelInterfaces.apply(Some(&node.0), &[Change::AddRoute(route)]).expect_err("unreachable");
        assert_eq!(error.errno(), Some(libc::ENETUNREACH));
        assert!(error.to_string().contains("route to 10.9.0.0/16"), "{error}");
    }
}
