//! Records, and the events that change them.

use std::sync::Arc;

use bytes::Bytes;

/// A position in the store's one history. 1 is the empty store, as in etcd; the first write makes 2.
pub type Revision = u64;

/// The revision of a store nothing was ever written to.
pub(crate) const FIRST: Revision = 1;

/// One key with its value, as of some revision. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The key, a path.
    pub key: Arc<str>,
    /// The value.
    pub value: Bytes,
    /// The revision that created the key, since it was last deleted.
    pub create_revision: Revision,
    /// The revision that wrote this value.
    pub mod_revision: Revision,
    /// How often the key was written since it was created; 1 at creation.
    pub version: u64,
}

impl Record {
    /// The record that a put at `revision` makes over `previous`.
    pub(crate) fn put(key: Arc<str>, value: Bytes, revision: Revision, previous: Option<&Record>) -> Self {
        Record {
            key,
            value,
            create_revision: previous.map_or(revision, |p| p.create_revision),
            mod_revision: revision,
            version: previous.map_or(1, |p| p.version + 1),
        }
    }

    /// Bytes that count for sizes: key and value.
    pub(crate) fn bytes(&self) -> u64 {
        (self.key.len() + self.value.len()) as u64
    }
}

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The revision of the transaction that made the change.
    pub revision: Revision,
    /// The key that changed.
    pub key: Arc<str>,
    /// The record now; `None` when the change is a deletion.
    pub current: Option<Record>,
    /// The record before; `None` when the change is a creation.
    pub previous: Option<Record>,
}

impl Event {
    /// Bytes that the event keeps alive.
    pub(crate) fn bytes(&self) -> usize {
        let of = |r: &Option<Record>| r.as_ref().map_or(0, |r| r.value.len());
        self.key.len() + of(&self.current) + of(&self.previous)
    }
}

/// Events in order of revision, never splitting one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Every event of the watch up to this revision has been handed out with this batch.
    pub revision: Revision,
    /// The events; transactions committed together arrive together.
    pub events: Vec<Event>,
}
