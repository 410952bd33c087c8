//! One object's transaction, and the wait until the cache has it.

use std::sync::Arc;

use bytes::Bytes;
use corten_api::{Kind, KindInfo, Object, coordination, core};
use corten_semantics::{ApiError, ApiResult};
use corten_store::{Compare, Durability, Op, Revision, Txn, TxnOutcome};

use super::Registry;
use super::place::Place;
use crate::cache::{Entry, form, store_failed};

/// What becomes of an object.
pub(crate) enum Change {
    /// It is written, as it was encoded.
    Put(Box<dyn Object>, Bytes),
    Delete,
}

/// Events, and the heartbeats of nodes, may be acknowledged before the disk has them.
fn durability(kind: &KindInfo, key: &str) -> Durability {
    let heartbeat = kind == coordination::v1::Lease::INFO && key.contains("/kube-node-lease/");
    if heartbeat || kind == core::v1::Event::INFO { Durability::Relaxed } else { Durability::Durable }
}

/// Kinds whose typed objects few in this process look at: they are decoded when somebody does.
static READ_SELDOM: &[&KindInfo] =
    &[core::v1::Event::INFO, core::v1::ConfigMap::INFO, core::v1::Secret::INFO];

impl Registry {
    /// The object at the place as of everything committed.
    pub(crate) async fn current(&self, place: &Place) -> ApiResult<Option<Arc<Entry>>> {
        self.cache.wait_until_fresh().await?;
        Ok(place.resource.get(&place.key()))
    }

    /// Changes the object if it is still at revision `expected` (0: absent). The entry that the change made
    /// (none for a deletion) and its revision; `None` when somebody else was faster, and the cache knows it.
    pub(crate) async fn commit(
        &self,
        place: &Place,
        expected: Revision,
        change: Change,
    ) -> ApiResult<Option<(Revision, Option<Arc<Entry>>)>> {
        let key = place.key();
        let compares = vec![Compare::at(key.clone(), expected)];
        let (op, value) = match change {
            Change::Delete => (Op::delete(key.clone()), None),
            Change::Put(object, value) => {
                if !READ_SELDOM.contains(&place.stored) {
                    self.cache.pending.announce(key.clone(), value.clone(), object);
                }
                (Op::put(key.clone(), value.clone()), Some(value))
            }
        };
        let txn = Txn::new(compares, vec![op]).with(durability(place.stored, &key));
        let outcome = {
            let _permit = self.transactions.acquire().await.map_err(ApiError::internal)?;
            self.cache.store().txn(txn).await
        };
        if !matches!(outcome, Ok(TxnOutcome::Committed { .. })) {
            self.cache.pending.forget(&key);
        }
        match outcome.map_err(store_failed)? {
            TxnOutcome::Failed { revision, .. } => {
                self.cache.wait_for(revision).await?;
                Ok(None)
            }
            TxnOutcome::Committed { revision } => {
                self.cache.wait_for(revision).await?;
                Ok(Some((revision, value.map(|value| made(place, key, revision, &value)))))
            }
        }
    }

    /// What is stored of an object, after its version was set to the stored one.
    pub(crate) fn encode(&self, object: &dyn Object) -> Bytes {
        form::stored(object)
    }
}

/// The cache's entry of the revision just made, or one of our own when it is replaced already.
fn made(place: &Place, key: Arc<str>, revision: Revision, value: &Bytes) -> Arc<Entry> {
    match place.resource.get(&key) {
        Some(entry) if entry.revision() == revision => entry,
        _ => Entry::stored(place.stored, key, revision, value, None),
    }
}
