//! One object's transaction, and the wait until the cache has it.

use std::sync::Arc;

use bytes::Bytes;
use corten_api::{Kind, KindInfo, Object, coordination, core};
use corten_semantics::{ApiError, ApiResult};
use corten_store::{Compare, Durability, Op, Revision, Txn, TxnOutcome};

use super::Registry;
use super::place::Place;
use super::quota::Charges;
use crate::cache::{Entry, form, store_failed};
use crate::encryption::EncryptedStore;

/// What becomes of an object.
pub(crate) enum Change {
    /// It is written, as it was encoded.
    Put(Box<dyn Object>, Bytes),
    Delete,
}

/// The revision of a commit, and the entry that it made (none for a deletion).
pub(crate) type Committed = (Revision, Option<Arc<Entry>>);

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
        self.cached(place).await
    }

    /// The object at the place as the cache has it.
    pub(crate) async fn cached(&self, place: &Place) -> ApiResult<Option<Arc<Entry>>> {
        match place.resource.get(&place.key()) {
            Some(entry) if place.kind.custom => self.shown(entry, place.kind).await.map(Some),
            found => Ok(found),
        }
    }

    /// The entry in the version that the client speaks.
    pub(crate) async fn shown(&self, entry: Arc<Entry>, kind: &'static KindInfo) -> ApiResult<Arc<Entry>> {
        if kind.custom { self.custom.shown(entry, kind).await } else { Ok(self.in_version(entry, kind)) }
    }

    /// The same for many at once.
    pub(crate) async fn all_shown(
        &self,
        entries: Vec<Arc<Entry>>,
        kind: &'static KindInfo,
    ) -> ApiResult<Vec<Arc<Entry>>> {
        if kind.custom {
            return self.custom.all_shown(entries, kind).await;
        }
        Ok(entries.into_iter().map(|entry| self.in_version(entry, kind)).collect())
    }

    /// Changes the object if it is still at revision `expected` (0: absent). The entry that the change made
    /// (none for a deletion) and its revision; `None` when somebody else was faster, and the cache knows it.
    pub(crate) async fn commit(
        &self,
        place: &Place,
        expected: Revision,
        change: Change,
    ) -> ApiResult<Option<Committed>> {
        self.commit_charged(place, expected, change, Charges::default()).await
    }

    /// The same, if the quotas that the change is charged to are as they were read; they are written too.
    pub(crate) async fn commit_charged(
        &self,
        place: &Place,
        expected: Revision,
        change: Change,
        charges: Charges,
    ) -> ApiResult<Option<Committed>> {
        let key = place.key();
        let change = match change {
            Change::Put(object, _) if place.kind.custom && place.kind != place.resource.kind => {
                let object = self.custom.convert(object, place.resource.kind).await?;
                let value = self.encode(&*object);
                Change::Put(object, value)
            }
            same => same,
        };
        let mut compares = vec![Compare::at(key.clone(), expected)];
        let (op, value) = match change {
            Change::Delete => (Op::delete(key.clone()), None),
            Change::Put(object, value) => {
                let seldom =
                    place.kind.custom || form::is_large(place.stored) || READ_SELDOM.contains(&place.stored);
                if !seldom {
                    self.cache.pending.announce(key.clone(), value.clone(), object);
                }
                (Op::put(key.clone(), value.clone()), Some(value))
            }
        };
        let mut ops = vec![op];
        // The turn ends with this function.
        let mut charges = charges;
        let mut charged = Vec::new();
        for charge in charges.quotas.drain(..) {
            compares.push(Compare::at(charge.key.clone(), charge.revision));
            ops.push(Op::put(charge.key.clone(), charge.value.clone()));
            charged.push(charge.key.clone());
            self.cache.pending.announce(charge.key, charge.value, charge.object);
        }
        let txn = Txn::new(compares, ops).with(durability(place.stored, &key));
        let outcome = {
            let _permit = self.transactions.acquire().await.map_err(ApiError::internal)?;
            self.cache.store().txn(txn).await
        };
        if !matches!(outcome, Ok(TxnOutcome::Committed { .. })) {
            self.cache.pending.forget(&key);
            charged.iter().for_each(|key| self.cache.pending.forget(key));
        }
        match outcome.map_err(store_failed)? {
            TxnOutcome::Failed { revision, .. } => {
                self.cache.wait_for(revision).await?;
                Ok(None)
            }
            TxnOutcome::Committed { revision } => {
                self.cache.wait_for(revision).await?;
                let Some(value) = value else { return Ok(Some((revision, None))) };
                let entry = self.shown(made(place, key, revision, &value), place.stored).await?;
                Ok(Some((revision, Some(entry))))
            }
        }
    }

    /// What encrypts below, if something does.
    pub(crate) fn encryption(&self) -> Option<&EncryptedStore> {
        self.config.encryption.as_deref()
    }

    /// Whether the place's object is stored otherwise than it would be now, though it is the same: it is to be
    /// encrypted by another key, or of an older version.
    pub(crate) async fn is_stored_stale(&self, place: &Place) -> ApiResult<bool> {
        let of_another = |entry: Arc<Entry>| entry.kind().version != place.resource.kind.version;
        if place.kind.custom && place.resource.get(&place.key()).is_some_and(of_another) {
            return Ok(true);
        }
        match &self.config.encryption {
            None => Ok(false),
            Some(store) => store.is_stale(&place.key()).await.map_err(store_failed),
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
        _ => {
            let entry = Entry::stored(place.resource.kind, key, revision, value, None);
            place.resource.read_written(entry)
        }
    }
}
