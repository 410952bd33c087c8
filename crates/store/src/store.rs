//! The trait that every engine fulfils.

use async_trait::async_trait;

use crate::{Record, Result, Revision, Txn, TxnOutcome, Watch};

/// The answer to a get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    /// The record; `None` when the key is absent.
    pub record: Option<Record>,
    /// The store's revision when it was read.
    pub revision: Revision,
}

/// What a list is to hold beyond its prefix. The default is everything, now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// The first key to return, itself included; empty for the first of the prefix.
    pub start: String,
    /// The most records to return; 0 for all.
    pub limit: usize,
    /// The revision to list at; `None` for the current one.
    pub at: Option<Revision>,
}

/// One page of a list, in order of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The records.
    pub records: Vec<Record>,
    /// The revision that the page shows.
    pub revision: Revision,
    /// Whether records follow; continue with the last key and a NUL appended as `start`, at `revision`.
    pub more: bool,
}

/// How much a store holds, in bytes of keys and values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Keys that exist now.
    pub records: u64,
    /// Bytes of the current records.
    pub live_bytes: u64,
    /// Bytes kept for older revisions only; compaction frees them.
    pub history_bytes: u64,
    /// Bytes of the store's files; 0 when it has none.
    pub disk_bytes: u64,
}

/// Revisioned bytes. Revisions grow by one with every committed transaction that changes something, and
/// are never given out twice, crashes included.
#[async_trait]
pub trait Store: std::fmt::Debug + Send + Sync + 'static {
    /// Reads one key, now.
    async fn get(&self, key: &str) -> Result<Got>;

    /// Reads the keys that begin with `prefix`. [`Compacted`](crate::Error::Compacted) or
    /// [`FutureRevision`](crate::Error::FutureRevision) when the revision asked for cannot be shown.
    async fn list(&self, prefix: &str, options: ListOptions) -> Result<Page>;

    /// Checks and changes, atomically. A storage error leaves it open whether the change is there.
    /// Dropping the future does not take the transaction back.
    async fn txn(&self, txn: Txn) -> Result<TxnOutcome>;

    /// Hands out every event of keys that begin with `prefix` with a revision above `after`, in order and
    /// without gaps; first from history, then as they happen.
    /// [`Compacted`](crate::Error::Compacted) when history does not reach back to `after`.
    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch>;

    /// Forgets what only revisions below `revision` show; `revision` itself can still be listed and
    /// watched from. Returns once space is free for new data. Does nothing for what is compacted already.
    async fn compact(&self, revision: Revision) -> Result<()>;

    /// The revision of the latest committed transaction.
    async fn current_revision(&self) -> Result<Revision>;

    /// The oldest revision that can be listed or watched from.
    async fn oldest_revision(&self) -> Result<Revision>;

    /// How much the store holds.
    async fn size(&self) -> Result<Size>;

    /// Writes out what was acknowledged early, ends all watches, and refuses what comes later.
    async fn close(&self) -> Result<()>;
}
