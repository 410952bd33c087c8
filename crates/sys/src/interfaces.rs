//! Network interfaces, their addresses, routes and kernel settings.
//!
//! What is to be done is a list of [`Change`]s, made by pure code above; [`KernelInterfaces`] carries it out
//! through rtnetlink(7), in any network namespace.

mod encode;
mod fake;
mod kernel;

use std::net::IpAddr;

use crate::Result;
pub use crate::cidr::Cidr;
use crate::netns::NetNs;
pub use fake::FakeInterfaces;
pub use kernel::KernelInterfaces;

/// An interface's hardware address.
pub type Mac = [u8; 6];

/// A pair of interfaces joined by a cable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Veth {
    /// The near end's name.
    pub name: String,
    /// The bridge that the near end joins.
    pub master: Option<String>,
    /// The far end's name.
    pub peer: String,
    /// Where the far end goes; stays here when `None`.
    pub peer_ns: Option<NetNs>,
    /// The far end's hardware address; the kernel's choice when `None`.
    pub peer_mac: Option<Mac>,
    /// Largest packet of both ends in bytes; the kernel's default when `None`.
    pub mtu: Option<u32>,
}

/// Where packets go. One with neither gateway nor link is refused by the kernel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// For which addresses.
    pub destination: Cidr,
    /// To which neighbour, if not to the destination itself.
    pub gateway: Option<IpAddr>,
    /// Through which interface; found by the gateway when `None`.
    pub link: Option<String>,
    /// The sender's address when the sender did not choose one.
    pub source: Option<IpAddr>,
    /// Who made it (`/etc/iproute2/rt_protos`), so that one's own can be told apart.
    pub protocol: u8,
}

/// A step that changes interfaces, addresses, routes or settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Makes a bridge; an existing one stays.
    AddBridge {
        /// Its name.
        name: String,
        /// Its hardware address; without one it takes those of its ports in turn.
        mac: Option<Mac>,
        /// Largest packet in bytes.
        mtu: Option<u32>,
    },
    /// Makes a pair of interfaces; an existing name is an error.
    AddVeth(Veth),
    /// Brings an interface up.
    SetUp(String),
    /// Lets a bridge's port send packets back where they came from.
    SetHairpin(String),
    /// Removes an interface (of a pair: both); missing is fine.
    DeleteLink(String),
    /// Gives an interface an address; one that it has is fine.
    AddAddress(String, Cidr),
    /// Makes a route, in place of one with the same destination.
    AddRoute(Route),
    /// Removes a route; missing is fine.
    DeleteRoute(Route),
    /// Writes a setting below `net`, such as `ipv4.ip_forward`. In an interface's name `/` stands for a dot.
    SetSysctl(String, String),
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number in its namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether it was brought up.
    pub up: bool,
    /// The number of the bridge it belongs to.
    pub master: Option<u32>,
    /// Largest packet in bytes.
    pub mtu: u32,
    /// `bridge`, `veth` and so on; `None` for hardware and the loopback.
    pub kind: Option<String>,
}

/// Interfaces, addresses and routes of network namespaces. `None` for the namespace means the caller's.
pub trait Interfaces: Send + Sync {
    /// Carries out the changes in order and stops at the first that fails.
    fn apply(&self, ns: Option<&NetNs>, changes: &[Change]) -> Result<()>;
    /// All interfaces.
    fn links(&self, ns: Option<&NetNs>) -> Result<Vec<Link>>;
    /// All addresses, each with its interface's number.
    fn addresses(&self, ns: Option<&NetNs>) -> Result<Vec<(u32, Cidr)>>;
    /// The routes of the main table.
    fn routes(&self, ns: Option<&NetNs>) -> Result<Vec<Route>>;
    /// Reads a setting below `net`.
    fn sysctl(&self, ns: Option<&NetNs>, key: &str) -> Result<String>;
}
