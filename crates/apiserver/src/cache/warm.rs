//! Which stored entries hold more than their text: those that were used lately. A form costs microseconds to make
//! again, and more memory than the text it is made of.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::Entry;

/// Bytes of text whose other forms are kept.
const MOST: usize = 2 << 20;
/// What an entry counts beside its text: about what a typed object without content takes.
const EACH: usize = 1024;
/// Entries looked at when one is added.
const LOOKS: usize = 3;

static WARM: Mutex<Warm> = Mutex::new(Warm::new(MOST));

/// The entry holds more than its `bytes` of text from now on.
pub(super) fn add(entry: &Weak<Entry>, bytes: usize) {
    WARM.lock().add(entry.clone(), bytes);
}

/// Entries in the order in which they were made warm, or last found to be in use.
struct Warm {
    entries: VecDeque<(Weak<Entry>, usize)>,
    bytes: usize,
    most: usize,
}

impl Warm {
    const fn new(most: usize) -> Self {
        Warm { entries: VecDeque::new(), bytes: 0, most }
    }

    /// Adds an entry, and cools some of the oldest when there are too many. What is in use stays, and may be
    /// more than the bound: whoever holds the objects would hold them all the same.
    fn add(&mut self, entry: Weak<Entry>, bytes: usize) {
        self.entries.push_back((entry, bytes + EACH));
        self.bytes += bytes + EACH;
        for _ in 0..LOOKS {
            if self.bytes <= self.most {
                return;
            }
            let Some((entry, bytes)) = self.entries.pop_front() else { return };
            let cooled = entry.upgrade().is_none_or(|entry: Arc<Entry>| entry.cool());
            if cooled {
                self.bytes -= bytes;
            } else {
                self.entries.push_back((entry, bytes));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use corten_api::Kind;
    use corten_api::core::v1::ConfigMap;

    use super::*;
    use crate::cache::form;

    #[test]
    fn the_oldest_that_nobody_uses_go() {
        let value = form::stored(&ConfigMap::default());
        let entries: Vec<_> =
            (0..10).map(|n| Entry::stored(ConfigMap::INFO, format!("{n}").into(), 1, &value, None)).collect();
        let mut warm = Warm::new(4 * EACH);
        let mut held = Vec::new();
        for (number, entry) in entries.iter().enumerate() {
            let object = entry.object();
            if number == 1 {
                held.push(object);
            }
            warm.add(Arc::downgrade(entry), 0);
        }
        assert_eq!(warm.bytes, warm.entries.len() * EACH);
        assert!(warm.entries.len() <= 5, "{}", warm.entries.len());
        let kept =
            |entry: &Arc<Entry>| warm.entries.iter().any(|(weak, _)| weak.as_ptr() == Arc::as_ptr(entry));
        assert_eq!(
            [0, 1, 2, 9].map(|number| kept(&entries[number])),
            [false, true, false, true],
            "the one that is held stays, and the newest"
        );
        drop(entries);
        (0..4).for_each(|_| warm.add(Weak::new(), 0));
        assert!(warm.bytes <= warm.most);
    }
}
