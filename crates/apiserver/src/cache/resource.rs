//! The cache of one resource: the objects in order of their keys, indexes, and the ring of changes.

use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use corten_api::{KindInfo, core};
use corten_rt::Instant;
use corten_store::Revision;
use imbl::{OrdMap, OrdSet};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::bell::{Bell, Ear};
use super::lent::{Lending, Lent};
use super::ring::{Change, Limits, Ring};
use super::{Entry, Observer, Reader, Selection, form};

/// The state of one resource as of a revision. Cheap to clone; clones do not change.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// The last change; the snapshot shows every later revision up to the next change, too.
    pub revision: Revision,
    objects: OrdMap<Arc<str>, Arc<Entry>>,
    /// Pods only: their keys by the node they are bound to.
    by_node: OrdMap<Arc<str>, OrdSet<Arc<str>>>,
}

impl Snapshot {
    /// The object at `key`.
    pub fn get(&self, key: &str) -> Option<&Arc<Entry>> {
        self.objects.get(key)
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// The objects whose keys begin with `prefix`, from `start` on (itself included), in order of keys.
    pub fn range<'a>(&'a self, prefix: &'a str, start: &'a str) -> impl Iterator<Item = &'a Arc<Entry>> + 'a {
        let from = start.max(prefix);
        self.objects
            .range::<_, str>((Bound::Included(from), Bound::Unbounded))
            .take_while(move |(key, _)| key.starts_with(prefix))
            .map(|(_, entry)| entry)
    }

    /// The pods bound to `node`, in order of keys.
    pub fn on_node<'a>(&'a self, node: &str) -> impl Iterator<Item = &'a Arc<Entry>> + 'a {
        self.by_node.get(node).into_iter().flatten().filter_map(|key| self.objects.get(key))
    }

    /// The objects from `start` on that a selection is about, selected or not, in order of keys.
    pub fn covered(&self, selection: &Selection, start: &str) -> Vec<Arc<Entry>> {
        match selection.key() {
            Some(key) => self.get(key).into_iter().cloned().collect(),
            None => self.range(&selection.prefix, start).cloned().collect(),
        }
    }

    /// The selected objects, in order of keys.
    pub fn selected(&self, selection: &Selection) -> Vec<Arc<Entry>> {
        let matching = |e: &&Arc<Entry>| selection.matches(e);
        match (selection.key(), selection.node()) {
            (Some(key), _) => self.get(key).filter(matching).into_iter().cloned().collect(),
            (None, Some(node)) => self.on_node(node).filter(matching).cloned().collect(),
            (None, None) => self.range(&selection.prefix, "").filter(matching).cloned().collect(),
        }
    }

    /// Puts `current` (or nothing) at `key`; the entry that stood there.
    fn put(&mut self, key: &Arc<str>, current: Option<Arc<Entry>>) -> Option<Arc<Entry>> {
        let previous = match &current {
            Some(entry) => self.objects.insert(key.clone(), entry.clone()),
            None => self.objects.remove(key),
        };
        for (entry, adds) in [(&previous, false), (&current, true)] {
            let Some(entry) = entry else { continue };
            if entry.kind() == <core::v1::Pod as corten_api::Kind>::INFO {
                self.index_pod(key, entry, adds);
            }
        }
        previous
    }

    fn index_pod(&mut self, key: &Arc<str>, entry: &Entry, adds: bool) {
        let object = entry.object();
        let Some(pod) = object.downcast_ref::<core::v1::Pod>() else { return };
        if !pod.spec.node_name.is_empty() {
            index(&mut self.by_node, &pod.spec.node_name, key, adds);
        }
    }
}

fn index(map: &mut OrdMap<Arc<str>, OrdSet<Arc<str>>>, value: &str, key: &Arc<str>, adds: bool) {
    if adds {
        map.entry(Arc::from(value)).or_default().insert(key.clone());
    } else if let Some(keys) = map.get_mut(value) {
        keys.remove(key);
        if keys.is_empty() {
            map.remove(value);
        }
    }
}

/// A snapshot that a paged list goes on with.
#[derive(Debug)]
struct Held {
    revision: Revision,
    until: Instant,
    snapshot: Snapshot,
}

/// How many paged lists, and for how long, keep their first page's snapshot.
const HELD: usize = 16;
const HELD_FOR: Duration = Duration::from_secs(60);

/// One resource's cache.
pub(crate) struct Resource {
    /// The kind that is stored.
    pub kind: &'static KindInfo,
    /// `/registry/pods/`.
    pub prefix: String,
    /// Changes up to this revision were in what the resource was loaded from.
    pub known: Revision,
    /// No change comes any more; watches end.
    closed: AtomicBool,
    state: RwLock<State>,
    held: Mutex<VecDeque<Held>>,
    lending: Lending,
    /// Tells watchers what may matter to them.
    bell: Arc<Bell>,
    /// Where the ring ends, for those who follow all of it.
    end: watch::Sender<u64>,
    observer: Option<Arc<dyn Observer>>,
    /// Reads what was stored under older declarations.
    pub reader: Option<Arc<dyn Reader>>,
}

/// How many changes are kept.
fn limits(kind: &KindInfo) -> Limits {
    if form::is_large(kind) { Limits::of_large() } else { Limits::default() }
}

#[derive(Debug)]
struct State {
    snapshot: Snapshot,
    ring: Ring,
}

impl Resource {
    pub fn new(kind: &'static KindInfo, prefix: String, observer: Option<Arc<dyn Observer>>) -> Self {
        let state = State { snapshot: Snapshot::default(), ring: Ring::new(0, limits(kind)) };
        Resource {
            kind,
            prefix,
            known: 0,
            closed: AtomicBool::new(false),
            state: RwLock::new(state),
            held: Mutex::default(),
            lending: Lending::default(),
            bell: Arc::default(),
            end: watch::Sender::new(0),
            observer,
            reader: None,
        }
    }

    /// Starts from the objects that the store held at `revision`.
    pub fn load(&self, revision: Revision, entries: Vec<Arc<Entry>>) {
        let mut snapshot = Snapshot { revision, ..Snapshot::default() };
        for entry in entries {
            self.tell(entry.key(), Some(&entry));
            snapshot.put(&entry.key().clone(), Some(entry));
        }
        *self.state.write() = State { snapshot, ring: Ring::new(revision, limits(self.kind)) };
    }

    /// An entry just read from the store, as it is served now.
    pub fn read_now(&self, entry: Arc<Entry>) -> Arc<Entry> {
        match &self.reader {
            Some(reader) => reader.read(entry),
            None => entry,
        }
    }

    /// An entry just written, as it is served.
    pub fn read_written(&self, entry: Arc<Entry>) -> Arc<Entry> {
        match &self.reader {
            Some(reader) if reader.reads_writes() => reader.read(entry),
            _ => entry,
        }
    }

    /// Takes changes in order of revision, all at once for readers. When not all watchers were told, the time
    /// at which [`Resource::tell_late`] has to be called.
    pub fn apply(&self, changes: Vec<(Revision, Arc<str>, Option<Arc<Entry>>)>) -> Option<Instant> {
        let now = Instant::now();
        for (_, key, current) in &changes {
            self.tell(key, current.as_ref());
        }
        let mut rung = Vec::with_capacity(changes.len());
        let (first, end) = {
            let mut state = self.state.write();
            for (revision, key, current) in changes {
                let previous = state.snapshot.put(&key, current.clone());
                state.snapshot.revision = revision;
                if current.is_some() || previous.is_some() {
                    rung.push(state.ring.push(now, Change::new(revision, current, previous)));
                }
            }
            (state.ring.first(), state.ring.end())
        };
        self.lending.take_back(first);
        self.end.send_replace(end);
        self.held.lock().retain(|h| h.until > now);
        self.bell.ring(&rung, now)
    }

    /// Tells the watchers who were to be told later, by `now`. The time of those who are to be told even later.
    pub fn tell_late(&self, now: Instant) -> Option<Instant> {
        self.bell.ring_late(now)
    }

    /// Tells the observer what `key` holds from now on.
    fn tell(&self, key: &str, current: Option<&Arc<Entry>>) {
        let Some(observer) = &self.observer else { return };
        match current {
            Some(entry) => observer.observe(&*entry.object()),
            None => {
                if let Some(gone) = self.get(key) {
                    observer.forget(&*gone.object());
                }
            }
        }
    }

    /// The state now.
    pub fn snapshot(&self) -> Snapshot {
        self.state.read().snapshot.clone()
    }

    /// The object at `key` now.
    pub fn get(&self, key: &str) -> Option<Arc<Entry>> {
        self.state.read().snapshot.get(key).cloned()
    }

    /// The state as of `revision`, when it is at hand.
    pub fn snapshot_at(&self, revision: Revision) -> Option<Snapshot> {
        let now = self.snapshot();
        if now.revision <= revision {
            return Some(now);
        }
        let held = self.held.lock();
        held.iter()
            .find(|h| h.snapshot.revision <= revision && revision <= h.revision)
            .map(|h| h.snapshot.clone())
    }

    /// Keeps the snapshot shown at `revision` for the list's next pages.
    pub fn hold(&self, revision: Revision, snapshot: Snapshot) {
        let until = Instant::now() + HELD_FOR;
        let mut held = self.held.lock();
        held.retain(|h| h.revision != revision);
        if held.len() == HELD {
            held.pop_front();
        }
        held.push_back(Held { revision, until, snapshot });
    }

    /// The state now and the ring's end that belongs to it.
    pub fn snapshot_and_end(&self) -> (Snapshot, u64) {
        let state = self.state.read();
        (state.snapshot.clone(), state.ring.end())
    }

    /// The state now for a watch to begin with, its revision, and the ring's end that belongs to it.
    pub fn lend(&self) -> (Arc<Lent>, Revision, u64) {
        let state = self.state.read();
        let end = state.ring.end();
        (self.lending.lend(end, state.snapshot.clone()), state.snapshot.revision, end)
    }

    /// The number of the first change after `revision`, or the oldest revision that could be asked for.
    pub fn changes_after(&self, revision: Revision) -> Result<u64, Revision> {
        let state = self.state.read();
        state.ring.after(revision).ok_or_else(|| state.ring.floor())
    }

    /// Up to `most` changes from number `from` on, or the oldest revision that could be asked for.
    pub fn read(&self, from: u64, most: usize) -> Result<Vec<Arc<Change>>, Revision> {
        let state = self.state.read();
        state.ring.read(from, most).ok_or_else(|| state.ring.floor())
    }

    /// Ends the watches: another cache has taken over, or the kind is gone.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake_all();
    }

    /// Whether the watches are to end.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Wakes when the ring grows, or is closed.
    pub fn grown(&self) -> watch::Receiver<u64> {
        self.end.subscribe()
    }

    /// Hears of changes that may matter to a selection; `paced` for watchers of whom there may be many.
    pub fn listen(&self, selection: &Selection, paced: bool) -> Ear {
        Ear::new(&self.bell, selection, paced)
    }

    /// Wakes all watchers, though nothing has changed.
    pub fn wake_all(&self) {
        self.end.send_modify(|_| {});
        self.bell.wake_all();
    }
}
