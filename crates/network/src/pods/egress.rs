//! Packets that leave the cluster carry the node's address; the loopback network stays the node's own.

use std::net::Ipv4Addr;

use corten_sys::Cidr;
use corten_sys::nft::{Batch, Chain, Change, Expr, Family, Hook, HookKind, MetaKey, Table, Verdict};

use super::PodNetworkConfig;
use crate::expressions::{Side, family, in_range, interface};

/// The name of the pods' table of packet rules.
pub const TABLE: &str = "corten-pods";

/// After the Services' own source translation.
const PRIORITY: i32 = 101;
/// Before connections are tracked.
const RAW: i32 = -300;

/// Replaces the tables of the versions in use.
pub(super) fn rules(config: &PodNetworkConfig) -> Batch {
    let mut batch = Batch::default();
    for range in &config.pod_ranges {
        let table = Table { family: family(range), name: TABLE };
        batch.push(Change::DeleteTable(table));
        batch.push(Change::AddTable(table));
        chain(
            &mut batch,
            table,
            "leaving",
            Hook { chain_type: "nat", at: HookKind::Postrouting, priority: PRIORITY },
        );
        for rule in leaving(config, range) {
            batch.push(Change::AddRule(table, "leaving".to_owned(), rule));
        }
        if table.family == Family::V4 {
            let hook = Hook { chain_type: "filter", at: HookKind::Prerouting, priority: RAW };
            chain(&mut batch, table, "arriving", hook);
            batch.push(Change::AddRule(table, "arriving".to_owned(), guard_loopback()));
        }
    }
    batch
}

fn chain(batch: &mut Batch, table: Table, name: &str, hook: Hook) {
    batch.push(Change::AddChain(table, Chain { name: name.to_owned(), hook: Some(hook) }));
}

fn loopback() -> Cidr {
    Cidr::new(Ipv4Addr::new(127, 0, 0, 0).into(), 8)
}

fn leaving(config: &PodNetworkConfig, range: &Cidr) -> Vec<Vec<Expr>> {
    let mut rules = Vec::new();
    let same = |r: &&Cidr| r.is_v6() == range.is_v6();
    for cluster in config.cluster_ranges.iter().filter(same) {
        rules.push(
            [in_range(Side::Source, range, false), in_range(Side::Destination, cluster, false)].concat(),
        );
    }
    if !range.is_v6() {
        let multicast = Cidr::new(Ipv4Addr::new(224, 0, 0, 0).into(), 4);
        rules.push(
            [in_range(Side::Source, range, false), in_range(Side::Destination, &multicast, false)].concat(),
        );
    }
    for rule in &mut rules {
        rule.push(Expr::Verdict(Verdict::Return));
    }
    let outside = interface(MetaKey::OutName, &config.bridge, true);
    rules.push([in_range(Side::Source, range, false), outside, vec![Expr::Masquerade]].concat());
    if !range.is_v6() {
        // A client on the node that spoke to 127.0.0.1 and was sent to a pod.
        let cable = interface(MetaKey::OutName, "lo", true);
        rules.push([in_range(Side::Source, &loopback(), false), cable, vec![Expr::Masquerade]].concat());
    }
    rules
}

/// With `route_localnet` the kernel would let neighbours reach what listens on 127.0.0.1 alone.
fn guard_loopback() -> Vec<Expr> {
    let from_outside = interface(MetaKey::InName, "lo", true);
    [from_outside, in_range(Side::Destination, &loopback(), false), vec![Expr::Verdict(Verdict::Drop)]]
        .concat()
}
