//! Changes as nfnetlink messages (`linux/netfilter/nf_tables.h`).

use libc::{NLM_F_APPEND, NLM_F_CREATE};

use super::batch::{Change, HookKind};
use super::set::{type_id, width};
use super::{
    Chain, CtKey, Data, DataType, Dynamic, Element, Expr, Family, MetaKey, PayloadBase, Rejection, Set,
    Table, Verdict,
};
use crate::netlink::Message;

/// Bytes of elements per message: a list's length is a 16 bit number.
const ELEMENTS_BYTES: usize = 48 << 10;
const VERDICT_REGISTER: u32 = 0;
const DATA_VERDICT: u32 = 0xffff_ff00;
const LIST_ELEM: u16 = 1;
const DYNAMIC_SIZE: u32 = 65_535;

/// The structure that every message begins with.
fn nfgen(family: u8, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family, 0, high, low]
}

pub(super) fn begin() -> Message {
    let subsystem = libc::NFNL_SUBSYS_NFTABLES as u16;
    Message::new(libc::NFNL_MSG_BATCH_BEGIN as u16, 0, &nfgen(0, subsystem))
}

pub(super) fn end() -> Message {
    let subsystem = libc::NFNL_SUBSYS_NFTABLES as u16;
    Message::new(libc::NFNL_MSG_BATCH_END as u16, 0, &nfgen(0, subsystem))
}

fn message(kind: i32, flags: i32, family: Family) -> Message {
    let kind = (libc::NFNL_SUBSYS_NFTABLES as u16) << 8 | kind as u16;
    Message::new(kind, flags, &nfgen(family.number(), 0))
}

/// Asks for the names of a family's tables.
pub(super) fn list_tables(family: Family) -> Message {
    message(libc::NFT_MSG_GETTABLE, libc::NLM_F_DUMP, family)
}

/// The messages that do a change; `id` numbers a new set within its batch.
pub(super) fn change(change: &Change, id: u32) -> Vec<Message> {
    match change {
        Change::AddTable(table) => vec![table_message(libc::NFT_MSG_NEWTABLE, NLM_F_CREATE, table)],
        // Made first, so that there is one to remove.
        Change::DeleteTable(table) => vec![
            table_message(libc::NFT_MSG_NEWTABLE, NLM_F_CREATE, table),
            table_message(libc::NFT_MSG_DELTABLE, 0, table),
        ],
        Change::AddChain(table, chain) => vec![add_chain(table, chain)],
        Change::AddSet(table, set) => vec![add_set(table, set, id)],
        Change::AddElements(table, set, elements) => {
            element_messages(libc::NFT_MSG_NEWSETELEM, NLM_F_CREATE, table, set, elements)
        }
        Change::DeleteElements(table, set, elements) => {
            element_messages(libc::NFT_MSG_DELSETELEM, 0, table, set, elements)
        }
        Change::FlushSet(table, set) => {
            let mut m = message(libc::NFT_MSG_DELSETELEM, 0, table.family);
            m.text(1, table.name).text(2, set);
            vec![m]
        }
        Change::AddRule(table, chain, rule) => vec![add_rule(table, chain, rule)],
    }
}

fn table_message(kind: i32, flags: i32, table: &Table) -> Message {
    let mut m = message(kind, flags, table.family);
    m.text(1, table.name);
    m
}

fn add_chain(table: &Table, chain: &Chain) -> Message {
    let mut m = message(libc::NFT_MSG_NEWCHAIN, NLM_F_CREATE, table.family);
    m.text(1, table.name).text(3, &chain.name);
    if let Some(hook) = chain.hook {
        let number = match hook.at {
            HookKind::Prerouting => libc::NF_INET_PRE_ROUTING,
            HookKind::Input => libc::NF_INET_LOCAL_IN,
            HookKind::Forward => libc::NF_INET_FORWARD,
            HookKind::Output => libc::NF_INET_LOCAL_OUT,
            HookKind::Postrouting => libc::NF_INET_POST_ROUTING,
        };
        m.nest(4, |m| {
            m.be32(1, number as u32).be32(2, hook.priority as u32);
        });
        m.text(7, hook.chain_type);
    }
    m
}

fn add_set(table: &Table, set: &Set, id: u32) -> Message {
    let mut flags = 0;
    let mut m = message(libc::NFT_MSG_NEWSET, NLM_F_CREATE, table.family);
    m.text(1, table.name).text(2, &set.name).be32(4, type_id(&set.key)).be32(5, width(&set.key)).be32(10, id);
    match &set.data {
        DataType::None => {}
        DataType::Verdict => {
            flags |= libc::NFT_SET_MAP;
            m.be32(6, DATA_VERDICT).be32(7, 0);
        }
        DataType::Fields(fields) => {
            flags |= libc::NFT_SET_MAP;
            m.be32(6, type_id(fields)).be32(7, width(fields));
        }
    }
    if let Some(timeout) = set.dynamic {
        flags |= libc::NFT_SET_TIMEOUT | libc::NFT_SET_EVAL;
        m.be64(11, timeout.as_millis() as u64);
        m.nest(9, |m| {
            m.be32(1, DYNAMIC_SIZE);
        });
    }
    m.be32(3, flags as u32);
    m
}

/// As many messages as the elements need.
fn element_messages(kind: i32, flags: i32, table: &Table, set: &Set, elements: &[Element]) -> Vec<Message> {
    let width = width(&set.key) as usize;
    let mut out = Vec::new();
    let mut rest = elements;
    while !rest.is_empty() {
        let mut m = message(kind, flags, table.family);
        m.text(1, table.name).text(2, &set.name);
        m.nest(3, |m| {
            let start = m.len();
            while let Some((element, after)) = rest.split_first().filter(|_| m.len() - start < ELEMENTS_BYTES)
            {
                m.nest(LIST_ELEM, |m| encode_element(m, element, width));
                rest = after;
            }
        });
        out.push(m);
    }
    out
}

fn encode_element(m: &mut Message, element: &Element, width: usize) {
    m.nest(1, |m| {
        let bytes = &element.key.0;
        m.bytes(1, bytes.get(..width).unwrap_or(bytes));
    });
    match &element.data {
        Data::None => {}
        Data::Verdict(verdict) => {
            m.nest(2, |m| encode_verdict(m, verdict));
        }
        Data::Value(value) => {
            m.nest(2, |m| {
                m.bytes(1, &value.0);
            });
        }
    }
}

fn encode_verdict(m: &mut Message, verdict: &Verdict) {
    let (code, chain) = match verdict {
        Verdict::Drop => (libc::NF_DROP, None),
        Verdict::Accept => (libc::NF_ACCEPT, None),
        Verdict::Jump(chain) => (libc::NFT_JUMP, Some(chain)),
        Verdict::Goto(chain) => (libc::NFT_GOTO, Some(chain)),
        Verdict::Return => (libc::NFT_RETURN, None),
    };
    m.nest(2, |m| {
        m.be32(1, code as u32);
        if let Some(chain) = chain {
            m.text(2, chain);
        }
    });
}

fn add_rule(table: &Table, chain: &str, rule: &[Expr]) -> Message {
    let mut m = message(libc::NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, table.family);
    m.text(1, table.name).text(2, chain);
    m.nest(4, |m| {
        for expr in rule {
            m.nest(LIST_ELEM, |m| {
                m.text(1, name(expr)).nest(2, |m| encode_expr(m, expr, table.family));
            });
        }
    });
    m
}

fn name(expr: &Expr) -> &'static str {
    match expr {
        Expr::Payload { .. } => "payload",
        Expr::Meta { .. } | Expr::SetMark { .. } => "meta",
        Expr::Ct { .. } => "ct",
        Expr::AddressType { .. } => "fib",
        Expr::Cmp { .. } => "cmp",
        Expr::Bitwise { .. } => "bitwise",
        Expr::Lookup { .. } | Expr::Map { .. } | Expr::VerdictMap { .. } => "lookup",
        Expr::Random { .. } => "numgen",
        Expr::Load { .. } | Expr::Verdict(_) => "immediate",
        Expr::Dnat { .. } => "nat",
        Expr::Masquerade => "masq",
        Expr::Reject(_) => "reject",
        Expr::Dynset { .. } => "dynset",
    }
}

fn meta_key(key: MetaKey) -> u32 {
    (match key {
        MetaKey::Mark => libc::NFT_META_MARK,
        MetaKey::InIndex => libc::NFT_META_IIF,
        MetaKey::InName => libc::NFT_META_IIFNAME,
        MetaKey::OutName => libc::NFT_META_OIFNAME,
        MetaKey::L4Proto => libc::NFT_META_L4PROTO,
    }) as u32
}

fn value(m: &mut Message, kind: u16, bytes: &[u8]) {
    m.nest(kind, |m| {
        m.bytes(1, bytes);
    });
}

fn encode_expr(m: &mut Message, expr: &Expr, family: Family) {
    match expr {
        Expr::Payload { base, offset, length, into } => {
            let base = match base {
                PayloadBase::Network => libc::NFT_PAYLOAD_NETWORK_HEADER,
                PayloadBase::Transport => libc::NFT_PAYLOAD_TRANSPORT_HEADER,
            };
            m.be32(1, into.number()).be32(2, base as u32).be32(3, *offset).be32(4, *length);
        }
        Expr::Meta { key, into } => {
            m.be32(1, into.number()).be32(2, meta_key(*key));
        }
        Expr::SetMark { from } => {
            m.be32(2, meta_key(MetaKey::Mark)).be32(3, from.number());
        }
        Expr::Ct { key, into } => {
            let key = match key {
                CtKey::State => libc::NFT_CT_STATE,
                CtKey::Status => libc::NFT_CT_STATUS,
            };
            m.be32(1, into.number()).be32(2, key as u32);
        }
        Expr::AddressType { source, into } => {
            const RESULT_ADDRESS_TYPE: u32 = 3;
            m.be32(1, into.number()).be32(2, RESULT_ADDRESS_TYPE).be32(3, if *source { 1 } else { 2 });
        }
        Expr::Cmp { reg, not, value: bytes } => {
            let operator = if *not { libc::NFT_CMP_NEQ } else { libc::NFT_CMP_EQ };
            m.be32(1, reg.number()).be32(2, operator as u32);
            value(m, 3, bytes);
        }
        Expr::Bitwise { from, into, mask, xor } => {
            m.be32(1, from.number()).be32(2, into.number()).be32(3, mask.len() as u32);
            value(m, 4, mask);
            value(m, 5, xor);
        }
        Expr::Lookup { set, key, not } => {
            m.text(1, set).be32(2, key.number()).be32(5, u32::from(*not));
        }
        Expr::Map { map, key, into } => {
            m.text(1, map).be32(2, key.number()).be32(3, into.number());
        }
        Expr::VerdictMap { map, key } => {
            m.text(1, map).be32(2, key.number()).be32(3, VERDICT_REGISTER);
        }
        Expr::Random { modulus, into } => {
            const RANDOM: u32 = 1;
            m.be32(1, into.number()).be32(2, *modulus).be32(3, RANDOM).be32(4, 0);
        }
        Expr::Load { value: bytes, into } => {
            m.be32(1, into.number());
            value(m, 2, bytes);
        }
        Expr::Verdict(verdict) => {
            m.be32(1, VERDICT_REGISTER).nest(2, |m| encode_verdict(m, verdict));
        }
        _ => encode_action(m, expr, family),
    }
}

/// The expressions that do something to the packet or to a set.
fn encode_action(m: &mut Message, expr: &Expr, table: Family) {
    match expr {
        Expr::Dnat { family, address, port } => {
            m.be32(1, libc::NFT_NAT_DNAT as u32).be32(2, u32::from(family.number()));
            m.be32(3, address.number()).be32(5, port.number());
        }
        Expr::Masquerade => {
            const RANDOM_FULLY: u32 = 1 << 4;
            m.be32(1, RANDOM_FULLY);
        }
        Expr::Reject(rejection) => match rejection {
            Rejection::TcpReset => {
                m.be32(1, libc::NFT_REJECT_TCP_RST as u32);
            }
            Rejection::PortUnreachable => {
                // The code's number in ICMP, and in ICMP of version 6.
                let code = if table == Family::V6 { 4 } else { 3 };
                m.be32(1, libc::NFT_REJECT_ICMP_UNREACH as u32).bytes(2, &[code]);
            }
        },
        Expr::Dynset { how, set, key, data, timeout } => {
            let how = match how {
                Dynamic::Add => 0,
                Dynamic::Update => 1,
                Dynamic::Delete => 2,
            };
            m.text(1, set).be32(3, how).be32(4, key.number());
            if let Some(data) = data {
                m.be32(5, data.number());
            }
            if let Some(timeout) = timeout {
                m.be64(6, timeout.as_millis() as u64);
            }
        }
        _ => {}
    }
}
