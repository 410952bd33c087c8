//! The kernel's packet rules.

use super::{Batch, Family, Nft, encode};
use crate::Result;
use crate::netlink::{Protocol, Socket, find};
use crate::netns::NetNs;

/// The rules of a network namespace.
#[derive(Clone, Debug, Default)]
pub struct KernelNft {
    ns: Option<NetNs>,
}

impl KernelNft {
    /// The rules of another namespace; [`KernelNft::default`] is for those of the caller's.
    pub fn inside(ns: NetNs) -> Self {
        KernelNft { ns: Some(ns) }
    }
}

/// Opens a socket in the namespace, which it stays in.
fn open(ns: Option<&NetNs>) -> Result<Socket> {
    match ns {
        Some(ns) => ns.run(|| Socket::open(Protocol::Netfilter))?,
        None => Socket::open(Protocol::Netfilter),
    }
}

/// The names of all tables of a family in the namespace.
pub fn tables(ns: Option<&NetNs>, family: Family) -> Result<Vec<String>> {
    let mut names = Vec::new();
    open(ns)?.dump(encode::list_tables(family), "tables of packet rules", |body| {
        let name = body.get(4..).and_then(|attributes| find(attributes, 1));
        names.extend(name.map(|n| String::from_utf8_lossy(n).trim_end_matches('\0').to_owned()));
    })?;
    Ok(names)
}

impl Nft for KernelNft {
    fn commit(&self, batch: Batch) -> Result<()> {
        let changes = (1..).zip(batch.changes());
        let messages: Vec<_> = changes.flat_map(|(id, change)| encode::change(change, id)).collect();
        open(self.ns.as_ref())?.batch(encode::begin(), messages, encode::end(), "packet rules")
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::*;
    use std::time::Duration;

    struct Scratch(NetNs, String);

    impl Scratch {
        fn new(tag: &str) -> Self {
            let name = format!("corten-nft-{tag}-{}", std::process::id());
            Scratch(NetNs::create_named(&name).expect("namespace"), name)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = NetNs::delete_named(&self.1);
        }
    }

    const TABLE: Table = Table { family: Family::V4, name: "corten-test" };

    fn map(name: &str, key: &[Field], data: DataType) -> Set {
        Set { name: name.to_owned(), key: key.to_vec(), data, dynamic: None }
    }

    fn frontends() -> Set {
        map("frontends", &[Field::V4, Field::Protocol, Field::Port], DataType::Verdict)
    }

    fn endpoints() -> Set {
        map(
            "endpoints",
            &[Field::V4, Field::Protocol, Field::Port, Field::Number],
            DataType::Fields(vec![Field::V4, Field::Port]),
        )
    }

    fn frontend(port: u16) -> Key {
        Key::default().address([10, 96, 0, 1].into()).protocol(6).port(port)
    }

    fn load_frontend() -> Vec<Expr> {
        vec![
            Expr::Payload { base: PayloadBase::Network, offset: 16, length: 4, into: Reg(0) },
            Expr::Meta { key: MetaKey::L4Proto, into: Reg(1) },
            Expr::Payload { base: PayloadBase::Transport, offset: 2, length: 2, into: Reg(2) },
        ]
    }

    fn rules() -> Batch {
        let mut batch = Batch::default();
        let hook = |chain_type, at, priority| Some(Hook { chain_type, at, priority });
        let chain = |name: &str, hook| Change::AddChain(TABLE, Chain { name: name.to_owned(), hook });
        let rule = |chain: &str, tail: Vec<Expr>| {
            Change::AddRule(TABLE, chain.to_owned(), [load_frontend(), tail].concat())
        };
        let sticky = Set {
            dynamic: Some(Duration::from_secs(10)),
            ..map("sticky", &[Field::V4], DataType::Fields(vec![Field::Number]))
        };
        for change in [
            Change::DeleteTable(TABLE),
            Change::AddTable(TABLE),
            chain("nat", hook("nat", HookKind::Output, -100)),
            chain("snat", hook("nat", HookKind::Postrouting, 100)),
            chain("filter", hook("filter", HookKind::Forward, 0)),
            chain("spread-2", None),
            Change::AddSet(TABLE, frontends()),
            Change::AddSet(TABLE, endpoints()),
            Change::AddSet(TABLE, sticky),
            Change::AddSet(TABLE, map("ports", &[Field::Port], DataType::None)),
            rule("nat", vec![Expr::VerdictMap { map: "frontends".into(), key: Reg(0) }]),
            rule(
                "spread-2",
                vec![
                    Expr::Random { modulus: 2, into: Reg(3) },
                    Expr::Map { map: "endpoints".into(), key: Reg(0), into: Reg(4) },
                    Expr::Dynset {
                        how: Dynamic::Update,
                        set: "sticky".into(),
                        key: Reg(0),
                        data: Some(Reg(3)),
                        timeout: Some(Duration::from_secs(20)),
                    },
                    Expr::Dnat { family: Family::V4, address: Reg(4), port: Reg(5) },
                ],
            ),
            Change::AddRule(
                TABLE,
                "snat".into(),
                vec![
                    Expr::Meta { key: MetaKey::Mark, into: Reg(0) },
                    Expr::Bitwise {
                        from: Reg(0),
                        into: Reg(0),
                        mask: 0x4000_u32.to_ne_bytes().to_vec(),
                        xor: vec![0; 4],
                    },
                    Expr::Cmp { reg: Reg(0), not: true, value: vec![0; 4] },
                    Expr::Masquerade,
                ],
            ),
            rule(
                "filter",
                vec![
                    Expr::AddressType { source: false, into: Reg(4) },
                    Expr::Cmp { reg: Reg(4), not: false, value: 2_u32.to_ne_bytes().to_vec() },
                    Expr::Lookup { set: "ports".into(), key: Reg(2), not: true },
                    Expr::Reject(Rejection::PortUnreachable),
                ],
            ),
        ] {
            batch.push(change);
        }
        batch
    }

    fn add(port: u16, chain: &str) -> [Change; 2] {
        let verdict = Data::Verdict(Verdict::Goto(chain.into()));
        let endpoint = |n: u32| Element {
            key: frontend(port).number(n),
            data: Data::Value(Key::default().address([10, 244, 0, 1 + n as u8].into()).port(8080)),
        };
        [
            Change::AddElements(TABLE, frontends(), vec![Element { key: frontend(port), data: verdict }]),
            Change::AddElements(TABLE, endpoints(), (0..2).map(endpoint).collect()),
        ]
    }

    /// What nft(8) shows, when the machine has it.
    fn shown(ns: &NetNs) -> Option<String> {
        let output = ns.run(|| std::process::Command::new("nft").args(["list", "ruleset"]).output());
        let output = output.expect("namespace").ok()?;
        Some(format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ))
    }

    #[test]
    fn a_batch_is_built_changed_and_removed() {
        if !crate::is_root() {
            return eprintln!("skipped: needs root");
        }
        let scratch = Scratch::new("batch");
        let nft = KernelNft::inside(scratch.0.clone());
        nft.commit(rules()).expect("rules");
        nft.commit(rules()).expect("the same again, from scratch");
        let mut batch = Batch::default();
        add(80, "spread-2").into_iter().for_each(|c| batch.push(c));
        assert_eq!(batch.element_count(), 3);
        nft.commit(batch).expect("elements");
        if let Some(text) = shown(&scratch.0) {
            for part in [
                "10.96.0.1 . tcp . 80 : goto spread-2",
                "10.96.0.1 . tcp . 80 . 0x00000001 : 10.244.0.2 . 8080",
                "ip daddr . meta l4proto . th dport vmap @frontends",
                "dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 2 map @endpoints",
                "masquerade fully-random",
                "fib daddr type local",
            ] {
                assert!(text.contains(part), "{part:?} is not in\n{text}");
            }
        }
        assert_eq!(tables(Some(&scratch.0), Family::V4).expect("tables"), ["corten-test"]);
        let mut batch = Batch::default();
        batch.push(Change::DeleteTable(TABLE));
        nft.commit(batch.clone()).expect("delete");
        nft.commit(batch).expect("deleting twice is fine");
        assert!(tables(Some(&scratch.0), Family::V4).expect("tables").is_empty());
    }

    #[test]
    fn a_batch_with_one_mistake_changes_nothing() {
        if !crate::is_root() {
            return eprintln!("skipped: needs root");
        }
        let scratch = Scratch::new("atomic");
        let nft = KernelNft::inside(scratch.0.clone());
        nft.commit(rules()).expect("rules");
        let mut batch = Batch::default();
        add(80, "spread-2").into_iter().chain(add(81, "there-is-none")).for_each(|c| batch.push(c));
        let error = nft.commit(batch).expect_err("a chain is missing");
        assert!(error.is_not_found(), "{error}");
        let mut batch = Batch::default();
        let gone = Element { key: frontend(80), data: Data::None };
        batch.push(Change::DeleteElements(TABLE, frontends(), vec![gone]));
        assert!(nft.commit(batch).expect_err("was never added").is_not_found());
    }

    #[test]
    fn more_elements_than_one_message_holds() {
        if !crate::is_root() {
            return eprintln!("skipped: needs root");
        }
        let scratch = Scratch::new("many");
        let nft = KernelNft::inside(scratch.0.clone());
        let mut batch = rules();
        (0..20_000).flat_map(|port| add(port, "spread-2")).for_each(|c| batch.push(c));
        nft.commit(batch).expect("many");
        let all = (0..20_000).map(|port| Element { key: frontend(port), data: Data::None });
        let mut batch = Batch::default();
        batch.push(Change::DeleteElements(TABLE, frontends(), all.collect()));
        nft.commit(batch).expect("all of them were there");
    }
}
