//! How the cache follows the store: one load, then one watch for the whole process.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use corten_api::Object;
use corten_rt::{Backoff, Instant, sleep, sleep_until};
use corten_store::{Batch, Error, Event, ListOptions, Record, Revision, Store, Watch};
use imbl::OrdMap;
use parking_lot::Mutex;
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;

use super::orders::{self, Order};
use super::resource::Resource;
use super::{Entry, WatchCache};
use crate::encryption::refuse_encrypted;

/// All that is cached lies below this key.
pub(crate) const ROOT: &str = "/registry/";
/// Records read at once while loading.
const PAGE: usize = 2000;

/// Objects about to be committed, by key: their entries need not decode what was encoded a moment ago.
#[derive(Default)]
pub(crate) struct Pending(Mutex<HashMap<Arc<str>, Announced>>);

/// What is about to be stored, encoded and as it is.
type Announced = (Bytes, Box<dyn Object>);

impl Pending {
    /// Announces that `value` is `object`.
    pub fn announce(&self, key: Arc<str>, value: Bytes, object: Box<dyn Object>) {
        self.0.lock().insert(key, (value, object));
    }

    /// Takes the announcement back, after a failed transaction.
    pub fn forget(&self, key: &str) {
        self.0.lock().remove(key);
    }

    fn take(&self, key: &str, value: &Bytes) -> Option<Box<dyn Object>> {
        let (announced, object) = self.0.lock().remove(key)?;
        (announced == *value).then_some(object)
    }
}

/// Resources by prefix. A snapshot of it costs nothing, for resources come and go while others read.
pub(crate) type Resources = OrdMap<Arc<str>, Arc<Resource>>;

/// The resource whose prefix `key` begins with.
pub(crate) fn resource_of<'a>(resources: &'a Resources, key: &str) -> Option<&'a Arc<Resource>> {
    let (prefix, resource) =
        resources.range::<_, str>((Bound::Unbounded, Bound::Included(key))).next_back()?;
    key.starts_with(&**prefix).then_some(resource)
}

/// Hands everything below a prefix at one revision to `take`, in order of keys.
async fn read(store: &dyn Store, prefix: &str, mut take: impl FnMut(Record)) -> Result<Revision, Error> {
    let mut options = ListOptions { limit: PAGE, ..ListOptions::default() };
    loop {
        let page = store.list(prefix, options.clone()).await?;
        page.records.iter().try_for_each(refuse_encrypted)?;
        let next = page.records.last().map(|last| format!("{}\0", last.key));
        page.records.into_iter().for_each(&mut take);
        options.at = Some(page.revision);
        match next {
            Some(next) if page.more => options.start = next,
            _ => return Ok(page.revision),
        }
    }
}

/// Everything below a prefix at one revision.
pub(crate) async fn read_all(store: &dyn Store, prefix: &str) -> Result<(Revision, Vec<Record>), Error> {
    let mut records = Vec::new();
    let revision = read(store, prefix, |record| records.push(record)).await?;
    Ok((revision, records))
}

/// Fills empty resources with what the store holds, and says as of when. Records are let go of page by page.
pub(crate) async fn load(resources: &Resources, store: &dyn Store) -> Result<Revision, Error> {
    let mut found: BTreeMap<&str, Vec<Arc<Entry>>> = BTreeMap::new();
    let revision = read(store, ROOT, |record| {
        if let Some(resource) = resource_of(resources, &record.key) {
            let Record { key, value, mod_revision, .. } = record;
            let entry = Entry::stored(resource.kind, key, mod_revision, &value, None);
            found.entry(&resource.prefix).or_default().push(entry);
        }
    })
    .await?;
    for (prefix, resource) in resources {
        resource.load(revision, found.remove(&**prefix).unwrap_or_default());
    }
    Ok(revision)
}

/// Follows the store from `watch` on until it is closed, and lets resources come and go in between.
pub(crate) async fn follow(cache: Arc<WatchCache>, mut watch: Watch, mut orders: Receiver<Order>) {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
    let mut untold = Untold::default();
    loop {
        let next = tokio::select! {
            next = watch.next() => next,
            () = untold.due() => {
                untold.tell();
                continue;
            }
            Some(order) = orders.recv() => {
                orders::carry_out(&cache, order).await;
                continue;
            }
            () = cache.behind.notified() => {
                // Revisions without events (of what failed, or lies elsewhere) count as seen.
                advance(&cache.applied, watch.progress());
                continue;
            }
        };
        match next {
            Ok(batch) => {
                apply(&cache, batch, &mut untold);
                advance(&cache.applied, watch.progress());
                backoff.reset();
            }
            Err(Error::Closed) => return,
            Err(error) => {
                tracing::warn!(%error, "the watch cache reads the store anew");
                watch = loop {
                    match reload(&cache).await {
                        Ok(watch) => break watch,
                        Err(Error::Closed) => return,
                        Err(error) => tracing::warn!(%error, "the store cannot be read"),
                    }
                    sleep(backoff.step()).await;
                };
            }
        }
    }
}

/// Resources some of whose watchers are still to be told of changes, and when.
#[derive(Default)]
struct Untold(Vec<(Instant, Arc<Resource>)>);

impl Untold {
    /// Waits until somebody is to be told.
    async fn due(&self) {
        match self.0.iter().map(|(due, _)| *due).min() {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    fn tell(&mut self) {
        let now = Instant::now();
        self.0.retain_mut(|(due, resource)| match *due > now {
            true => true,
            false => resource.tell_late(now).map(|next| *due = next).is_some(),
        });
    }
}

type Changes = Vec<(Revision, Arc<str>, Option<Arc<Entry>>)>;

fn apply(cache: &WatchCache, batch: Batch, untold: &mut Untold) {
    let resources = cache.resources.load();
    let mut changes: BTreeMap<&str, (&Arc<Resource>, Changes)> = BTreeMap::new();
    for Event { revision, key, current, .. } in batch.events {
        let Some(resource) = resource_of(&resources, &key) else { continue };
        // What came with the resource's first reading is known.
        if revision <= resource.known {
            continue;
        }
        let entry = current.map(|Record { value, mod_revision, .. }| {
            let object = cache.pending.take(&key, &value);
            resource.read_written(Entry::stored(resource.kind, key.clone(), mod_revision, &value, object))
        });
        let of = changes.entry(&resource.prefix).or_insert_with(|| (resource, Vec::new()));
        of.1.push((revision, key, entry));
    }
    for (resource, changes) in changes.into_values() {
        if let Some(due) = resource.apply(changes) {
            untold.0.push((due, Arc::clone(resource)));
        }
    }
    advance(&cache.applied, batch.revision);
}

fn advance(applied: &watch::Sender<Revision>, revision: Revision) {
    applied.send_if_modified(|now| {
        let newer = revision > *now;
        *now = revision.max(*now);
        newer
    });
}

/// Reads everything again and turns the differences into changes, so that watchers go on.
async fn reload(cache: &WatchCache) -> Result<Watch, Error> {
    let (revision, records) = read_all(&*cache.store, ROOT).await?;
    let watch = cache.store.watch(ROOT, revision).await?;
    let mut fresh: BTreeMap<Arc<str>, Record> = records.into_iter().map(|r| (r.key.clone(), r)).collect();
    for resource in cache.resources.load().values() {
        let snapshot = resource.snapshot();
        let mut changes: Changes = Vec::new();
        for old in snapshot.range(&resource.prefix, "") {
            match fresh.remove(old.key()) {
                None => changes.push((revision, old.key().clone(), None)),
                Some(r) if r.mod_revision == old.revision() => {}
                Some(r) => changes.push(changed(resource, r)),
            }
        }
        let created: Vec<Arc<str>> =
            fresh.keys().filter(|k| k.starts_with(&resource.prefix)).cloned().collect();
        changes.extend(created.iter().filter_map(|k| fresh.remove(k)).map(|r| changed(resource, r)));
        changes.sort_by_key(|(revision, ..)| *revision);
        let mut due = resource.apply(changes);
        while let Some(at) = due {
            due = resource.tell_late(at);
        }
    }
    advance(&cache.applied, revision);
    Ok(watch)
}

fn changed(resource: &Resource, record: Record) -> (Revision, Arc<str>, Option<Arc<Entry>>) {
    let Record { key, value, mod_revision, .. } = record;
    let entry = Entry::stored(resource.kind, key.clone(), mod_revision, &value, None);
    let entry = resource.read_written(entry);
    (mod_revision, key, Some(entry))
}
