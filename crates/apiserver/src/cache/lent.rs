//! The snapshots that watches begin with. Who reads slowly must not keep every state that once was: a snapshot is
//! taken back when the ring of changes has moved past it, for then the watch could not go on behind it.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::resource::Snapshot;

/// A snapshot, for as long as a watch can go on from it.
#[derive(Debug)]
pub(crate) struct Lent(Mutex<Option<Snapshot>>);

impl Lent {
    /// The snapshot; `None` once it was taken back.
    pub fn get(&self) -> Option<Snapshot> {
        self.0.lock().clone()
    }
}

/// The snapshots of one resource that are lent out, by the number of the first change behind each.
#[derive(Debug, Default)]
pub(super) struct Lending(Mutex<VecDeque<(u64, Weak<Lent>)>>);

impl Lending {
    /// Lends a snapshot; the same to all who come before the next change.
    pub fn lend(&self, next: u64, snapshot: Snapshot) -> Arc<Lent> {
        let mut all = self.0.lock();
        if let Some((last, lent)) = all.back()
            && *last == next
            && let Some(lent) = lent.upgrade()
        {
            return lent;
        }
        let lent = Arc::new(Lent(Mutex::new(Some(snapshot))));
        // Two who ask at the same time may come here in the wrong order.
        let at = all.partition_point(|(known, _)| *known <= next);
        all.insert(at, (next, Arc::downgrade(&lent)));
        lent
    }

    /// Takes back what lies before the change numbered `first`.
    pub fn take_back(&self, first: u64) {
        let mut all = self.0.lock();
        while let Some((next, lent)) = all.front() {
            let lent = lent.upgrade();
            if *next >= first && lent.is_some() {
                return;
            }
            all.pop_front();
            if let Some(lent) = lent {
                lent.0.lock().take();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_shared_and_taken_back() {
        let lending = Lending::default();
        let [a, b, c] = [3, 3, 5].map(|next| lending.lend(next, Snapshot::default()));
        assert!(Arc::ptr_eq(&a, &b) && !Arc::ptr_eq(&a, &c));
        lending.take_back(3);
        assert!(a.get().is_some());
        lending.take_back(4);
        assert_eq!((a.get().is_some(), c.get().is_some()), (false, true));
        drop(c);
        lending.take_back(4);
        assert!(lending.0.lock().is_empty(), "nobody has it any more");
    }
}
