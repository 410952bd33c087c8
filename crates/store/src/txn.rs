//! Transactions: what must hold, and what is then done.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Error, Record, Result, Revision};

/// The longest key, in bytes.
pub(crate) const MAX_KEY_BYTES: usize = 2048;
/// The most that the values of one transaction may hold together, in bytes. The API server's own limit on
/// a request (3 MiB) lies below it.
pub(crate) const MAX_TXN_BYTES: usize = 16 << 20;

/// A condition on one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compare {
    /// The key that is looked at.
    pub key: Arc<str>,
    /// Its mod revision must equal this; 0 says that the key must be absent.
    pub mod_revision: Revision,
}

impl Compare {
    /// `key` must have been last written at `mod_revision` (0: must be absent).
    pub fn at(key: impl Into<Arc<str>>, mod_revision: Revision) -> Self {
        Compare { key: key.into(), mod_revision }
    }

    /// `key` must not exist.
    pub fn absent(key: impl Into<Arc<str>>) -> Self {
        Compare::at(key, 0)
    }

    /// Whether the condition holds for the key's present record.
    pub(crate) fn holds(&self, current: Option<&Record>) -> bool {
        current.map_or(0, |r| r.mod_revision) == self.mod_revision
    }
}

/// A change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Writes the value, whether the key exists or not.
    Put(Arc<str>, Bytes),
    /// Removes the key; nothing happens when it is absent.
    Delete(Arc<str>),
}

impl Op {
    /// Writes `value` at `key`.
    pub fn put(key: impl Into<Arc<str>>, value: impl Into<Bytes>) -> Self {
        Op::Put(key.into(), value.into())
    }

    /// Removes `key`.
    pub fn delete(key: impl Into<Arc<str>>) -> Self {
        Op::Delete(key.into())
    }

    /// The key that the operation changes.
    pub fn key(&self) -> &Arc<str> {
        match self {
            Op::Put(key, _) | Op::Delete(key) => key,
        }
    }

    fn value_bytes(&self) -> usize {
        match self {
            Op::Put(_, value) => value.len(),
            Op::Delete(_) => 0,
        }
    }
}

/// When a committed transaction may be acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Once the disk has it.
    #[default]
    Durable,
    /// At once; a crash may lose the latest such writes (their revisions are not given out again). For
    /// what is written often and matters little: Events, heartbeats.
    Relaxed,
}

/// All compares must hold, then all operations happen at one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txn {
    /// What must hold.
    pub compares: Vec<Compare>,
    /// What is done, each key at most once.
    pub ops: Vec<Op>,
    /// When it may be acknowledged.
    pub durability: Durability,
}

impl Txn {
    /// A durable transaction.
    pub fn new(compares: Vec<Compare>, ops: Vec<Op>) -> Self {
        Txn { compares, ops, durability: Durability::Durable }
    }

    /// Creates `key`, which must be absent.
    pub fn create(key: impl Into<Arc<str>>, value: impl Into<Bytes>) -> Self {
        let key = key.into();
        Txn::new(vec![Compare::absent(key.clone())], vec![Op::put(key, value)])
    }

    /// Replaces the value of `key`, which must be at `mod_revision`.
    pub fn update(key: impl Into<Arc<str>>, mod_revision: Revision, value: impl Into<Bytes>) -> Self {
        let key = key.into();
        Txn::new(vec![Compare::at(key.clone(), mod_revision)], vec![Op::put(key, value)])
    }

    /// Deletes `key`, which must be at `mod_revision`.
    pub fn delete(key: impl Into<Arc<str>>, mod_revision: Revision) -> Self {
        let key = key.into();
        Txn::new(vec![Compare::at(key.clone(), mod_revision)], vec![Op::delete(key)])
    }

    /// The same with another durability.
    pub fn with(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Bytes of the values it writes.
    pub(crate) fn value_bytes(&self) -> usize {
        self.ops.iter().map(Op::value_bytes).sum()
    }

    /// The rules every engine holds a transaction to before it looks at any data.
    pub(crate) fn check(&self) -> Result<()> {
        let mut seen = BTreeSet::new();
        let keys = self.compares.iter().map(|c| &c.key).chain(self.ops.iter().map(Op::key));
        for key in keys {
            if key.is_empty() || key.len() > MAX_KEY_BYTES {
                return Err(Error::InvalidKey(key.len()));
            }
        }
        if let Some(op) = self.ops.iter().find(|op| !seen.insert(op.key())) {
            return Err(Error::DuplicateKey(op.key().to_string()));
        }
        let bytes = self.value_bytes();
        if bytes > MAX_TXN_BYTES { Err(Error::TooLarge(bytes)) } else { Ok(()) }
    }
}

/// How a transaction ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxnOutcome {
    /// All compares held and all operations happened.
    Committed {
        /// The transaction's own revision. A transaction that changed nothing (no operations, or only
        /// deletions of absent keys) has none and tells the current one.
        revision: Revision,
    },
    /// A compare did not hold; nothing happened.
    Failed {
        /// The store's revision when the compares were looked at.
        revision: Revision,
        /// The present records of the compared keys, in the order of the compares.
        current: Vec<Option<Record>>,
    },
}

impl TxnOutcome {
    /// The revision of a committed transaction, `None` for a failed one.
    pub fn committed(&self) -> Option<Revision> {
        match self {
            TxnOutcome::Committed { revision } => Some(*revision),
            TxnOutcome::Failed { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_transactions_are_refused() {
        let long = "k".repeat(MAX_KEY_BYTES + 1);
        let cases = [
            (Txn::create("a", "1"), Ok(())),
            (Txn::create("", "1"), Err(Error::InvalidKey(0))),
            (Txn::create(long.as_str(), "1"), Err(Error::InvalidKey(MAX_KEY_BYTES + 1))),
            (
                Txn::new(vec![], vec![Op::put("a", "1"), Op::delete("a")]),
                Err(Error::DuplicateKey("a".into())),
            ),
            (Txn::create("a", vec![0; MAX_TXN_BYTES + 1]), Err(Error::TooLarge(MAX_TXN_BYTES + 1))),
        ];
        for (txn, want) in cases {
            assert_eq!(txn.check(), want, "{:?}", txn.compares);
        }
    }
}
