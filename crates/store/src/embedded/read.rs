//! Reading: each call sees one consistent snapshot, the head included.

use std::sync::Arc;

use redb::{AccessGuard, Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable};

use super::format::{Head, LOG, META, VERSIONS, decode_version};
use crate::{Batch, Error, Event, Got, ListOptions, Page, Record, Result, Revision};

/// The versions of all keys, in a snapshot or in a write under way.
type Versions = ReadOnlyTable<(&'static str, u64), &'static [u8]>;

/// A version as it lies in the file: its key and revision, and its stored form.
type Stored<'a> = (AccessGuard<'a, (&'static str, u64)>, AccessGuard<'a, &'static [u8]>);

/// How much of history one step of a watch reads.
const STEP_ENTRIES: usize = 2048;
const STEP_BYTES: usize = 4 << 20;

/// One consistent view of the store.
pub(super) struct Snapshot {
    txn: ReadTransaction,
    pub head: Head,
    versions: Versions,
}

impl Snapshot {
    pub fn take(database: &Database) -> Result<Self> {
        let txn = database.begin_read().map_err(redb::Error::from)?;
        let head = Head::read(&txn.open_table(META).map_err(redb::Error::from)?)?;
        let versions = txn.open_table(VERSIONS).map_err(redb::Error::from)?;
        Ok(Snapshot { txn, head, versions })
    }

    pub fn get(&self, key: &str) -> Result<Got> {
        let record = record_at(&self.versions, key, self.head.revision)?;
        Ok(Got { record, revision: self.head.revision })
    }

    pub fn list(&self, prefix: &str, options: &ListOptions) -> Result<Page> {
        let at = options.at.unwrap_or(self.head.revision);
        if at > self.head.revision {
            return Err(Error::FutureRevision { current: self.head.revision });
        }
        if at < self.head.oldest {
            return Err(Error::Compacted { oldest: self.head.oldest });
        }
        Ok(list(&self.versions, prefix, options, at)?)
    }

    /// One step of the events of `prefix` above `after` and up to `until`: the batch (perhaps empty) says
    /// how far the step went. Transactions are not split.
    pub fn past(&self, prefix: &str, after: Revision, until: Revision) -> Result<Batch> {
        if after < self.head.oldest {
            return Err(Error::Compacted { oldest: self.head.oldest });
        }
        let log = self.txn.open_table(LOG).map_err(redb::Error::from)?;
        let (mut events, mut bytes, mut reached) = (Vec::new(), 0, after);
        let entries = log.range((after + 1, 0)..=(until, u32::MAX)).map_err(redb::Error::from)?;
        for (seen, entry) in entries.enumerate() {
            let (place, key) = entry.map_err(redb::Error::from)?;
            let (revision, _) = place.value();
            if revision != reached && (seen >= STEP_ENTRIES || bytes >= STEP_BYTES) {
                return Ok(Batch { revision: reached, events });
            }
            reached = revision;
            if key.value().starts_with(prefix) {
                let event = event_at(&self.versions, key.value(), revision)?;
                bytes += event.bytes();
                events.push(event);
            }
        }
        Ok(Batch { revision: until, events })
    }
}

/// The record of `key` at `revision`.
pub(super) fn record_at(
    versions: &impl ReadableTable<(&'static str, u64), &'static [u8]>,
    key: &str,
    revision: Revision,
) -> Result<Option<Record>, redb::Error> {
    match versions.range((key, 0)..=(key, revision))?.next_back() {
        Some(entry) => {
            let (place, stored) = entry?;
            decode_version(key, place.value().1, stored.value())
        }
        None => Ok(None),
    }
}

fn event_at(versions: &Versions, key: &str, revision: Revision) -> Result<Event, redb::Error> {
    let current = record_at(versions, key, revision)?;
    let previous = record_at(versions, key, revision - 1)?;
    Ok(Event { revision, key: Arc::from(key), current, previous })
}

fn list(versions: &Versions, prefix: &str, options: &ListOptions, at: Revision) -> Result<Page, redb::Error> {
    let limit = if options.limit == 0 { usize::MAX } else { options.limit };
    let start = options.start.as_str().max(prefix);
    let mut records = Vec::new();
    let mut newest: Option<Stored> = None;
    // The versions of one key follow each other, oldest first: the last one that is not too new shows.
    for entry in versions.range((start, 0)..)? {
        let (place, stored) = entry?;
        let (key, revision) = place.value();
        if !key.starts_with(prefix) {
            break;
        }
        if revision > at {
            continue;
        }
        let finished = newest.take_if(|(before, _)| before.value().0 != key);
        if let Some(record) = finished.map_or(Ok(None), decode)? {
            if records.len() == limit {
                return Ok(Page { records, revision: at, more: true });
            }
            records.push(record);
        }
        newest = Some((place, stored));
    }
    let last = newest.map_or(Ok(None), decode)?;
    let more = last.is_some() && records.len() == limit;
    records.extend(last.filter(|_| !more));
    Ok(Page { records, revision: at, more })
}

fn decode((place, stored): Stored) -> Result<Option<Record>, redb::Error> {
    let (key, revision) = place.value();
    decode_version(key, revision, stored.value())
}
