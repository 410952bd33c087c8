//! The ConfigMaps and Secrets that pods' volumes show: each is watched once, by its name, as long as some pod
//! uses it, and the pods are told when it changes. What is immutable is kept without a watch.

use corten_api::Kind;
use corten_api::core::v1::{ConfigMap, Secret};
use corten_client::{Client, Informer, Key, WatchOptions};
use corten_rt::{Stop, Tasks};
use corten_semantics::ApiResult;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A kind that can be declared as never to change.
pub(super) trait Content: Kind {
    /// Whether it was declared so.
    fn is_immutable(&self) -> bool;
    /// Where the objects of the kind are kept.
    fn kept(objects: &Objects) -> &Kept<Self>;
}

impl Content for ConfigMap {
    fn is_immutable(&self) -> bool {
        self.immutable == Some(true)
    }

    fn kept(objects: &Objects) -> &Kept<Self> {
        &objects.config_maps
    }
}

impl Content for Secret {
    fn is_immutable(&self) -> bool {
        self.immutable == Some(true)
    }

    fn kept(objects: &Objects) -> &Kept<Self> {
        &objects.secrets
    }
}

pub(super) type Kept<K> = Mutex<HashMap<Key, Entry<K>>>;

/// One object in use.
pub(super) struct Entry<K: Kind> {
    /// The UIDs of the pods that use it.
    users: Arc<Mutex<HashSet<String>>>,
    state: State<K>,
}

enum State<K: Kind> {
    /// Never asked for.
    New,
    /// It will not change.
    Fixed(Arc<K>),
    /// It is followed until the stop is given.
    Followed(Informer<K>, Stop),
}

impl<K: Kind> Entry<K> {
    fn end(&self) {
        if let State::Followed(_, stop) = &self.state {
            stop.stop();
        }
    }
}

type Tell = Box<dyn Fn(&str) + Send + Sync>;

/// Which pods have something new to show, and who is to be told of it.
#[derive(Default)]
pub(super) struct Changed {
    uids: Mutex<HashSet<String>>,
    tell: OnceLock<Tell>,
}

impl Changed {
    /// Calls `tell` with the UID of each pod that has something new to show, from now on.
    pub fn on_change(&self, tell: impl Fn(&str) + Send + Sync + 'static) {
        let _ = self.tell.set(Box::new(tell));
    }

    /// Whether the pod has something new to show since this was asked last.
    pub fn take(&self, uid: &str) -> bool {
        self.uids.lock().remove(uid)
    }

    fn mark(&self, users: impl IntoIterator<Item = String>) {
        for uid in users {
            self.uids.lock().insert(uid.clone());
            if let Some(tell) = self.tell.get() {
                tell(&uid);
            }
        }
    }
}

/// All objects in use on this node.
pub(super) struct Objects {
    client: Client,
    /// Where watches run; without, every look is a call.
    tasks: Option<Tasks>,
    config_maps: Kept<ConfigMap>,
    secrets: Kept<Secret>,
    pub changed: Arc<Changed>,
}

impl Objects {
    /// None yet.
    pub fn new(client: Client, tasks: Option<Tasks>) -> Self {
        Objects {
            client,
            tasks,
            config_maps: Mutex::default(),
            secrets: Mutex::default(),
            changed: Arc::default(),
        }
    }

    /// The object, for the pod of this UID, which is told of changes from now on: also of its appearance, when
    /// it is missing now.
    pub async fn get<K: Content>(&self, uid: &str, namespace: &str, name: &str) -> ApiResult<Option<Arc<K>>> {
        let key = Key::new(namespace, name);
        if let Some(known) = self.known::<K>(uid, &key) {
            return Ok(known);
        }
        let found = self.client.namespaced::<K>(namespace).find(name).await?;
        self.keep(&key, found.clone());
        Ok(found)
    }

    /// The object as it is known without a call.
    fn known<K: Content>(&self, uid: &str, key: &Key) -> Option<Option<Arc<K>>> {
        let mut kept = K::kept(self).lock();
        let entry =
            kept.entry(key.clone()).or_insert_with(|| Entry { users: Arc::default(), state: State::New });
        entry.users.lock().insert(uid.to_string());
        match &entry.state {
            State::Fixed(object) => Some(Some(object.clone())),
            State::Followed(informer, _) if informer.is_synced() => Some(informer.get(key)),
            State::Followed(..) | State::New => None,
        }
    }

    fn keep<K: Content>(&self, key: &Key, found: Option<Arc<K>>) {
        let mut kept = K::kept(self).lock();
        // The last user may have gone meanwhile.
        let Some(entry) = kept.get_mut(key) else { return };
        match (&entry.state, found, &self.tasks) {
            (_, Some(object), _) if object.is_immutable() => {
                entry.end();
                entry.state = State::Fixed(object);
            }
            (State::New, found, Some(tasks)) => {
                let (users, changed) = (entry.users.clone(), self.changed.clone());
                let seen = found.map(|object| object.meta().resource_version.clone());
                entry.state = follow(&self.client, tasks, key, seen, move || {
                    let users: Vec<String> = users.lock().iter().cloned().collect();
                    changed.mark(users);
                });
            }
            _ => {}
        }
    }

    /// The pod of this UID needs nothing any more; what nobody else needs is no longer followed.
    pub fn release(&self, uid: &str) {
        release(&self.config_maps, uid);
        release(&self.secrets, uid);
        self.changed.take(uid);
    }

    /// How many objects are followed.
    #[cfg(test)]
    pub fn followed(&self) -> usize {
        fn count<K: Kind>(kept: &Kept<K>) -> usize {
            kept.lock().values().filter(|e| matches!(e.state, State::Followed(..))).count()
        }
        count(&self.config_maps) + count(&self.secrets)
    }
}

fn release<K: Kind>(kept: &Kept<K>, uid: &str) {
    kept.lock().retain(|_, entry| {
        let mut users = entry.users.lock();
        users.remove(uid);
        if users.is_empty() {
            entry.end();
        }
        !users.is_empty()
    });
}

/// Follows one object; `changed` is called whenever it is no longer as its users have seen it.
fn follow<K: Content>(
    client: &Client,
    tasks: &Tasks,
    key: &Key,
    seen: Option<String>,
    changed: impl Fn() + Send + Sync + 'static,
) -> State<K> {
    let stop = tasks.stop().child();
    let own = Tasks::new(stop.clone());
    let options =
        WatchOptions { field_selector: format!("metadata.name={}", key.name), ..WatchOptions::default() };
    let informer = Informer::start(client.namespaced::<K>(&key.namespace), options, &own);
    let seen = Mutex::new(seen);
    informer.on_change(move |change| {
        let now = change.new.as_ref().map(|object| object.meta().resource_version.clone());
        let before = std::mem::replace(&mut *seen.lock(), now.clone());
        if before != now {
            changed();
        }
    });
    let ending = stop.clone();
    tasks.spawn("object in use", async move {
        ending.stopped().await;
        own.shutdown(Duration::from_secs(5)).await;
    });
    State::Followed(informer, stop)
}
