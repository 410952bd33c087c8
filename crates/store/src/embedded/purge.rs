//! Compaction: removing versions that no kept revision shows, and giving the file's space back.

use redb::{Database, ReadableTable};

use super::file::StoreFile;
use super::format::{Head, LOG, META, VERSIONS, version_bytes};
use crate::{Result, Revision};

/// How many changes one piece of a compaction looks at; writers wait no longer than one piece takes.
const PIECE_ENTRIES: usize = 1024;

/// One piece of a compaction, committed.
pub(super) struct Piece {
    pub head: Head,
    pub finished: bool,
}

/// Removes what the oldest kept revision hides, for the next few entries of the log.
pub(super) fn piece(file: &StoreFile, database: &Database, mut head: Head) -> Result<Piece> {
    let txn = file.begin(database)?;
    let finished = purge(&txn, &mut head)?;
    head.write(&mut txn.open_table(META).map_err(redb::Error::from)?)?;
    txn.commit().map_err(redb::Error::from)?;
    Ok(Piece { head, finished })
}

fn purge(txn: &redb::WriteTransaction, head: &mut Head) -> Result<bool, redb::Error> {
    let mut log = txn.open_table(LOG)?;
    let mut versions = txn.open_table(VERSIONS)?;
    let mut entries = Vec::new();
    for entry in log.range(..=(head.oldest, u32::MAX))?.take(PIECE_ENTRIES) {
        let (place, key) = entry?;
        entries.push((place.value(), key.value().to_owned()));
    }
    for (place, key) in &entries {
        log.remove(*place)?;
        for revision in hidden(&versions, key, head.oldest)? {
            if let Some(removed) = versions.remove((key.as_str(), revision))? {
                head.history_bytes = head.history_bytes.saturating_sub(version_bytes(key, removed.value()));
            }
        }
    }
    Ok(entries.len() < PIECE_ENTRIES)
}

/// The revisions of those versions of `key` that neither `oldest` nor any later revision shows.
fn hidden(
    versions: &impl ReadableTable<(&'static str, u64), &'static [u8]>,
    key: &str,
    oldest: Revision,
) -> Result<Vec<Revision>, redb::Error> {
    let mut revisions = Vec::new();
    let mut deleted = false;
    for entry in versions.range((key, 0)..=(key, oldest))? {
        let (place, stored) = entry?;
        revisions.push(place.value().1);
        deleted = stored.value().is_empty();
    }
    // The last one still shows, unless all it says is that the key is gone.
    if !deleted {
        revisions.pop();
    }
    Ok(revisions)
}

/// Decides when the file is worth making smaller.
#[derive(Debug)]
pub(super) struct Shrinking {
    above: u64,
    last: Option<Shrunk>,
}

/// What the file came to when it was last made smaller.
#[derive(Clone, Copy, Debug)]
struct Shrunk {
    file: u64,
    data: u64,
}

impl Shrinking {
    /// Leaves files of at most `bytes` alone.
    pub fn above(bytes: u64) -> Self {
        Shrinking { above: bytes, last: None }
    }

    /// Shrinks the file if it is more than twice as large as its data needs.
    pub fn consider(&mut self, file: &StoreFile, data: u64) -> Result<()> {
        let before = file.bytes()?;
        if !self.pays(before, data) {
            return Ok(());
        }
        file.shrink()?;
        let after = file.bytes()?;
        tracing::info!(before, after, data, "gave back the store's free space");
        self.last = Some(Shrunk { file: after, data });
        Ok(())
    }

    /// What a page tree needs for its data varies with the records' sizes, so after the first time the
    /// file is held against what it then came to for that much data.
    fn pays(&self, file: u64, data: u64) -> bool {
        let needed = match self.last {
            Some(last) if data >= last.data => data.max(last.file),
            Some(last) => data.max((last.file as f64 * data as f64 / last.data as f64) as u64),
            None => data,
        };
        file > self.above && file / 2 > needed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shrinking_pays_only_for_a_file_twice_too_large() {
        const MIB: u64 = 1 << 20;
        let last = |file, data| Some(Shrunk { file: file * MIB, data: data * MIB });
        let cases = [
            ("small file", None, 15, 1, false),
            ("mostly used", None, 100, 60, false),
            ("mostly free", None, 100, 30, true),
            ("no better last time", last(90, 30), 100, 30, false),
            ("grown since", last(90, 30), 190, 35, true),
            ("data gone since", last(90, 30), 95, 10, true),
            ("all data gone", last(90, 30), 95, 0, true),
        ];
        for (name, last, file, data, want) in cases {
            let shrinking = Shrinking { above: 16 * MIB, last };
            assert_eq!(shrinking.pays(file * MIB, data * MIB), want, "{name}");
        }
    }
}
