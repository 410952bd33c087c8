//! How watchers hear that there are changes. Watchers of the same selection share a room; a change rings in the
//! rooms whose selection it can matter to, found by the place of its key and, for pods, by their node. So a
//! watcher of one node's pods, of one object or of one namespace costs nothing while others change.
//!
//! Watchers in this process are woken at once. Of those outside, each costs a wake-up, a TLS record and a system
//! call, whatever it is sent; where a room has many, they are woken a little later and find several changes
//! ([`Pace`]). The first change after a quiet while always goes out at once. What they find then is the same for
//! all of them, however soon each comes to look ([`Gate`]), so that it is encoded once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use corten_rt::Instant;
use futures::task::AtomicWaker;
use parking_lot::Mutex;

use super::pace::{Pace, Tell};
use super::ring::Change;
use super::selection::Selection;
use super::shared::Shared;

/// Tells the watchers of one resource which changes may matter to them.
#[derive(Default)]
pub(crate) struct Bell(Mutex<Rooms>);

#[derive(Default)]
struct Rooms {
    /// Each by itself: a table has room for four at least, and most resources have one.
    all: HashMap<u64, Box<Room>>,
    /// Rooms by what their selection is bound to: a part of the keys, one key, one node.
    below: HashMap<Box<str>, Vec<u64>>,
    at: HashMap<Box<str>, Vec<u64>>,
    on: HashMap<Box<str>, Vec<u64>>,
    /// Rooms whose watchers are to be woken later, and when.
    late: Vec<(Instant, u64)>,
    /// The number of the next room or watcher.
    next: u64,
}

/// Watchers of one selection.
struct Room {
    selection: Selection,
    prompt: HashMap<u64, Arc<Slot>>,
    paced: HashMap<u64, Arc<Slot>>,
    pace: Pace,
    gate: Arc<Gate>,
    shared: Arc<Shared>,
}

/// Up to where the paced watchers of a room have been told of changes.
struct Gate {
    /// The number after the last change that they may look at.
    end: AtomicU64,
    /// The numbers of the first change that they are to be told of later, and after the last; [`NOTHING`] when
    /// there is none.
    first: AtomicU64,
    last: AtomicU64,
}

impl Default for Gate {
    fn default() -> Self {
        Gate { end: AtomicU64::new(0), first: AtomicU64::new(NOTHING), last: AtomicU64::new(0) }
    }
}

impl Gate {
    /// There is a change to be told of.
    fn add(&self, number: u64) {
        self.first.fetch_min(number, Ordering::AcqRel);
        self.last.fetch_max(number + 1, Ordering::AcqRel);
    }
}

/// Where a watcher is reached.
struct Slot {
    /// The number of the first change that may matter and was not heard of yet; [`NOTHING`] when there is none.
    first: AtomicU64,
    waker: AtomicWaker,
}

const NOTHING: u64 = u64::MAX;

impl Rooms {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// The list of rooms that a selection's room stands in.
    fn list(&mut self, selection: &Selection) -> &mut Vec<u64> {
        let (map, name) = match (selection.key(), selection.node()) {
            (Some(key), _) => (&mut self.at, key),
            (None, Some(node)) => (&mut self.on, node),
            (None, None) => (&mut self.below, &*selection.prefix),
        };
        map.entry(Box::from(name)).or_default()
    }

    /// The room of a selection, made if there is none.
    fn room(&mut self, selection: &Selection) -> (u64, &mut Room) {
        let known = self.list(selection).clone();
        let same = |id: &&u64| self.all.get(id).is_some_and(|room| room.selection.is_same(selection));
        let id = match known.iter().find(same) {
            Some(id) => *id,
            None => {
                let id = self.number();
                self.list(selection).push(id);
                id
            }
        };
        let room = self.all.entry(id).or_insert_with(|| Box::new(Room::new(selection.clone())));
        (id, room)
    }

    /// Removes a watcher, and its room when it was the last.
    fn leave(&mut self, id: u64, watcher: u64) {
        let Some(room) = self.all.get_mut(&id) else { return };
        room.prompt.remove(&watcher);
        room.paced.remove(&watcher);
        room.count();
        if !room.prompt.is_empty() || !room.paced.is_empty() {
            return;
        }
        let Some(room) = self.all.remove(&id) else { return };
        let (key, node) = (room.selection.key(), room.selection.node());
        self.list(&room.selection).retain(|other| *other != id);
        match (key, node) {
            (Some(key), _) => forget_if_empty(&mut self.at, key),
            (None, Some(node)) => forget_if_empty(&mut self.on, node),
            (None, None) => forget_if_empty(&mut self.below, &room.selection.prefix),
        }
    }

    /// The rooms that a change may matter to.
    fn concerned(&self, change: &Change) -> Vec<u64> {
        let mut found = Vec::new();
        let mut add = |map: &HashMap<Box<str>, Vec<u64>>, name: &str| {
            found.extend(map.get(name).into_iter().flatten().filter(|id| {
                self.all
                    .get(id)
                    .is_some_and(|room| change.states().any(|entry| room.selection.may_select(entry)))
            }));
        };
        if let Some(entry) = change.states().next() {
            let key: &str = entry.key();
            for (end, _) in key.match_indices('/') {
                add(&self.below, &key[..=end]);
            }
            if !self.at.is_empty() {
                add(&self.at, key);
            }
        }
        if !self.on.is_empty() {
            let mut nodes = change.states().map(|entry| super::selection::node_of(entry));
            let (one, other) = (nodes.next().flatten(), nodes.next().flatten());
            for node in [one.as_ref(), other.as_ref().filter(|other| Some(*other) != one.as_ref())] {
                node.into_iter().for_each(|node| add(&self.on, node));
            }
        }
        found
    }
}

fn forget_if_empty(map: &mut HashMap<Box<str>, Vec<u64>>, name: &str) {
    if map.get(name).is_some_and(Vec::is_empty) {
        map.remove(name);
    }
}

impl Room {
    fn new(selection: Selection) -> Self {
        Room {
            selection,
            prompt: HashMap::new(),
            paced: HashMap::new(),
            pace: Pace::default(),
            gate: Arc::default(),
            shared: Arc::default(),
        }
    }

    fn wakers(slots: &HashMap<u64, Arc<Slot>>, into: &mut Vec<Waker>) {
        into.extend(slots.values().filter_map(|slot| slot.waker.take()));
    }

    /// Lets the paced watchers look at what there is.
    fn open(&self, into: &mut Vec<Waker>) {
        let Gate { end, first, last } = &*self.gate;
        end.fetch_max(last.load(Ordering::Acquire), Ordering::AcqRel);
        let number = first.load(Ordering::Acquire);
        for slot in self.paced.values() {
            slot.first.fetch_min(number, Ordering::AcqRel);
        }
        // Not before the slots say so: who asks for all there is sees one or the other.
        first.store(NOTHING, Ordering::Release);
        Room::wakers(&self.paced, into);
    }

    /// Says how many there are.
    fn count(&self) {
        self.shared.is_among(self.prompt.len() + self.paced.len());
    }
}

impl Bell {
    /// Changes with their numbers in the ring, which shows them already. When not all watchers were woken whom
    /// they may matter to, the time at which [`Bell::ring_late`] has to be called.
    pub fn ring(&self, changes: &[(u64, Arc<Change>)], now: Instant) -> Option<Instant> {
        let mut wakers = Vec::new();
        let mut due: Option<Instant> = None;
        {
            let mut rooms = self.0.lock();
            if rooms.all.is_empty() {
                return None;
            }
            let mut touched: Vec<u64> = Vec::new();
            for (number, change) in changes {
                for id in rooms.concerned(change) {
                    let Some(room) = rooms.all.get(&id) else { continue };
                    for slot in room.prompt.values() {
                        slot.first.fetch_min(*number, Ordering::AcqRel);
                    }
                    room.gate.add(*number);
                    touched.push(id);
                }
            }
            touched.sort_unstable();
            let Rooms { all, late, .. } = &mut *rooms;
            for same in touched.chunk_by(|one, other| one == other) {
                let id = same[0];
                let Some(room) = all.get_mut(&id) else { continue };
                Room::wakers(&room.prompt, &mut wakers);
                match room.pace.tell(same.len(), room.paced.len(), now) {
                    Tell::Now => room.open(&mut wakers),
                    Tell::Later(at) => {
                        late.push((at, id));
                        due = Some(due.map_or(at, |due| due.min(at)));
                    }
                    Tell::Known => {}
                }
            }
        }
        // Not under the lock: what a waker lets go of may be a watcher.
        wakers.into_iter().for_each(Waker::wake);
        due
    }

    /// Wakes those whose time has come. The time of the next, if there are more.
    pub fn ring_late(&self, now: Instant) -> Option<Instant> {
        let mut wakers = Vec::new();
        let next = {
            let Rooms { all, late, .. } = &mut *self.0.lock();
            late.retain(|(at, id)| {
                let waits = *at > now;
                if let Some(room) = all.get_mut(id).filter(|_| !waits) {
                    room.pace.told(now);
                    room.open(&mut wakers);
                }
                waits
            });
            late.iter().map(|(at, _)| *at).min()
        };
        wakers.into_iter().for_each(Waker::wake);
        next
    }

    /// Wakes everybody, though nothing has changed.
    pub fn wake_all(&self) {
        let mut wakers = Vec::new();
        for room in self.0.lock().all.values() {
            Room::wakers(&room.prompt, &mut wakers);
            Room::wakers(&room.paced, &mut wakers);
        }
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// A watcher's place in a room; it leaves when this is dropped.
pub(crate) struct Ear {
    bell: Arc<Bell>,
    room: u64,
    number: u64,
    slot: Arc<Slot>,
    /// Of those who are paced.
    gate: Option<Arc<Gate>>,
    shared: Arc<Shared>,
}

impl Ear {
    /// Hears of changes from now on; `paced` of those of whom there may be many, and who can wait a little.
    pub fn new(bell: &Arc<Bell>, selection: &Selection, paced: bool) -> Self {
        let slot = Arc::new(Slot { first: AtomicU64::new(NOTHING), waker: AtomicWaker::new() });
        let mut rooms = bell.0.lock();
        let number = rooms.number();
        let (id, room) = rooms.room(selection);
        let watchers = if paced { &mut room.paced } else { &mut room.prompt };
        watchers.insert(number, Arc::clone(&slot));
        room.count();
        let shared = Arc::clone(&room.shared);
        let gate = paced.then(|| Arc::clone(&room.gate));
        drop(rooms);
        Ear { bell: Arc::clone(bell), room: id, number, slot, gate, shared }
    }

    /// The number after the last change that may be looked at, having been heard of.
    pub fn end(&self) -> u64 {
        self.gate.as_ref().map_or(NOTHING, |gate| gate.end.load(Ordering::Acquire))
    }

    /// As [`Ear::heard`], those changes included that are to be told later.
    pub fn heard_or_known(&self) -> Option<u64> {
        let known = self.gate.as_ref().map_or(NOTHING, |gate| gate.first.load(Ordering::Acquire));
        let heard = self.slot.first.swap(NOTHING, Ordering::AcqRel);
        Some(known.min(heard)).filter(|first| *first != NOTHING)
    }

    /// The number of the first change that may matter and was not told before.
    pub fn heard(&self) -> Option<u64> {
        Some(self.slot.first.swap(NOTHING, Ordering::AcqRel)).filter(|first| *first != NOTHING)
    }

    /// The same, when there is one. The task is woken then, and by [`Bell::wake_all`].
    pub fn poll_heard(&self, context: &mut Context<'_>) -> Poll<u64> {
        if let Some(first) = self.heard() {
            return Poll::Ready(first);
        }
        self.slot.waker.register(context.waker());
        self.heard().map_or(Poll::Pending, Poll::Ready)
    }

    /// What the watchers of the room have in common.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.bell.0.lock().leave(self.room, self.number);
    }
}

#[cfg(test)]
#[path = "bell_tests.rs"]
mod tests;
