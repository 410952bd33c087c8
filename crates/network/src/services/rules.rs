//! The chains, maps and rules that stand still while elements come and go.
//!
//! A packet's destination (address, protocol, port) is looked up in `frontends`, or for the node's own
//! addresses (protocol, port) in the maps of node ports; the verdict found there leads to the chain for as
//! many backends as there are. That chain draws a number, and `endpoints` has the backend for destination
//! and number. A sticky chain first asks `affinity` which backend the client had; there, backends go by
//! identifiers of their own (`slots` leads from the drawn number to them), so that the others of a shrinking
//! Service keep their clients. (nft(8) 1.0.6 cannot list a sticky chain: it trips over a key that has a map's
//! value in it. The kernel has no such trouble.)

use std::time::Duration;

use corten_sys::nft::{
    Batch, Chain, Change, CtKey, Data, DataType, Dynamic, Expr, Family, Field, Hook, HookKind, MetaKey, Reg,
    Rejection, Set, Table, Verdict,
};

use super::ServicesConfig;
use crate::expressions::{
    Side, address_registers, connection, family, in_range, is_local, load_address, load_port,
};

/// The name of the Services' table of packet rules.
pub const TABLE: &str = "corten-services";

/// The bit of a packet's mark that asks for the node's address as source (the kubelet's traditional one).
const MASQUERADE_BIT: u32 = 0x4000;
const NEW: u32 = 8;
const DESTINATION_CHANGED: u32 = 32;

const FRONTENDS: &str = "frontends";
const NODE_PORTS: &str = "node-ports";
const INSIDE_NODE_PORTS: &str = "inside-node-ports";
const ENDPOINTS: &str = "endpoints";
const SLOTS: &str = "slots";
const AFFINITY: &str = "affinity";
const REFUSED: &str = "refused";
const REFUSED_NODE_PORTS: &str = "refused-node-ports";
const HAIRPIN: &str = "hairpin";

/// The maps that hold what changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Map {
    Frontends,
    NodePorts,
    InsideNodePorts,
    Endpoints,
    Slots,
    Refused,
    RefusedNodePorts,
    Hairpin,
}

fn address_field(family: Family) -> Field {
    if family == Family::V6 { Field::V6 } else { Field::V4 }
}

impl Map {
    const ALL: [Map; 8] = [
        Map::Frontends,
        Map::NodePorts,
        Map::InsideNodePorts,
        Map::Endpoints,
        Map::Slots,
        Map::Refused,
        Map::RefusedNodePorts,
        Map::Hairpin,
    ];

    /// Its declaration.
    pub(super) fn set(self, version: Family) -> Set {
        let address = address_field(version);
        let destination = vec![address, Field::Protocol, Field::Port];
        let port = vec![Field::Protocol, Field::Port];
        let numbered = vec![address, Field::Protocol, Field::Port, Field::Number];
        let (name, key, data) = match self {
            Map::Frontends => (FRONTENDS, destination, DataType::Verdict),
            Map::NodePorts => (NODE_PORTS, port, DataType::Verdict),
            Map::InsideNodePorts => (INSIDE_NODE_PORTS, port, DataType::Verdict),
            Map::Endpoints => (ENDPOINTS, numbered, DataType::Fields(vec![address, Field::Port])),
            Map::Slots => (SLOTS, numbered, DataType::Fields(vec![Field::Number])),
            Map::Refused => (REFUSED, destination, DataType::Verdict),
            Map::RefusedNodePorts => (REFUSED_NODE_PORTS, port, DataType::Verdict),
            Map::Hairpin => (HAIRPIN, vec![address, address], DataType::None),
        };
        Set { name: name.to_owned(), key, data, dynamic: None }
    }
}

/// Remembers each client's backend; the rules give each element its own time.
fn affinity_set(version: Family) -> Set {
    let address = address_field(version);
    Set {
        name: AFFINITY.to_owned(),
        key: vec![address, address, Field::Protocol, Field::Port],
        data: DataType::Fields(vec![Field::Number]),
        dynamic: Some(Duration::from_secs(10_800)),
    }
}

/// Where a spreading chain's key gets its address from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum KeyAddress {
    Destination,
    Node,
    NodeFromInside,
}

/// A chain that leads to one of `count` backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Spread {
    pub family: Family,
    pub key: KeyAddress,
    pub count: u32,
    pub masquerade: bool,
    pub sticky: Option<Duration>,
}

impl Spread {
    /// Its name tells what it does.
    pub(super) fn name(&self) -> String {
        let key = match self.key {
            KeyAddress::Destination => "",
            KeyAddress::Node => "node-",
            KeyAddress::NodeFromInside => "inside-",
        };
        let masquerade = if self.masquerade { "-masquerade" } else { "" };
        let sticky = self.sticky.map(|t| format!("-sticky-{}", t.as_secs())).unwrap_or_default();
        format!("{key}spread-{}{masquerade}{sticky}", self.count)
    }

    /// The address that stands for the node's in keys: no packet has it.
    pub(super) fn placeholder(version: Family, key: KeyAddress) -> Vec<u8> {
        let mut bytes = vec![0; 4 * address_registers(version) as usize];
        if let Some(last) = bytes.last_mut() {
            *last = u8::from(key == KeyAddress::NodeFromInside);
        }
        bytes
    }

    /// Its rules: for a client that is known, if sticky, then for any.
    fn rules(&self) -> Vec<Vec<Expr>> {
        let width = address_registers(self.family);
        let (client, key) = (Reg(0), Reg(width));
        let (number, address) = (Reg(2 * width + 2), Reg(2 * width + 3));
        let map = |map: &str, key, into| Expr::Map { map: map.to_owned(), key, into };
        let remember = |how| Expr::Dynset {
            how,
            set: AFFINITY.to_owned(),
            key: client,
            data: Some(number),
            timeout: self.sticky.filter(|_| how != Dynamic::Delete),
        };
        let change = Expr::Dnat { family: self.family, address, port: Reg(address.0 + width) };
        let mut known = self.load(client, key);
        let mut any = known.clone();
        any.push(Expr::Random { modulus: self.count, into: number });
        if self.sticky.is_none() {
            any.extend([map(ENDPOINTS, key, address), change]);
            return vec![any];
        }
        known.push(map(AFFINITY, client, number));
        known.extend([map(ENDPOINTS, key, address), remember(Dynamic::Update), change.clone()]);
        any.extend([map(SLOTS, key, number), map(ENDPOINTS, key, address)]);
        any.extend([remember(Dynamic::Delete), remember(Dynamic::Add), change]);
        vec![known, any]
    }

    /// Marks the packet if need be, and loads what keys are made of.
    fn load(&self, client: Reg, key: Reg) -> Vec<Expr> {
        let mut out = Vec::new();
        if self.masquerade {
            out.extend(change_mark(MASQUERADE_BIT));
        }
        if self.sticky.is_some() {
            out.push(load_address(self.family, Side::Source, client));
        }
        out.push(match self.key {
            KeyAddress::Destination => load_address(self.family, Side::Destination, key),
            other => Expr::Load { value: Self::placeholder(self.family, other), into: key },
        });
        out.extend(load_port(Reg(key.0 + address_registers(self.family))));
        out
    }

    /// Makes the chain.
    pub(super) fn add(&self, batch: &mut Batch) {
        let table = table(self.family);
        batch.push(Change::AddChain(table, Chain { name: self.name(), hook: None }));
        for rule in self.rules() {
            batch.push(Change::AddRule(table, self.name(), rule));
        }
    }
}

/// Clears the masquerading bit of the packet's mark, then sets the given bits.
fn change_mark(set: u32) -> [Expr; 3] {
    let reg = Reg(0);
    let (mask, xor) = (!MASQUERADE_BIT, set);
    [
        Expr::Meta { key: MetaKey::Mark, into: reg },
        Expr::Bitwise {
            from: reg,
            into: reg,
            mask: mask.to_ne_bytes().to_vec(),
            xor: xor.to_ne_bytes().to_vec(),
        },
        Expr::SetMark { from: reg },
    ]
}

/// The Services' table of a version.
pub(super) fn table(family: Family) -> Table {
    Table { family, name: TABLE }
}

/// What a refused frontend's element leads to.
pub(super) fn refusal(drop: bool) -> Data {
    Data::Verdict(if drop { Verdict::Drop } else { Verdict::Goto("reject".to_owned()) })
}

/// Everything but elements and spreading chains, in place of what was there.
pub(super) fn skeleton(config: &ServicesConfig, version: Family) -> Batch {
    let table = table(version);
    let mut batch = Batch::default();
    batch.push(Change::DeleteTable(table));
    batch.push(Change::AddTable(table));
    let hook = |chain_type, at, priority| Some(Hook { chain_type, at, priority });
    for (name, hook) in [
        ("services", None),
        ("node-services", None),
        ("refuse", None),
        ("reject", None),
        ("prerouting", hook("nat", HookKind::Prerouting, -100)),
        ("output", hook("nat", HookKind::Output, -100)),
        ("postrouting", hook("nat", HookKind::Postrouting, 100)),
        ("filter-input", hook("filter", HookKind::Input, 0)),
        ("filter-forward", hook("filter", HookKind::Forward, 0)),
        ("filter-output", hook("filter", HookKind::Output, 0)),
    ] {
        batch.push(Change::AddChain(table, Chain { name: name.to_owned(), hook }));
    }
    Map::ALL.iter().for_each(|map| batch.push(Change::AddSet(table, map.set(version))));
    batch.push(Change::AddSet(table, affinity_set(version)));
    for (chain, rule) in lookups(config, version).into_iter().chain(ends(config, version)) {
        batch.push(Change::AddRule(table, chain.to_owned(), rule));
    }
    batch
}

type Rule = (&'static str, Vec<Expr>);

fn jump(chain: &str) -> Expr {
    Expr::Verdict(Verdict::Jump(chain.to_owned()))
}

/// Takes the verdict for the destination's address, protocol and port.
fn by_destination(version: Family, map: &str) -> Vec<Expr> {
    let mut rule = vec![load_address(version, Side::Destination, Reg(0))];
    rule.extend(load_port(Reg(address_registers(version))));
    rule.push(Expr::VerdictMap { map: map.to_owned(), key: Reg(0) });
    rule
}

/// Takes the verdict for protocol and port.
fn by_port(map: &str) -> Vec<Expr> {
    let mut rule = load_port(Reg(0)).to_vec();
    rule.push(Expr::VerdictMap { map: map.to_owned(), key: Reg(0) });
    rule
}

/// From the hooks to the spreading chains.
fn lookups(config: &ServicesConfig, version: Family) -> Vec<Rule> {
    let mut rules = vec![
        ("prerouting", vec![jump("services")]),
        ("output", vec![jump("services")]),
        ("services", by_destination(version, FRONTENDS)),
        ("services", [is_local(Side::Destination), vec![jump("node-services")]].concat()),
    ];
    for range in config.cluster_ranges.iter().filter(|r| family(r) == version) {
        let from_pod = in_range(Side::Source, range, false);
        rules.push(("node-services", [from_pod, by_port(INSIDE_NODE_PORTS)].concat()));
    }
    rules.push(("node-services", [is_local(Side::Source), by_port(INSIDE_NODE_PORTS)].concat()));
    rules.push(("node-services", by_port(NODE_PORTS)));
    rules
}

/// What happens on the way out, and to those whom nobody answers.
fn ends(config: &ServicesConfig, version: Family) -> Vec<Rule> {
    let width = address_registers(version);
    let marked = vec![
        Expr::Meta { key: MetaKey::Mark, into: Reg(0) },
        Expr::Bitwise {
            from: Reg(0),
            into: Reg(0),
            mask: MASQUERADE_BIT.to_ne_bytes().to_vec(),
            xor: vec![0; 4],
        },
        Expr::Cmp { reg: Reg(0), not: true, value: vec![0; 4] },
    ];
    let to_itself = vec![
        load_address(version, Side::Source, Reg(0)),
        load_address(version, Side::Destination, Reg(width)),
        Expr::Lookup { set: HAIRPIN.to_owned(), key: Reg(0), not: false },
    ];
    let tcp = vec![
        Expr::Meta { key: MetaKey::L4Proto, into: Reg(0) },
        Expr::Cmp { reg: Reg(0), not: false, value: vec![6] },
    ];
    let mut rules = vec![
        ("postrouting", [marked, change_mark(0).to_vec(), vec![Expr::Masquerade]].concat()),
        (
            "postrouting",
            [connection(CtKey::Status, DESTINATION_CHANGED), to_itself, vec![Expr::Masquerade]].concat(),
        ),
        ("refuse", by_destination(version, REFUSED)),
        ("refuse", [is_local(Side::Destination), by_port(REFUSED_NODE_PORTS)].concat()),
        ("reject", [tcp, vec![Expr::Reject(Rejection::TcpReset)]].concat()),
        ("reject", vec![Expr::Reject(Rejection::PortUnreachable)]),
    ];
    for range in config.service_ranges.iter().filter(|r| family(r) == version) {
        let unclaimed = Expr::Verdict(Verdict::Goto("reject".to_owned()));
        rules.push(("refuse", [in_range(Side::Destination, range, false), vec![unclaimed]].concat()));
    }
    for chain in ["filter-input", "filter-forward", "filter-output"] {
        rules.push((chain, [connection(CtKey::State, NEW), vec![jump("refuse")]].concat()));
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sticky_chain_of_version_six_fits_the_registers() {
        let spread = Spread {
            family: Family::V6,
            key: KeyAddress::Destination,
            count: 3,
            masquerade: true,
            sticky: Some(Duration::from_secs(10)),
        };
        assert_eq!(spread.name(), "spread-3-masquerade-sticky-10");
        let rules = spread.rules();
        assert_eq!(rules.len(), 2);
        for rule in rules {
            assert!(matches!(rule.last(), Some(Expr::Dnat { port: Reg(15), .. })), "{rule:?}");
        }
    }

    #[test]
    fn placeholders_differ() {
        assert_eq!(Spread::placeholder(Family::V4, KeyAddress::Node), [0; 4]);
        assert_eq!(Spread::placeholder(Family::V4, KeyAddress::NodeFromInside), [0, 0, 0, 1]);
        assert_eq!(Spread::placeholder(Family::V6, KeyAddress::Node).len(), 16);
    }
}
