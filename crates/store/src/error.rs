//! What can go wrong, told so that the caller knows what to do next.

use crate::Revision;

/// Shorthand for this crate's results.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a store refused or failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The revision asked for is gone; list again, or ask from `oldest` on.
    #[error("the revision has been compacted; the oldest one kept is {oldest}")]
    Compacted {
        /// The oldest revision that can still be listed or watched from.
        oldest: Revision,
    },
    /// The revision asked for has not happened yet.
    #[error("the revision lies in the future; the current one is {current}")]
    FutureRevision {
        /// The store's current revision.
        current: Revision,
    },
    /// The watcher read too slowly, or the store had to reopen its file: list again and watch from there.
    #[error("the watch fell behind the store; list again and watch from that revision")]
    Lagged,
    /// One transaction names a key twice among its operations.
    #[error("key {0:?} is written twice in one transaction; merge the two operations")]
    DuplicateKey(String),
    /// The key is empty or too long.
    #[error("key of {0} bytes: a key has 1 to {max} bytes", max = crate::txn::MAX_KEY_BYTES)]
    InvalidKey(usize),
    /// The transaction is larger than the store takes.
    #[error(
        "the transaction carries {0} bytes, more than the {max} that one may",
        max = crate::txn::MAX_TXN_BYTES
    )]
    TooLarge(usize),
    /// The disk or file failed. For a write: it was not acknowledged, and may or may not be there.
    #[error("storage failed: {0}; check the disk's space and health, then read back what was written")]
    Storage(String),
    /// The data directory cannot be used.
    #[error("{0}")]
    Open(String),
    /// What is stored cannot be read by whoever stands between the caller and the engine.
    #[error("{0}")]
    Unreadable(String),
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}
