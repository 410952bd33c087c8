//! What is encoded once for all watchers of the same selection: the latest events that were sent together.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::Mutex;

use super::WatchEvent;

/// How many batches are kept: for slower and faster watchers, in JSON and protobuf.
const BATCHES: usize = 3;
/// The largest batch that is kept, in bytes.
const MOST: usize = 64 * 1024;

/// The latest batches of a room, as bytes.
#[derive(Debug, Default)]
pub(crate) struct Shared(Mutex<VecDeque<Batch>>);

#[derive(Debug)]
struct Batch {
    form: u64,
    /// They keep their entries alive, so that no other entry can be taken for one of them.
    events: Vec<WatchEvent>,
    bytes: Bytes,
}

impl Shared {
    /// The events in a form, encoded by `encode` unless somebody did so a moment ago. Every form has a number
    /// of its own.
    pub fn encoded<E>(
        &self,
        form: u64,
        events: Vec<WatchEvent>,
        encode: impl FnOnce(&[WatchEvent]) -> Result<Bytes, E>,
    ) -> Result<Bytes, E> {
        let is_it = |batch: &&Batch| batch.form == form && are_same(&batch.events, &events);
        if let Some(batch) = self.0.lock().iter().find(is_it) {
            return Ok(batch.bytes.clone());
        }
        let bytes = encode(&events)?;
        if bytes.len() <= MOST {
            let mut batches = self.0.lock();
            batches.truncate(BATCHES - 1);
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
    fn events_are_encoded_once_per_form() {
        let entry = || Entry::made(Arc::new(ConfigMap::default()));
        let (one, two) = (entry(), entry());
        let added = |entry: &Arc<Entry>| WatchEvent::Added(entry.clone());
        let modified = WatchEvent::Modified(one.clone());
        let shared = Shared::default();
        let mut made = Vec::new();
        for (form, events, expected) in [
            (1, vec![added(&one)], true),
            (1, vec![added(&one)], false),
            (2, vec![added(&one)], true),
            (1, vec![added(&one), added(&two)], true),
            (1, vec![modified], true),
            (1, vec![added(&one), added(&two)], false),
            (1, vec![added(&one)], true),
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
    }
}
