//! Caches that follow a collection: list, then watch, then list again when the watch is lost.

use crate::transport::{Event, WatchOptions};
use crate::{Api, Client};
use corten_api::{Kind, Object};
use corten_rt::{Backoff, Stop, Tasks};
use corten_semantics::ApiError;
use futures::StreamExt;
use parking_lot::{Mutex, RwLock};
use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Namespace and name of an object; the namespace is empty for cluster-scoped ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub namespace: String,
    pub name: String,
}

impl Key {
    /// From its two parts.
    pub fn new(namespace: &str, name: &str) -> Self {
        Key { namespace: namespace.into(), name: name.into() }
    }

    /// The key of an object.
    pub fn of(object: &dyn Object) -> Self {
        let meta = object.meta();
        Key { namespace: meta.namespace.clone(), name: meta.name.clone() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// What happened to one object of the cache.
#[derive(Clone, Debug)]
pub struct Change<K> {
    /// As it was; `None` when it is new.
    pub old: Option<Arc<K>>,
    /// As it is; `None` when it is gone.
    pub new: Option<Arc<K>>,
}

impl<K: Kind> Change<K> {
    /// The object as it is, or as it last was.
    pub fn object(&self) -> Option<&Arc<K>> {
        self.new.as_ref().or(self.old.as_ref())
    }
}

type Handler<K> = Box<dyn Fn(&Change<K>) + Send + Sync>;

/// A cache of one collection, shared by all who need it. Cheap to clone.
pub struct Informer<K: Kind> {
    inner: Arc<Inner<K>>,
}

struct Inner<K: Kind> {
    objects: RwLock<BTreeMap<Key, Arc<K>>>,
    handlers: Mutex<Vec<Arc<Handler<K>>>>,
    synced: watch::Sender<bool>,
    /// Counts changes; a waiter sees each step.
    version: watch::Sender<u64>,
}

impl<K: Kind> Clone for Informer<K> {
    fn clone(&self) -> Self {
        Informer { inner: self.inner.clone() }
    }
}

impl<K: Kind> Default for Informer<K> {
    fn default() -> Self {
        Informer {
            inner: Arc::new(Inner {
                objects: RwLock::default(),
                handlers: Mutex::default(),
                synced: watch::Sender::new(false),
                version: watch::Sender::new(0),
            }),
        }
    }
}

impl<K: Kind> Informer<K> {
    /// A cache that follows what `options` select, fed by a task of `tasks`.
    pub fn start(api: Api<K>, options: WatchOptions, tasks: &Tasks) -> Self {
        let informer = Informer::default();
        let (feed, stop) = (informer.clone(), tasks.stop().clone());
        tasks.spawn("informer", async move { feed.follow(api, options, stop).await });
        informer
    }

    /// A cache that never changes by itself, for tests of pure planners.
    pub fn of(objects: impl IntoIterator<Item = K>) -> Self {
        let informer = Informer::default();
        for object in objects {
            informer.put(Arc::new(object));
        }
        informer.inner.synced.send_replace(true);
        informer
    }

    /// The object of this key.
    pub fn get(&self, key: &Key) -> Option<Arc<K>> {
        self.inner.objects.read().get(key).cloned()
    }

    /// All objects in the order of their keys.
    pub fn list(&self) -> Vec<Arc<K>> {
        self.inner.objects.read().values().cloned().collect()
    }

    /// The objects of one namespace.
    pub fn list_in(&self, namespace: &str) -> Vec<Arc<K>> {
        let objects = self.inner.objects.read();
        let from = Key::new(namespace, "");
        objects.range(from..).take_while(|(k, _)| k.namespace == namespace).map(|(_, o)| o.clone()).collect()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.inner.objects.read().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `handler` for every object that is here (as new) and for every change from now on. It runs in
    /// the feeding task: it must be short and not wait (put a key in a queue).
    pub fn on_change(&self, handler: impl Fn(&Change<K>) + Send + Sync + 'static) {
        let handler: Arc<Handler<K>> = Arc::new(Box::new(handler));
        let mut handlers = self.inner.handlers.lock();
        for object in self.list() {
            handler(&Change { old: None, new: Some(object) });
        }
        handlers.push(handler);
    }

    /// Waits until the first snapshot is in.
    pub async fn synced(&self) {
        // The sender lives as long as `self`, so this ends only when the value is true.
        let _ = self.inner.synced.subscribe().wait_for(|s| *s).await;
    }

    /// Whether the first snapshot is in.
    pub fn is_synced(&self) -> bool {
        *self.inner.synced.borrow()
    }

    /// A counter that moves with every change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.version.subscribe()
    }

    fn put(&self, object: Arc<K>) {
        let key = Key::of(&*object);
        let handlers = self.inner.handlers.lock();
        let old = self.inner.objects.write().insert(key, object.clone());
        if old.as_ref().is_some_and(|o| o.meta().resource_version == object.meta().resource_version) {
            return;
        }
        tell(&handlers, Change { old, new: Some(object) });
        self.inner.version.send_modify(|v| *v += 1);
    }

    fn remove(&self, key: &Key) {
        let handlers = self.inner.handlers.lock();
        let Some(old) = self.inner.objects.write().remove(key) else { return };
        tell(&handlers, Change { old: Some(old), new: None });
        self.inner.version.send_modify(|v| *v += 1);
    }

    async fn follow(self, api: Api<K>, options: WatchOptions, stop: Stop) {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
        let mut position = String::new();
        while !stop.is_stopped() {
            let started = corten_rt::Instant::now();
            let outcome = stop.run(self.follow_once(&api, &options, &mut position)).await;
            let Some(Err(error)) = outcome else { continue };
            if error.is_expired() || error.code() == 400 {
                position.clear();
            }
            // It worked: what broke it, a restart perhaps, says nothing about the next attempt.
            if started.elapsed() > Duration::from_secs(1) {
                backoff.reset();
            }
            tracing::debug!(kind = ?K::INFO, %error, "watch ended, starting again");
            stop.run(corten_rt::sleep(backoff.step())).await;
        }
    }

    /// One watch, from `position` or from a snapshot when that is empty.
    async fn follow_once(
        &self,
        api: &Api<K>,
        options: &WatchOptions,
        position: &mut String,
    ) -> Result<(), ApiError> {
        let initial = position.is_empty();
        let options =
            WatchOptions { resource_version: position.clone(), initial_events: initial, ..options.clone() };
        let mut events = api.watch(options).await?;
        let mut seen = initial.then(BTreeMap::<Key, ()>::new);
        while let Some(event) = events.next().await {
            match event? {
                Event::Added(object) | Event::Modified(object) => {
                    if let Some(seen) = &mut seen {
                        seen.insert(Key::of(&*object), ());
                    } else {
                        *position = object.meta().resource_version.clone();
                    }
                    self.put(object);
                }
                Event::Deleted(object) => {
                    let key = Key::of(&*object);
                    if let Some(seen) = &mut seen {
                        seen.remove(&key);
                    } else {
                        *position = object.meta().resource_version.clone();
                    }
                    self.remove(&key);
                }
                Event::Bookmark { resource_version, initial_end } => {
                    if let Some(seen) = seen.take_if(|_| initial_end) {
                        self.drop_unseen(&seen);
                        self.inner.synced.send_replace(true);
                    }
                    if seen.is_none() {
                        *position = resource_version;
                    }
                }
            }
        }
        Ok(())
    }

    /// Removes what a fresh snapshot no longer has.
    fn drop_unseen(&self, seen: &BTreeMap<Key, ()>) {
        let gone: Vec<Key> =
            self.inner.objects.read().keys().filter(|k| !seen.contains_key(k)).cloned().collect();
        for key in gone {
            self.remove(&key);
        }
    }
}

fn tell<K>(handlers: &[Arc<Handler<K>>], change: Change<K>) {
    for handler in handlers {
        handler(&change);
    }
}

/// The informers of one process, one per kind, made on first use.
#[derive(Clone)]
pub struct Informers {
    client: Client,
    tasks: Tasks,
    made: Arc<Mutex<HashMap<TypeId, Box<dyn Any + Send>>>>,
}

impl Informers {
    /// Informers over all namespaces, fed by tasks of `tasks`.
    pub fn new(client: Client, tasks: Tasks) -> Self {
        Informers { client, tasks, made: Arc::default() }
    }

    /// The shared informer of a kind.
    pub fn of<K: Kind>(&self) -> Informer<K> {
        let mut made = self.made.lock();
        let entry = made.entry(TypeId::of::<K>()).or_insert_with(|| {
            Box::new(Informer::start(self.client.all::<K>(), WatchOptions::default(), &self.tasks))
        });
        match entry.downcast_ref::<Informer<K>>() {
            Some(informer) => informer.clone(),
            // The map is keyed by the type, so this arm is never taken.
            None => Informer::default(),
        }
    }

    /// The client that feeds them.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The tasks they run in.
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }
}
