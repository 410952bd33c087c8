//! Interfaces that only remember what was asked.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use super::{Change, Cidr, Interfaces, Link, Route};
use crate::Result;
use crate::netns::NetNs;

/// A record of all changes, each with its namespace's path. Links and routes follow from them; a test looks
/// at [`FakeInterfaces::changes`].
#[derive(Debug, Default)]
pub struct FakeInterfaces {
    changes: Mutex<Vec<(Option<PathBuf>, Change)>>,
}

impl FakeInterfaces {
    /// All changes so far, in order.
    pub fn changes(&self) -> Vec<(Option<PathBuf>, Change)> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Option<PathBuf>, Change)>> {
        self.changes.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn of(&self, ns: Option<&NetNs>) -> Vec<Change> {
        let path = ns.map(|n| n.path().to_owned());
        self.lock().iter().filter(|(p, _)| *p == path).map(|(_, c)| c.clone()).collect()
    }
}

impl Interfaces for FakeInterfaces {
    fn apply(&self, ns: Option<&NetNs>, changes: &[Change]) -> Result<()> {
        let path = ns.map(|n| n.path().to_owned());
        self.lock().extend(changes.iter().map(|c| (path.clone(), c.clone())));
        Ok(())
    }

    fn links(&self, ns: Option<&NetNs>) -> Result<Vec<Link>> {
        let mut links: Vec<Link> = Vec::new();
        for (index, change) in (1..).zip(self.of(ns)) {
            let (name, kind, master) = match change {
                Change::AddBridge { name, .. } => (name, "bridge", None),
                Change::AddVeth(veth) => (veth.name, "veth", veth.master),
                Change::DeleteLink(name) => {
                    links.retain(|l| l.name != name);
                    continue;
                }
                _ => continue,
            };
            let master = links.iter().find(|l| Some(&l.name) == master.as_ref()).map(|l| l.index);
            links.push(Link { index, name, up: true, master, mtu: 1500, kind: Some(kind.to_owned()) });
        }
        Ok(links)
    }

    fn addresses(&self, ns: Option<&NetNs>) -> Result<Vec<(u32, Cidr)>> {
        let links = self.links(ns)?;
        let added = self.of(ns).into_iter().filter_map(|c| match c {
            Change::AddAddress(name, cidr) => Some((links.iter().find(|l| l.name == name)?.index, cidr)),
            _ => None,
        });
        Ok(added.collect())
    }

    fn routes(&self, ns: Option<&NetNs>) -> Result<Vec<Route>> {
        let mut routes: Vec<Route> = Vec::new();
        for change in self.of(ns) {
            match change {
                Change::AddRoute(route) => {
                    routes.retain(|r| r.destination != route.destination);
                    routes.push(route);
                }
                Change::DeleteRoute(route) => routes.retain(|r| r.destination != route.destination),
                _ => {}
            }
        }
        Ok(routes)
    }

    fn sysctl(&self, ns: Option<&NetNs>, key: &str) -> Result<String> {
        let written = self.of(ns).into_iter().rev().find_map(|c| match c {
            Change::SetSysctl(k, value) if k == key => Some(value),
            _ => None,
        });
        Ok(written.unwrap_or_default())
    }
}
