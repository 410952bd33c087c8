//! The latest changes of one resource, bounded by count, bytes and age.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use corten_rt::Instant;
use corten_store::Revision;

use super::Entry;

/// One change of one object.
#[derive(Debug)]
pub(crate) struct Change {
    pub revision: Revision,
    /// The object now; `None` when it was deleted.
    pub current: Option<Arc<Entry>>,
    /// The object before; `None` when it was created.
    pub previous: Option<Arc<Entry>>,
    /// The object before, with this change's revision: what a watcher gets for which it is gone.
    gone: OnceLock<Arc<Entry>>,
}

impl Change {
    pub fn new(revision: Revision, current: Option<Arc<Entry>>, previous: Option<Arc<Entry>>) -> Self {
        Change { revision, current, previous, gone: OnceLock::new() }
    }

    /// The previous object with this change's revision, made once for all watchers.
    pub fn gone(&self) -> Option<Arc<Entry>> {
        let previous = self.previous.as_ref()?;
        Some(self.gone.get_or_init(|| previous.deleted_at(self.revision)).clone())
    }

    /// The object now and before, as far as there was one.
    pub fn states(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.current.iter().chain(&self.previous)
    }

    /// Bytes that only the ring keeps alive: the state that was replaced.
    fn bytes(&self) -> usize {
        128 + self.previous.as_ref().map_or(0, |e| e.bytes())
    }
}

/// How much a ring keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub changes: usize,
    pub bytes: usize,
    /// Changes older than this go when there are more than `few`.
    pub age: Duration,
    pub few: usize,
}

impl Limits {
    /// For resources whose objects are large and seldom change.
    pub fn of_large() -> Self {
        Limits { bytes: 512 << 10, ..Limits::default() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits { changes: 16_384, bytes: 8 << 20, age: Duration::from_secs(300), few: 256 }
    }
}

/// Changes in order of revision, each with a number that only grows.
#[derive(Debug)]
pub(crate) struct Ring {
    changes: VecDeque<(Instant, Arc<Change>)>,
    /// The number of the first change kept.
    first: u64,
    bytes: usize,
    /// Changes up to this revision may be missing.
    floor: Revision,
    limits: Limits,
}

impl Ring {
    /// An empty ring that knows all changes after `floor`.
    pub fn new(floor: Revision, limits: Limits) -> Self {
        Ring { changes: VecDeque::new(), first: 0, bytes: 0, floor, limits }
    }

    /// Adds the newest change, and drops the oldest ones beyond the limits. It is given back with its number.
    pub fn push(&mut self, now: Instant, change: Change) -> (u64, Arc<Change>) {
        let added = (self.end(), Arc::new(change));
        self.bytes += added.1.bytes();
        self.changes.push_back((now, Arc::clone(&added.1)));
        while self.is_over(now) {
            let Some((_, change)) = self.changes.pop_front() else { break };
            self.bytes -= change.bytes();
            self.first += 1;
            self.floor = change.revision;
        }
        added
    }

    fn is_over(&self, now: Instant) -> bool {
        let len = self.changes.len();
        let old = |(at, _): &(Instant, _)| now.duration_since(*at) > self.limits.age;
        len > self.limits.changes
            || (len > 1 && self.bytes > self.limits.bytes)
            || (len > self.limits.few && self.changes.front().is_some_and(old))
    }

    /// The number of the oldest change that is kept.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The number that the next change will get.
    pub fn end(&self) -> u64 {
        self.first + self.changes.len() as u64
    }

    /// The revision up to which changes may be missing.
    pub fn floor(&self) -> Revision {
        self.floor
    }

    /// The number of the first change after `revision`; `None` when some of those are gone.
    pub fn after(&self, revision: Revision) -> Option<u64> {
        if revision < self.floor {
            return None;
        }
        let skipped = self.changes.partition_point(|(_, c)| c.revision <= revision);
        Some(self.first + skipped as u64)
    }

    /// Up to `most` changes from number `from` on; `None` when that one is gone already.
    pub fn read(&self, from: u64, most: usize) -> Option<Vec<Arc<Change>>> {
        let skip = usize::try_from(from.checked_sub(self.first)?).ok()?;
        Some(self.changes.iter().skip(skip).take(most).map(|(_, c)| c.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(revisions: std::ops::RangeInclusive<u64>, limits: Limits) -> Ring {
        let mut ring = Ring::new(revisions.start() - 1, limits);
        let now = Instant::now();
        revisions.for_each(|r| drop(ring.push(now, Change::new(r, None, None))));
        ring
    }

    #[tokio::test]
    async fn the_oldest_changes_go_first_and_are_known_to_be_gone() {
        let ring = ring(11..=20, Limits { changes: 4, ..Limits::default() });
        for (revision, want) in [(20, Some(10)), (25, Some(10)), (16, Some(6)), (15, None), (0, None)] {
            assert_eq!(ring.after(revision), want, "after {revision}");
        }
        let read =
            |from, most| ring.read(from, most).map(|c| c.iter().map(|c| c.revision).collect::<Vec<_>>());
        assert_eq!(read(6, 9), Some(vec![17, 18, 19, 20]));
        assert_eq!(read(8, 1), Some(vec![19]));
        assert_eq!(read(10, 9), Some(vec![]));
        assert_eq!(read(5, 9), None);
    }

    #[tokio::test]
    async fn bytes_are_bounded_too() {
        let ring = ring(1..=100, Limits { bytes: 128 * 10, ..Limits::default() });
        assert_eq!(ring.after(89), None);
        assert_eq!(ring.after(90), Some(90));
    }
}
