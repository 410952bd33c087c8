//! The watch cache: what the store holds, once per process, ready to be read and watched. One task follows
//! the store ([`feed`]); each [`Resource`](resource::Resource) keeps its objects in a persistent map, so
//! that a snapshot costs nothing, and its latest changes in a ring, over which watches are cursors.

mod bell;
pub(crate) mod convert;
mod entry;
mod feed;
pub(crate) mod form;
mod freshness;
mod initial;
mod lent;
mod list;
mod orders;
mod pace;
mod packed;
mod resource;
mod ring;
mod selection;
mod shared;
mod size;
mod token;
mod warm;
mod watch;

use std::sync::Arc;

use arc_swap::ArcSwap;
use corten_api::{KindInfo, Object};
use corten_rt::{Stop, Tasks};
use corten_semantics::Lookup;
use corten_store::{Revision, Store};
use tokio::sync::{Notify, mpsc, watch as signal};

pub use entry::Entry;
pub(crate) use feed::{Pending, ROOT};
pub(crate) use freshness::store_failed;
pub(crate) use list::{ListPlan, Match};
pub(crate) use orders::Reader;
pub(crate) use resource::Resource;
pub(crate) use selection::{Selection, Translator};
pub(crate) use shared::Shared;
pub use size::Extent;
pub(crate) use watch::{Start, WatchPlan};
pub use watch::{Watch, WatchEvent};

/// Who keeps something of its own up to date with the objects, before anyone can read them here.
pub(crate) trait Observer: Send + Sync {
    /// Whether objects of the kind matter.
    fn wants(&self, kind: &KindInfo) -> bool;
    /// The object is new or has changed.
    fn observe(&self, object: &dyn Object);
    /// The object is gone.
    fn forget(&self, object: &dyn Object);
}

/// All resources' caches.
pub(crate) struct WatchCache {
    store: Arc<dyn Store>,
    resources: ArcSwap<feed::Resources>,
    /// To the task that follows the store.
    orders: mpsc::Sender<orders::Order>,
    /// Every change up to this revision is in the cache.
    applied: signal::Sender<Revision>,
    /// Somebody waits for a revision that may have brought no event.
    behind: Notify,
    /// Objects on their way into the store.
    pub pending: Pending,
    stop: Stop,
}

/// Orders that may wait for the task that follows the store.
const ORDERS: usize = 16;

/// The part of the storage keys that a kind's objects share.
pub(crate) fn prefix_of(kind: &KindInfo) -> String {
    format!("{ROOT}{}/", kind.storage)
}

impl WatchCache {
    /// Loads what the store holds of `kinds` (one per storage path) and follows it by a task of `tasks`.
    pub async fn open(
        store: Arc<dyn Store>,
        kinds: &[&'static KindInfo],
        observer: Arc<dyn Observer>,
        tasks: &Tasks,
    ) -> Result<Arc<Self>, corten_store::Error> {
        let resources: feed::Resources = kinds
            .iter()
            .map(|kind| {
                let observer = observer.wants(kind).then(|| observer.clone());
                (Arc::from(prefix_of(kind)), Arc::new(Resource::new(kind, prefix_of(kind), observer)))
            })
            .collect();
        let revision = feed::load(&resources, &*store).await?;
        let watch = store.watch(ROOT, revision).await?;
        let (orders, received) = mpsc::channel(ORDERS);
        let cache = Arc::new(WatchCache {
            store,
            resources: ArcSwap::from_pointee(resources),
            orders,
            applied: signal::Sender::new(revision),
            behind: Notify::new(),
            pending: Pending::default(),
            stop: tasks.stop().clone(),
        });
        tasks.spawn_until_stopped("watch cache", feed::follow(cache.clone(), watch, received));
        let ending = cache.clone();
        tasks.spawn("end of watches", async move {
            ending.stop.stopped().await;
            ending.resources.load().values().for_each(|resource| resource.wake_all());
        });
        Ok(cache)
    }

    /// The cache of a kind's resource, whatever the version.
    pub fn resource(&self, kind: &KindInfo) -> Option<Arc<Resource>> {
        self.resources.load().get(prefix_of(kind).as_str()).cloned()
    }

    /// An empty resource, for whom nothing is cached.
    pub fn no_resource(&self) -> Arc<Resource> {
        let kind = <corten_api::apiextensions::v1::CustomResourceDefinition as corten_api::Kind>::INFO;
        Arc::new(Resource::new(kind, prefix_of(kind), None))
    }

    /// The store below.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The revision up to which the cache knows everything.
    pub fn revision(&self) -> Revision {
        *self.applied.borrow()
    }
}

impl Lookup for WatchCache {
    fn object(&self, kind: &'static KindInfo, namespace: &str, name: &str) -> Option<Arc<dyn Object>> {
        let resource = self.resource(kind)?;
        let key = match namespace {
            "" => format!("{}{name}", resource.prefix),
            _ => format!("{}{namespace}/{name}", resource.prefix),
        };
        Some(resource.get(&key)?.object())
    }

    fn objects(&self, kind: &'static KindInfo, namespace: &str) -> Vec<Arc<dyn Object>> {
        let Some(resource) = self.resource(kind) else { return Vec::new() };
        let prefix = match namespace {
            "" => resource.prefix.clone(),
            _ => format!("{}{namespace}/", resource.prefix),
        };
        resource.snapshot().range(&prefix, "").map(|e| e.object()).collect()
    }
}
