//! Resources that come and go while the server runs. The task that follows the store carries these orders out
//! between two of its batches, so that a new resource misses no change and takes none twice.

use std::sync::Arc;

use corten_api::KindInfo;
use corten_semantics::{ApiError, ApiResult};
use tokio::sync::oneshot;

use super::feed::read_all;
use super::{Entry, Resource, WatchCache, prefix_of, store_failed};

/// Makes what is served of what the store holds: older versions become the present one, and what a changed
/// schema says applies to what was written before.
pub(crate) trait Reader: Send + Sync {
    /// The entry as it is read now; itself when nothing differs.
    fn read(&self, entry: Arc<Entry>) -> Arc<Entry>;

    /// Whether what is written now may have to be read so as well.
    fn reads_writes(&self) -> bool;
}

/// What is to be done.
pub(crate) enum Order {
    /// The kind's objects are cached from now on; one that is cached already is read anew, and its watches
    /// end.
    Open(&'static KindInfo, Arc<dyn Reader>, oneshot::Sender<ApiResult<Arc<Resource>>>),
    /// The kind's objects are no longer cached.
    Close(&'static KindInfo, oneshot::Sender<()>),
}

pub(super) async fn carry_out(cache: &WatchCache, order: Order) {
    match order {
        Order::Open(kind, reader, answer) => drop(answer.send(open(cache, kind, reader).await)),
        Order::Close(kind, answer) => {
            if let Some(resource) = cache.resource(kind) {
                cache.resources.rcu(|all| all.without(&*resource.prefix));
                resource.close();
            }
            let _ = answer.send(());
        }
    }
}

async fn open(
    cache: &WatchCache,
    kind: &'static KindInfo,
    reader: Arc<dyn Reader>,
) -> ApiResult<Arc<Resource>> {
    let prefix = prefix_of(kind);
    let old = cache.resource(kind);
    // As they are stored: what the cache has may hold defaults of an older declaration.
    let (revision, records) = read_all(&*cache.store, &prefix).await.map_err(store_failed)?;
    let stored = |r: corten_store::Record| Entry::stored(kind, r.key, r.mod_revision, &r.value, None);
    let entries = records.into_iter().map(stored);
    let mut resource = Resource::new(kind, prefix.clone(), None);
    resource.known = revision;
    resource.load(revision, entries.map(|entry| reader.read(entry)).collect());
    resource.reader = Some(reader);
    let resource = Arc::new(resource);
    cache.resources.rcu(|all| all.update(Arc::from(prefix.as_str()), resource.clone()));
    if let Some(old) = old {
        old.close();
    }
    Ok(resource)
}

impl WatchCache {
    /// Caches the objects of a kind from now on.
    pub async fn open_resource(
        &self,
        kind: &'static KindInfo,
        reader: Arc<dyn Reader>,
    ) -> ApiResult<Arc<Resource>> {
        let (answer, answered) = oneshot::channel();
        let stopping = || ApiError::unavailable("the server is shutting down");
        self.orders.send(Order::Open(kind, reader, answer)).await.map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())?
    }

    /// Forgets the objects of a kind, and ends the watches on them.
    pub async fn close_resource(&self, kind: &'static KindInfo) {
        let (answer, answered) = oneshot::channel();
        if self.orders.send(Order::Close(kind, answer)).await.is_ok() {
            let _ = answered.await;
        }
    }
}
