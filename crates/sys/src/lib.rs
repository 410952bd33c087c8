//! The kernel behind small traits: [`mounts`], control groups ([`cgroups`]), network namespaces
//! ([`netns`]), interfaces and routes ([`interfaces`]), packet rules ([`nft`]), tracked connections
//! ([`conntrack`]), memory that is given back ([`memory`]).
//!
//! Each trait has the real kernel and a fake that records what it was asked, so that everything above can
//! be tested without privileges. Nothing here knows Kubernetes, and every call blocks for microseconds to a
//! few milliseconds: an async caller that cares uses a blocking thread.

pub mod cgroups;
mod cidr;
pub mod conntrack;
mod error;
pub mod interfaces;
pub mod memory;
pub mod mounts;
mod netlink;
pub mod netns;
pub mod nft;

pub use cidr::{Cidr, InvalidCidr, address_bytes, address_from_bytes};
pub use error::{Error, Result};

/// Whether this process is root, which nearly everything here needs.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
