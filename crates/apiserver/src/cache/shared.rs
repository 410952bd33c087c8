//! What is encoded once for all watchers of the same selection: the latest events that were sent together.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use super::WatchEvent;

/// How many bytes of batches are kept: what many watchers are told at a time, in JSON and protobuf.
const MOST: usize = 256 * 1024;

/// The latest batches of a room, as bytes.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    batches: Mutex<VecDeque<Batch>>,
    /// How many watchers there are. One alone has nobody to share with.
    watchers: AtomicUsize,
}

#[derive(Debug)]
struct Batch {
    form: u64,
    /// They keep their entries alive, so that no other entry can be taken for one of them.
    events: Vec<WatchEvent>,
    bytes: Bytes,
}

impl Shared {
    /// Says how many watchers share.
    pub fn is_among(&self, watchers: usize) {
        self.watchers.store(watchers, Ordering::Relaxed);
        if watchers < 2 {
            *self.batches.lock() = VecDeque::new();
        }
    }

    /// The events in a form, encoded by `encode` unless somebody did so a moment ago. Every form has a number
    /// of its own.
    pub fn encoded<E>(
        &self,
        form: u64,
        events: Vec<WatchEvent>,
        encode: impl FnOnce(&[WatchEvent]) -> Result<Bytes, E>,
    ) -> Result<Bytes, E> {
        if self.watchers.load(Ordering::Relaxed) < 2 {
            return encode(&events);
        }
        let is_it = |batch: &&Batch| batch.form == form && are_same(&batch.events, &events);
        if let Some(batch) = self.batches.lock().iter().find(is_it) {
            return Ok(batch.bytes.clone());
        }
        let bytes = encode(&events)?;
        if bytes.len() <= MOST {
            let mut batches = self.batches.lock();
            let mut room = MOST - bytes.len();
            let fits = |batch: &Batch| {
                let fits = batch.bytes.len() <= room;
                room = room.saturating_sub(batch.bytes.len());
                fits
            };
            let kept = batches.iter().map(fits).take_while(|fits| *fits).count();
            batches.truncate(kept);
            batches.push_front(Batch { form, events, bytes: bytes.clone() });
        }
        Ok(bytes)
    }
}

fn are_same(one: &[WatchEvent], other: &[WatchEvent]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.is_same(other))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use corten_api::core::v1::ConfigMap;

    use super::super::Entry;
    use super::*;

    #[test]
    fn so_many_bytes_are_kept() {
        let shared = Shared::default();
        shared.is_among(2);
        let entry = Entry::made(Arc::new(ConfigMap::default()));
        let mut form = 0;
        for (size, kept) in
            [(MOST / 2, 1), (MOST / 4, 2), (MOST / 4, 3), (MOST / 8, 3), (MOST + 1, 3), (MOST, 1)]
        {
            let events = vec![WatchEvent::Added(entry.clone())];
            form += 1;
            let encoded = shared.encoded(form, events, |_| Ok::<_, Infallible>(vec![0; size].into()));
            assert_eq!(encoded.map(|bytes| bytes.len()), Ok(size));
            assert_eq!(shared.batches.lock().len(), kept, "after {size} bytes");
        }
    }

    #[test]
    fn events_are_encoded_once_per_form() {
        let entry = || Entry::made(Arc::new(ConfigMap::default()));
        let (one, two) = (entry(), entry());
        let added = |entry: &Arc<Entry>| WatchEvent::Added(entry.clone());
        let modified = WatchEvent::Modified(one.clone());
        let shared = Shared::default();
        shared.is_among(2);
        let mut made = Vec::new();
        for (form, events, expected) in [
            (1, vec![added(&one)], true),
            (1, vec![added(&one)], false),
            (2, vec![added(&one)], true),
            (1, vec![added(&one), added(&two)], true),
            (1, vec![modified], true),
            (1, vec![added(&one), added(&two)], false),
            (1, vec![added(&one)], false),
        ] {
            let mut encoded = false;
            let bytes = shared.encoded(form, events, |_| {
                encoded = true;
                Ok::<_, Infallible>(Bytes::from_static(b"frame"))
            });
            assert_eq!(bytes, Ok(Bytes::from_static(b"frame")));
            made.push(encoded == expected);
        }
        assert!(made.iter().all(|right| *right), "{made:?}");
        let bookmark = || vec![WatchEvent::Bookmark { revision: 1, initial_end: false }];
        for _ in 0..2 {
            let failed = shared.encoded(1, bookmark(), |_| Err("encoded anew"));
            assert_eq!(failed, Err("encoded anew"));
        }
        shared.is_among(1);
        assert!(shared.batches.lock().is_empty(), "one alone shares with nobody");
        let encoded = shared.encoded(1, vec![added(&one)], |_| Ok::<_, Infallible>(Bytes::new()));
        assert!(encoded.is_ok() && shared.batches.lock().is_empty());
    }
}
