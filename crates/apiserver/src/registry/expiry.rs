//! What the expiry of Events needs: which were written, and their deletion while they are as they were.

use std::sync::Arc;
use std::time::Duration;

use corten_api::Kind;
use corten_api::core::v1::Event;
use corten_semantics::ApiResult;
use corten_store::{Durability, Revision, Txn};

use super::Registry;
use crate::cache::store_failed;

impl Registry {
    /// How long Events are kept.
    pub(crate) fn event_ttl(&self) -> Duration {
        self.config.event_ttl
    }

    /// Keys and revisions of the Events written after a revision, oldest first, and the revision up to
    /// which that is all.
    pub(crate) fn events_written_after(&self, after: Revision) -> (Revision, Vec<(Arc<str>, Revision)>) {
        let Some(resource) = self.cache.resource(Event::INFO) else { return (after, Vec::new()) };
        let snapshot = resource.snapshot();
        if snapshot.revision <= after {
            return (after, Vec::new());
        }
        let mut written: Vec<_> = snapshot
            .range(&resource.prefix, "")
            .filter(|e| e.revision() > after)
            .map(|e| (e.key().clone(), e.revision()))
            .collect();
        written.sort_by_key(|(_, revision)| *revision);
        (snapshot.revision, written)
    }

    /// How long ago the Event says that it was written last.
    pub(crate) fn event_age(&self, key: &str) -> Duration {
        let entry = self.cache.resource(Event::INFO).and_then(|r| r.get(key));
        let object = entry.map(|e| e.object());
        let Some(event) = object.as_ref().and_then(|o| o.downcast_ref::<Event>()) else {
            return Duration::ZERO;
        };
        let last =
            [event.metadata.creation_timestamp, event.last_timestamp].into_iter().flatten().map(|t| t.0);
        let series = event.series.as_ref().and_then(|s| s.last_observed_time);
        let last = last.chain([event.event_time, series].into_iter().flatten().map(|t| t.0)).max();
        let age = last.map(|t| self.config.clock.now().duration_since(t));
        age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default()
    }

    /// Deletes an Event if nobody wrote it since.
    pub(crate) async fn delete_event_at(&self, key: &Arc<str>, revision: Revision) -> ApiResult<()> {
        let txn = Txn::delete(key.clone(), revision).with(Durability::Relaxed);
        self.cache.store().txn(txn).await.map(drop).map_err(store_failed)
    }
}
