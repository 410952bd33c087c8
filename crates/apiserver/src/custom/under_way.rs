//! Conversions that are being made: of many who want the same, one makes it, and the others wait.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;

use corten_api::KindInfo;
use corten_semantics::ApiError;
use parking_lot::Mutex;
use tokio::sync::watch::{self, Receiver, Sender};

use crate::cache::Entry;

/// An entry, which lives as long as its claim, and the version that it is converted into.
type Key = (usize, &'static str);

/// Tells why a conversion failed; ends without a word when it is made, or given up.
type Outcome = Receiver<Option<ApiError>>;

/// Who converts what.
#[derive(Default)]
pub(super) struct UnderWay(Mutex<HashMap<Key, Outcome>>);

/// Entries that the holder is to convert.
pub(super) struct Claim<'a> {
    under_way: &'a UnderWay,
    version: &'static str,
    entries: Vec<Arc<Entry>>,
    outcome: Sender<Option<ApiError>>,
}

fn key(entry: &Arc<Entry>, version: &'static str) -> Key {
    (Arc::as_ptr(entry) as usize, version)
}

impl UnderWay {
    /// Claims those that nobody converts yet; of the others, the outcomes to wait for.
    pub fn claim(&self, entries: Vec<Arc<Entry>>, kind: &'static KindInfo) -> (Claim<'_>, Vec<Outcome>) {
        let (outcome, receiver) = watch::channel(None);
        let mut claim = Claim { under_way: self, version: kind.version, entries: Vec::new(), outcome };
        let mut others = Vec::new();
        let mut all = self.0.lock();
        for entry in entries {
            match all.entry(key(&entry, kind.version)) {
                Slot::Occupied(slot) => others.push(slot.get().clone()),
                Slot::Vacant(slot) => {
                    slot.insert(receiver.clone());
                    claim.entries.push(entry);
                }
            }
        }
        (claim, others)
    }
}

impl Claim<'_> {
    /// What is to be converted.
    pub fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    /// Tells those who wait that nothing came of it.
    pub fn failed(self, error: &ApiError) {
        self.outcome.send_replace(Some(error.clone()));
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut all = self.under_way.0.lock();
        for entry in &self.entries {
            all.remove(&key(entry, self.version));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::ConfigMap;
    use corten_api::{Kind, KindInfo};

    const KIND: &KindInfo = ConfigMap::INFO;

    fn entry() -> Arc<Entry> {
        Entry::made(Arc::new(ConfigMap::default()))
    }

    #[tokio::test]
    async fn one_converts_and_the_others_hear_of_it() {
        let under_way = UnderWay::default();
        let (a, b) = (entry(), entry());
        let (first, none) = under_way.claim(vec![a.clone(), a.clone()], KIND);
        assert_eq!((first.entries().len(), none.len()), (1, 1), "one entry twice is converted once");
        let (second, mut others) = under_way.claim(vec![a.clone(), b.clone()], KIND);
        assert_eq!((second.entries().len(), others.len()), (1, 1));
        first.failed(&ApiError::internal("no"));
        let told = others[0].wait_for(Option::is_some).await.expect("an error").clone();
        assert!(told.is_some_and(|error| error.to_string().contains("no")));
        drop(second);
        let (third, none) = under_way.claim(vec![a, b], KIND);
        assert_eq!((third.entries().len(), none.len()), (2, 0), "claims end");
    }

    #[tokio::test]
    async fn who_waits_goes_on_when_a_claim_ends() {
        let under_way = UnderWay::default();
        let a = entry();
        let (first, _) = under_way.claim(vec![a.clone()], KIND);
        let (_, mut others) = under_way.claim(vec![a], KIND);
        drop(first);
        assert!(others[0].wait_for(Option::is_some).await.is_err());
    }
}
