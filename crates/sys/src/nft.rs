//! Packet rules: tables, chains, sets, maps and rules of nftables, changed in batches of which the kernel
//! does all or nothing.
//!
//! A [`Batch`] is a list of [`Change`]s; a rule is a list of [`Expr`]essions that work on [`Reg`]isters, as
//! in the kernel. Names and types are chosen so that `nft list ruleset` shows what was built.

mod batch;
mod encode;
mod expr;
mod fake;
mod kernel;
mod set;

pub use batch::{Batch, Chain, Change, Hook, HookKind, Table};
pub use expr::{CtKey, Dynamic, Expr, MetaKey, PayloadBase, Reg, Rejection, Verdict};
pub use fake::FakeNft;
pub use kernel::{KernelNft, tables};
pub use set::{Data, DataType, Element, Field, Key, Set};

use crate::Result;

/// Which packets a table sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Those of version 4.
    V4,
    /// Those of version 6.
    V6,
}

impl Family {
    /// The kernel's number.
    pub(crate) fn number(self) -> u8 {
        match self {
            Family::V4 => libc::NFPROTO_IPV4 as u8,
            Family::V6 => libc::NFPROTO_IPV6 as u8,
        }
    }
}

/// The packet rules of a network namespace.
pub trait Nft: Send + Sync {
    /// Does all changes of the batch at once, or none.
    fn commit(&self, batch: Batch) -> Result<()>;
}
