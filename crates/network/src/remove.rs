//! Leaving no trace on the node.

use corten_sys::interfaces::{Change, Interfaces};
use corten_sys::nft::{self, Batch, Family, Nft, Table};

use crate::{ROUTE_PROTOCOL, Result, pods, services};

/// Removes the tables of packet rules, our routes, the bridge and every cable on it. What is missing is fine,
/// and a failure of one part does not keep the others.
pub fn remove_all(bridge: &str, interfaces: &dyn Interfaces, nft: &dyn Nft) -> Result<()> {
    let tables = [pods::TABLE, services::TABLE];
    let mut results = Vec::new();
    for family in [Family::V4, Family::V6] {
        let mut batch = Batch::default();
        for name in tables {
            batch.push(nft::Change::DeleteTable(Table { family, name }));
        }
        results.push(nft.commit(batch));
    }
    results.push(remove_links_and_routes(bridge, interfaces));
    Ok(results.into_iter().collect::<Result<(), _>>()?)
}

fn remove_links_and_routes(bridge: &str, interfaces: &dyn Interfaces) -> Result<(), corten_sys::Error> {
    let routes = interfaces.routes(None)?.into_iter().filter(|r| r.protocol == ROUTE_PROTOCOL);
    let mut changes: Vec<Change> = routes.map(Change::DeleteRoute).collect();
    let links = interfaces.links(None)?;
    if let Some(index) = links.iter().find(|l| l.name == bridge).map(|l| l.index) {
        let ports = links.iter().filter(|l| l.master == Some(index) && l.kind.as_deref() == Some("veth"));
        changes.extend(ports.map(|l| Change::DeleteLink(l.name.clone())));
        changes.push(Change::DeleteLink(bridge.to_owned()));
    }
    interfaces.apply(None, &changes)
}
