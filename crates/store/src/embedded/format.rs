//! What lies in the file: three tables and how their values are written.
//!
//! `versions` holds every kept version of every key, so a list at an older revision is one scan and a value
//! is written once; `log` names the keys of each revision in order, for watches and compaction; `meta`
//! holds the format's number and the [`Head`].

use std::sync::Arc;

use bytes::Bytes;
use redb::{ReadableTable, TableDefinition};

use crate::record::FIRST;
use crate::{Record, Revision};

/// (key, mod revision) to create revision, version and value; nothing at all for a deletion.
pub(super) const VERSIONS: TableDefinition<(&str, u64), &[u8]> = TableDefinition::new("versions");
/// (revision, place within its transaction) to key.
pub(super) const LOG: TableDefinition<(u64, u32), &str> = TableDefinition::new("log");
/// Named figures.
pub(super) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");

/// The number of this layout. Raise it with every change that an older program would misread.
pub(super) const FORMAT: u64 = 1;
pub(super) const FORMAT_KEY: &str = "format";
const HEAD_KEY: &str = "head";
const HEADER: usize = 16;

/// Where the store stands; written with every commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The latest committed revision.
    pub revision: Revision,
    /// No revision above this was acknowledged before the disk had it.
    pub reserved: Revision,
    /// The oldest revision that can be listed or watched from.
    pub oldest: Revision,
    /// Keys that exist.
    pub records: u64,
    /// Bytes of the current records.
    pub live_bytes: u64,
    /// Bytes of the older versions.
    pub history_bytes: u64,
}

impl Head {
    pub fn empty() -> Self {
        Head { revision: FIRST, reserved: FIRST, oldest: FIRST, records: 0, live_bytes: 0, history_bytes: 0 }
    }

    pub fn read(meta: &impl ReadableTable<&'static str, &'static [u8]>) -> Result<Self, redb::Error> {
        let Some(stored) = meta.get(HEAD_KEY)? else { return Ok(Head::empty()) };
        Self::decode(stored.value()).ok_or_else(|| corrupted("the head has a wrong length"))
    }

    pub fn write(&self, meta: &mut redb::Table<'_, &'static str, &'static [u8]>) -> Result<(), redb::Error> {
        meta.insert(HEAD_KEY, self.encode().as_slice())?;
        Ok(())
    }

    fn encode(&self) -> Vec<u8> {
        [self.revision, self.reserved, self.oldest, self.records, self.live_bytes, self.history_bytes]
            .iter()
            .flat_map(|figure| figure.to_le_bytes())
            .collect()
    }

    fn decode(stored: &[u8]) -> Option<Self> {
        let (figures, rest) = stored.as_chunks::<8>();
        let [revision, reserved, oldest, records, live_bytes, history_bytes] = figures else { return None };
        let [revision, reserved, oldest, records, live_bytes, history_bytes] =
            [revision, reserved, oldest, records, live_bytes, history_bytes].map(|f| u64::from_le_bytes(*f));
        rest.is_empty().then_some(Head { revision, reserved, oldest, records, live_bytes, history_bytes })
    }
}

/// The stored form of a version; empty for a deletion.
pub(super) fn encode_version(record: Option<&Record>) -> Vec<u8> {
    let Some(record) = record else { return Vec::new() };
    let mut stored = Vec::with_capacity(HEADER + record.value.len());
    stored.extend_from_slice(&record.create_revision.to_le_bytes());
    stored.extend_from_slice(&record.version.to_le_bytes());
    stored.extend_from_slice(&record.value);
    stored
}

/// The record of a stored version; `None` for a deletion.
pub(super) fn decode_version(
    key: &str,
    mod_revision: Revision,
    stored: &[u8],
) -> Result<Option<Record>, redb::Error> {
    if stored.is_empty() {
        return Ok(None);
    }
    let Some(([create_revision, version], value)) = header(stored) else {
        return Err(corrupted("a version is cut off"));
    };
    let value = Bytes::copy_from_slice(value);
    Ok(Some(Record { key: Arc::from(key), value, create_revision, mod_revision, version }))
}

fn header(stored: &[u8]) -> Option<([u64; 2], &[u8])> {
    let (header, value) = stored.split_first_chunk::<HEADER>()?;
    let (figures, _) = header.as_chunks::<8>();
    let [create_revision, version] = figures else { return None };
    Some(([u64::from_le_bytes(*create_revision), u64::from_le_bytes(*version)], value))
}

/// Bytes that a stored version counts for: key and value, nothing for a deletion.
pub(super) fn version_bytes(key: &str, stored: &[u8]) -> u64 {
    if stored.is_empty() { 0 } else { (key.len() + stored.len().saturating_sub(HEADER)) as u64 }
}

pub(super) fn corrupted(what: &str) -> redb::Error {
    redb::Error::Corrupted(what.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_and_versions_come_back_as_written() {
        let head =
            Head { revision: 9, reserved: 4096, oldest: 3, records: 2, live_bytes: 77, history_bytes: 5 };
        assert_eq!(Head::decode(&head.encode()), Some(head));
        assert_eq!(Head::decode(&head.encode()[1..]), None);
        for value in ["", "some value"] {
            let record = Record {
                key: "/a".into(),
                value: value.into(),
                create_revision: 3,
                mod_revision: 7,
                version: 2,
            };
            let stored = encode_version(Some(&record));
            assert_eq!(version_bytes("/a", &stored), record.bytes());
            assert_eq!(decode_version("/a", 7, &stored).expect("whole"), Some(record));
        }
        assert_eq!(decode_version("/a", 7, &encode_version(None)).expect("whole"), None);
        assert!(decode_version("/a", 7, &[1; 15]).is_err());
    }
}
