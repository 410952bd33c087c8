//! Revisioned bytes, the ground of the API server's storage: keys are paths, values are bytes, and every
//! committed transaction gets the next number of one global sequence of revisions. A [`Store`] answers
//! `get`, `list` (also as of an older revision), `txn` (compare, then put and delete), `watch` and
//! `compact`; nothing here knows Kubernetes or HTTP.
//!
//! Engines: [`MemoryStore`] keeps all in memory, for tests and simulation; [`EmbeddedStore`] keeps a data
//! directory of its own. They are twins: one suite of tests runs over both. [`CompactionPolicy`] says how
//! much history either keeps.

mod compaction;
mod embedded;
mod error;
mod hub;
mod memory;
mod record;
mod store;
mod txn;
mod watch;

pub use compaction::{CompactionPolicy, compact_in_background};
pub use embedded::{EmbeddedOptions, EmbeddedStore};
pub use error::{Error, Result};
pub use memory::MemoryStore;
pub use record::{Batch, Event, Record, Revision};
pub use store::{Got, ListOptions, Page, Size, Store};
pub use txn::{Compare, Durability, Op, Txn, TxnOutcome};
pub use watch::Watch;
