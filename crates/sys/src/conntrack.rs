//! Connections that the kernel tracks: listed, and forgotten on demand (`linux/netfilter/nfnetlink_conntrack.h`).

use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;

use crate::Result;
use crate::cidr::address_from_bytes;
use crate::netlink::{Message, Protocol, Socket, find};
use crate::netns::NetNs;
use crate::nft::Family;

/// A tracked connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Version of its addresses.
    pub family: Family,
    /// Its transport protocol's number.
    pub protocol: u8,
    /// Who began it.
    pub source: SocketAddr,
    /// Whom they spoke to.
    pub destination: SocketAddr,
    /// Who answers; differs from the destination when that was changed.
    pub answers: SocketAddr,
    /// The kernel's own words for it.
    original: Vec<u8>,
}

impl Flow {
    /// A connection for tests of what decides over it.
    pub fn example(protocol: u8, source: SocketAddr, destination: SocketAddr, answers: SocketAddr) -> Self {
        let family = if source.is_ipv6() { Family::V6 } else { Family::V4 };
        Flow { family, protocol, source, destination, answers, original: Vec::new() }
    }
}

/// The tracked connections of a network namespace.
pub trait Conntrack: Send + Sync {
    /// All connections of a family and protocol.
    fn flows(&self, family: Family, protocol: u8) -> Result<Vec<Flow>>;
    /// Forgets a connection, so that its next packet is judged anew; missing is fine.
    fn forget(&self, flow: &Flow) -> Result<()>;
}

/// The kernel's table.
#[derive(Clone, Debug, Default)]
pub struct KernelConntrack {
    ns: Option<NetNs>,
}

const GET: u16 = 1;
const DELETE: u16 = 2;
const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_REPLY: u16 = 2;

fn message(kind: u16, flags: i32, family: Family) -> Message {
    let subsystem = libc::NFNL_SUBSYS_CTNETLINK as u16;
    Message::new(subsystem << 8 | kind, flags, &[family.number(), 0, 0, 0])
}

impl KernelConntrack {
    /// The table of another namespace; [`KernelConntrack::default`] is for that of the caller's.
    pub fn inside(ns: NetNs) -> Self {
        KernelConntrack { ns: Some(ns) }
    }

    fn open(&self) -> Result<Socket> {
        match &self.ns {
            Some(ns) => ns.run(|| Socket::open(Protocol::Netfilter))?,
            None => Socket::open(Protocol::Netfilter),
        }
    }
}

impl Conntrack for KernelConntrack {
    fn flows(&self, family: Family, protocol: u8) -> Result<Vec<Flow>> {
        let mut out = Vec::new();
        self.open()?.dump(message(GET, libc::NLM_F_DUMP, family), "tracked connections", |body| {
            let flow = body.get(4..).and_then(|attributes| read_flow(family, attributes));
            out.extend(flow.filter(|f| f.protocol == protocol));
        })?;
        Ok(out)
    }

    fn forget(&self, flow: &Flow) -> Result<()> {
        let mut m = message(DELETE, 0, flow.family);
        m.nest(TUPLE_ORIGINAL, |m| {
            m.raw(&flow.original);
        });
        match self.open()?.request(m, "a tracked connection") {
            Err(error) if error.is_not_found() => Ok(()),
            result => result,
        }
    }
}

fn read_flow(family: Family, attributes: &[u8]) -> Option<Flow> {
    let original = find(attributes, TUPLE_ORIGINAL)?;
    let (protocol, source, destination) = read_tuple(family, original)?;
    let (_, answers, _) = read_tuple(family, find(attributes, TUPLE_REPLY)?)?;
    Some(Flow { family, protocol, source, destination, answers, original: original.to_vec() })
}

/// Protocol, source and destination of one direction.
fn read_tuple(family: Family, tuple: &[u8]) -> Option<(u8, SocketAddr, SocketAddr)> {
    let (ip, protocol) = (find(tuple, 1)?, find(tuple, 2)?);
    let first = if family == Family::V4 { 1 } else { 3 };
    let address = |kind| -> Option<IpAddr> { address_from_bytes(find(ip, kind)?) };
    let port = |kind| -> Option<u16> {
        let bytes = find(protocol, kind).unwrap_or(&[0, 0]);
        Some(u16::from_be_bytes(bytes.try_into().ok()?))
    };
    let source = SocketAddr::new(address(first)?, port(2)?);
    let destination = SocketAddr::new(address(first + 1)?, port(3)?);
    Some((*find(protocol, 1)?.first()?, source, destination))
}

/// Connections in memory.
#[derive(Debug, Default)]
pub struct FakeConntrack {
    flows: Mutex<Vec<Flow>>,
}

impl FakeConntrack {
    /// A table with these connections.
    pub fn new(flows: Vec<Flow>) -> Self {
        FakeConntrack { flows: Mutex::new(flows) }
    }
}

impl Conntrack for FakeConntrack {
    fn flows(&self, family: Family, protocol: u8) -> Result<Vec<Flow>> {
        let flows = self.flows.lock().unwrap_or_else(|e| e.into_inner());
        Ok(flows.iter().filter(|f| f.family == family && f.protocol == protocol).cloned().collect())
    }

    fn forget(&self, flow: &Flow) -> Result<()> {
        self.flows.lock().unwrap_or_else(|e| e.into_inner()).retain(|f| f != flow);
        Ok(())
    }
}
