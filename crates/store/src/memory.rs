//! The engine that keeps everything in memory: the embedded engine's twin for tests and simulation.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use parking_lot::Mutex;

use crate::hub::{Backlog, Hub};
use crate::record::FIRST;
use crate::{
    Batch, Error, Event, Got, ListOptions, Op, Page, Record, Result, Revision, Size, Store, Txn, TxnOutcome,
    Watch,
};

/// A store that lives as long as the process.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
    hub: Hub,
}

#[derive(Debug)]
struct State {
    revision: Revision,
    oldest: Revision,
    keys: BTreeMap<Arc<str>, Vec<Version>>,
    log: VecDeque<(Revision, Arc<str>)>,
    closed: bool,
}

/// What one revision made of one key; no record means deleted.
#[derive(Clone, Debug)]
struct Version {
    revision: Revision,
    record: Option<Record>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::with_backlog(Backlog::default())
    }

    pub(crate) fn with_backlog(backlog: Backlog) -> Self {
        let state = State {
            revision: FIRST,
            oldest: FIRST,
            keys: BTreeMap::new(),
            log: VecDeque::new(),
            closed: false,
        };
        MemoryStore { state: Mutex::new(state), hub: Hub::new(FIRST, backlog) }
    }

    fn read<T>(&self, look: impl FnOnce(&State) -> Result<T>) -> Result<T> {
        let state = self.state.lock();
        if state.closed { Err(Error::Closed) } else { look(&state) }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

/// The newest of `versions` at or before `revision`.
fn version_at(versions: &[Version], revision: Revision) -> Option<&Version> {
    versions[..versions.partition_point(|v| v.revision <= revision)].last()
}

impl State {
    fn get(&self, key: &str, at: Revision) -> Option<&Record> {
        version_at(self.keys.get(key)?, at)?.record.as_ref()
    }

    fn list(&self, prefix: &str, options: &ListOptions) -> Result<Page> {
        let at = options.at.unwrap_or(self.revision);
        if at > self.revision {
            return Err(Error::FutureRevision { current: self.revision });
        }
        if at < self.oldest {
            return Err(Error::Compacted { oldest: self.oldest });
        }
        let start = options.start.as_str().max(prefix);
        let limit = if options.limit == 0 { usize::MAX } else { options.limit };
        let mut found = self
            .keys
            .range::<str, _>((Bound::Included(start), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter_map(|(_, versions)| version_at(versions, at)?.record.as_ref());
        let records = found.by_ref().take(limit).cloned().collect();
        Ok(Page { records, revision: at, more: found.next().is_some() })
    }

    /// Applies the transaction; its events when it was committed.
    fn apply(&mut self, txn: &Txn) -> (TxnOutcome, Vec<Event>) {
        let now = self.revision;
        if !txn.compares.iter().all(|c| c.holds(self.get(&c.key, now))) {
            let current = txn.compares.iter().map(|c| self.get(&c.key, now).cloned()).collect();
            return (TxnOutcome::Failed { revision: now, current }, Vec::new());
        }
        let revision = now + 1;
        let events: Vec<Event> = txn.ops.iter().filter_map(|op| self.event(op, revision)).collect();
        for event in &events {
            let version = Version { revision, record: event.current.clone() };
            self.keys.entry(event.key.clone()).or_default().push(version);
            self.log.push_back((revision, event.key.clone()));
        }
        if !events.is_empty() {
            self.revision = revision;
        }
        (TxnOutcome::Committed { revision: self.revision }, events)
    }

    fn event(&self, op: &Op, revision: Revision) -> Option<Event> {
        let previous = self.get(op.key(), self.revision).cloned();
        let current = match op {
            Op::Put(key, value) => Some(Record::put(key.clone(), value.clone(), revision, previous.as_ref())),
            Op::Delete(_) => {
                previous.as_ref()?;
                None
            }
        };
        Some(Event { revision, key: op.key().clone(), current, previous })
    }

    /// The events of `prefix` above `after`, in order.
    fn past(&self, prefix: &str, after: Revision) -> Vec<Event> {
        let first = self.log.partition_point(|(revision, _)| *revision <= after);
        let mine = self.log.range(first..).filter(|(_, key)| key.starts_with(prefix));
        mine.map(|(revision, key)| Event {
            revision: *revision,
            key: key.clone(),
            current: self.get(key, *revision).cloned(),
            previous: self.get(key, *revision - 1).cloned(),
        })
        .collect()
    }

    fn compact(&mut self, revision: Revision) {
        self.oldest = self.oldest.max(revision);
        while let Some((_, key)) = self.log.pop_front_if(|(at, _)| *at <= revision) {
            let Some(versions) = self.keys.get_mut(&key) else { continue };
            let visible = versions.partition_point(|v| v.revision <= revision);
            // The last visible one still shows at `revision`, unless it says that the key is gone.
            let keep = visible.saturating_sub(1);
            let gone = versions.get(keep).is_some_and(|v| v.revision <= revision && v.record.is_none());
            versions.drain(..keep + usize::from(gone));
            if versions.is_empty() {
                self.keys.remove(&key);
            }
        }
    }

    fn size(&self) -> Size {
        let mut size = Size::default();
        for versions in self.keys.values() {
            let last = versions.len().saturating_sub(1);
            for (i, version) in versions.iter().enumerate() {
                match &version.record {
                    Some(record) if i == last => {
                        size.records += 1;
                        size.live_bytes += record.bytes();
                    }
                    Some(record) => size.history_bytes += record.bytes(),
                    None => {}
                }
            }
        }
        size
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &str) -> Result<Got> {
        self.read(|s| Ok(Got { record: s.get(key, s.revision).cloned(), revision: s.revision }))
    }

    async fn list(&self, prefix: &str, options: ListOptions) -> Result<Page> {
        self.read(|s| s.list(prefix, &options))
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome> {
        txn.check()?;
        let mut state = self.state.lock();
        if state.closed {
            return Err(Error::Closed);
        }
        let (outcome, events) = state.apply(&txn);
        if !events.is_empty() {
            // Under the lock, so that watchers see revisions in order.
            self.hub.publish(state.revision, &events);
        }
        Ok(outcome)
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch> {
        self.read(|s| {
            if after < s.oldest {
                return Err(Error::Compacted { oldest: s.oldest });
            }
            let (live, revision) = self.hub.subscribe(prefix, after)?;
            let events = s.past(prefix, after);
            let past = (!events.is_empty()).then_some(Ok(Batch { revision, events }));
            Ok(Watch::new(futures::stream::iter(past).boxed(), live, after))
        })
    }

    async fn compact(&self, revision: Revision) -> Result<()> {
        let mut state = self.state.lock();
        match revision {
            _ if state.closed => Err(Error::Closed),
            r if r > state.revision => Err(Error::FutureRevision { current: state.revision }),
            r => {
                state.compact(r);
                Ok(())
            }
        }
    }

    async fn current_revision(&self) -> Result<Revision> {
        self.read(|s| Ok(s.revision))
    }

    async fn oldest_revision(&self) -> Result<Revision> {
        self.read(|s| Ok(s.oldest))
    }

    async fn size(&self) -> Result<Size> {
        self.read(|s| Ok(s.size()))
    }

    async fn close(&self) -> Result<()> {
        self.state.lock().closed = true;
        self.hub.close();
        Ok(())
    }
}
