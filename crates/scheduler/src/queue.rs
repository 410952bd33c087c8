//! The pods that wait for a node. Each is in one of these parts: active (to be tried now), backing off
//! (after a failure, until its time is up), unschedulable (until something happens that could help it, or
//! five minutes passed), gated, or in flight (being bound).

use crate::config::Config;
use crate::framework::{ClusterEvents, QueueSort};
use crate::pod_info::PodInfo;
use corten_client::Key;
use corten_rt::Instant;
use std::cmp::Ordering;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Who waits, and where.
pub struct Queue {
    config: Config,
    sort: Arc<dyn QueueSort>,
    entries: HashMap<Key, Entry>,
    /// May hold pods that are no longer active; their ticket tells.
    active: BinaryHeap<Candidate>,
    backing_off: BTreeSet<(Instant, u64, Key)>,
    tickets: u64,
    start: Instant,
}

struct Entry {
    info: Arc<PodInfo>,
    place: Place,
    /// When it came, or failed last, counted from the queue's start.
    came: Duration,
    attempts: u32,
    last_failure: Instant,
    /// What could help it.
    events: ClusterEvents,
    /// The last failure was no verdict of a plugin: the whole delay has to pass.
    after_error: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Active(u64),
    BackingOff(Instant, u64),
    Unschedulable,
    Gated,
    InFlight,
}

struct Candidate {
    info: Arc<PodInfo>,
    came: Duration,
    ticket: u64,
    sort: Arc<dyn QueueSort>,
}

impl Queue {
    /// An empty queue.
    pub fn new(config: Config, sort: Arc<dyn QueueSort>, now: Instant) -> Self {
        Queue {
            config,
            sort,
            entries: HashMap::new(),
            active: BinaryHeap::new(),
            backing_off: BTreeSet::new(),
            tickets: 0,
            start: now,
        }
    }

    /// Takes in a pod without a node, or its new state. A change that could matter to plugins ends the wait
    /// of an unschedulable one.
    pub fn set(&mut self, info: Arc<PodInfo>, gated: bool, now: Instant) {
        let Some(entry) = self.entries.get_mut(&info.key).filter(|e| e.info.uid() == info.uid()) else {
            self.remove(&info.key);
            let key = info.key.clone();
            let came = now.saturating_duration_since(self.start);
            let entry = Entry {
                info,
                place: Place::Gated,
                came,
                attempts: 0,
                last_failure: now,
                events: ClusterEvents::default(),
                after_error: false,
            };
            self.entries.insert(key.clone(), entry);
            if !gated {
                self.activate(&key);
            }
            return;
        };
        let changed = matters(&entry.info, &info);
        let key = info.key.clone();
        entry.info = info;
        match entry.place {
            Place::Gated if !gated => self.activate(&key),
            Place::Unschedulable if changed => self.resume(&key, now),
            Place::Active(_) if changed => self.activate(&key),
            _ => {}
        }
    }

    /// Forgets a pod: it is bound, gone, or somebody else's.
    pub fn remove(&mut self, key: &Key) {
        if let Some(Entry { place: Place::BackingOff(until, ticket), .. }) = self.entries.remove(key) {
            self.backing_off.remove(&(until, ticket, key.clone()));
        }
    }

    /// The next pod to try; it is in flight then. When nothing else is to be done, pods that back off from
    /// a plugin's verdict have their turn early, as upstream's.
    pub fn pop(&mut self) -> Option<Arc<PodInfo>> {
        while let Some(candidate) = self.active.pop() {
            if let Some(entry) = self.entries.get_mut(&candidate.info.key)
                && entry.place == Place::Active(candidate.ticket)
            {
                return Some(entry.take());
            }
        }
        let entries = &self.entries;
        let early = |item: &&(Instant, u64, Key)| entries.get(&item.2).is_some_and(|e| !e.after_error);
        let item = self.backing_off.iter().find(early)?.clone();
        self.backing_off.remove(&item);
        self.entries.get_mut(&item.2).map(Entry::take)
    }

    /// A plugin's verdict on a pod in flight: it waits until one of `events`.
    pub fn unschedulable(&mut self, key: &Key, events: ClusterEvents, now: Instant) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.fail(events, false, self.start, now);
            entry.place = Place::Unschedulable;
        }
    }

    /// A failure that was nobody's verdict: the pod is tried again after its delay.
    pub fn failed(&mut self, key: &Key, now: Instant) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.fail(ClusterEvents::default(), true, self.start, now);
            self.resume(key, now);
        }
    }

    /// Something happened: the pods it could help go on.
    pub fn wake(&mut self, events: ClusterEvents, now: Instant) {
        if events.is_empty() {
            return;
        }
        let helped = |e: &Entry| e.place == Place::Unschedulable && e.events.meets(events);
        for key in self.keys_where(helped) {
            self.resume(&key, now);
        }
    }

    /// Moves on what has waited long enough.
    pub fn ripen(&mut self, now: Instant) {
        while let Some((_, _, key)) = self.backing_off.first().filter(|(until, ..)| *until <= now) {
            let key = key.clone();
            self.backing_off.pop_first();
            self.activate(&key);
        }
    }

    /// Moves on the unschedulable pods that nothing helped for five minutes.
    pub fn flush(&mut self, now: Instant) {
        let most = self.config.max_in_unschedulable;
        let old = |e: &Entry| {
            e.place == Place::Unschedulable && now.saturating_duration_since(e.last_failure) > most
        };
        for key in self.keys_where(old) {
            self.resume(&key, now);
        }
    }

    /// When the first delay is over.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.backing_off.first().map(|(until, ..)| *until)
    }

    /// How many pods wait, in whatever part.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no pod waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn keys_where(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<Key> {
        self.entries.iter().filter(|(_, e)| wanted(e)).map(|(key, _)| key.clone()).collect()
    }

    /// Ends a wait: to the active part, or to the end of the delay first.
    fn resume(&mut self, key: &Key, now: Instant) {
        self.tickets += 1;
        let Some(entry) = self.entries.get_mut(key) else { return };
        let until = entry.last_failure + delay(&self.config, entry.attempts);
        if until <= now {
            self.activate(key);
        } else {
            entry.place = Place::BackingOff(until, self.tickets);
            self.backing_off.insert((until, self.tickets, key.clone()));
        }
    }

    fn activate(&mut self, key: &Key) {
        self.tickets += 1;
        let Some(entry) = self.entries.get_mut(key) else { return };
        entry.place = Place::Active(self.tickets);
        self.active.push(Candidate {
            info: entry.info.clone(),
            came: entry.came,
            ticket: self.tickets,
            sort: self.sort.clone(),
        });
    }
}

impl Entry {
    fn take(&mut self) -> Arc<PodInfo> {
        self.place = Place::InFlight;
        self.attempts += 1;
        self.info.clone()
    }

    fn fail(&mut self, events: ClusterEvents, error: bool, start: Instant, now: Instant) {
        self.events = events;
        self.after_error = error;
        self.last_failure = now;
        self.came = now.saturating_duration_since(start);
    }
}

/// The delay after so many attempts.
fn delay(config: &Config, attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    config.initial_backoff.saturating_mul(1 << doublings).min(config.max_backoff)
}

/// Whether a change of the pod could change a plugin's verdict; a change of its status cannot.
fn matters(old: &PodInfo, new: &PodInfo) -> bool {
    let (a, b) = (&old.pod.metadata, &new.pod.metadata);
    old.pod.spec != new.pod.spec || a.labels != b.labels || a.deletion_timestamp != b.deletion_timestamp
}

impl Ord for Candidate {
    /// The heap gives the greatest first: that is who sorts first.
    fn cmp(&self, other: &Self) -> Ordering {
        let first = self.sort.compare((&self.info, self.came), (&other.info, other.came));
        first.then(self.ticket.cmp(&other.ticket)).reverse()
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framework::ClusterEvent;
    use crate::plugins::PrioritySort;
    use crate::plugins::testing::pod;

    fn info(name: &str, priority: i32) -> Arc<PodInfo> {
        let mut pod = pod(name, 100);
        pod.spec.priority = Some(priority);
        Arc::new(PodInfo::new(Arc::new(pod)))
    }

    fn queue(now: Instant) -> Queue {
        Queue::new(Config::default(), Arc::new(PrioritySort), now)
    }

    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    fn popped(q: &mut Queue) -> Vec<String> {
        std::iter::from_fn(|| q.pop().map(|p| p.key.name.clone())).collect()
    }

    #[test]
    fn higher_priority_then_longer_wait_comes_first() {
        let now = Instant::now();
        let mut q = queue(now);
        for (name, priority, came) in [("a", 0, 1), ("b", 5, 3), ("c", 5, 2), ("d", 0, 0)] {
            q.set(info(name, priority), false, now + seconds(came));
        }
        assert_eq!(popped(&mut q), ["c", "b", "d", "a"]);
    }

    #[test]
    fn an_unschedulable_pod_is_woken_by_what_helps_it_alone() {
        let now = Instant::now();
        let mut q = queue(now);
        q.set(info("a", 0), false, now);
        let key = q.pop().expect("active").key.clone();
        q.unschedulable(&key, ClusterEvents::of(&[ClusterEvent::NodeTaints]), now);
        q.wake(ClusterEvents::of(&[ClusterEvent::AssignedPodGone]), now);
        assert!(q.pop().is_none());
        q.wake(ClusterEvents::of(&[ClusterEvent::NodeTaints, ClusterEvent::NodeLabels]), now);
        assert_eq!(q.next_deadline(), Some(now + seconds(1)));
        assert_eq!(popped(&mut q), ["a"], "nobody else waits: its turn comes early");
    }

    #[test]
    fn delays_double_to_ten_seconds_and_errors_wait_them_out() {
        let now = Instant::now();
        let mut q = queue(now);
        q.set(info("a", 0), false, now);
        let mut waited = Vec::new();
        let mut at = now;
        for _ in 0..6 {
            let key = q.pop().expect("active").key.clone();
            q.failed(&key, at);
            assert!(q.pop().is_none(), "after an error there is no early turn");
            let until = q.next_deadline().expect("backing off");
            waited.push((until - at).as_secs());
            at = until;
            q.ripen(at);
        }
        assert_eq!(waited, [1, 2, 4, 8, 10, 10]);
    }

    #[test]
    fn after_five_minutes_it_is_tried_again() {
        let now = Instant::now();
        let mut q = queue(now);
        q.set(info("a", 0), false, now);
        let key = q.pop().expect("active").key.clone();
        q.unschedulable(&key, ClusterEvents::default(), now);
        q.flush(now + seconds(300));
        assert!(q.pop().is_none());
        q.flush(now + seconds(301));
        assert_eq!(popped(&mut q), ["a"]);
    }

    #[test]
    fn gates_removal_and_changes() {
        let now = Instant::now();
        let mut q = queue(now);
        q.set(info("gated", 0), true, now);
        assert!(q.pop().is_none());
        q.set(info("gated", 0), false, now);
        assert_eq!(popped(&mut q), ["gated"]);
        q.unschedulable(&Key::new("default", "gated"), ClusterEvents::default(), now);
        q.set(info("gated", 0), false, now + seconds(2));
        assert!(q.pop().is_none(), "nothing changed that matters");
        q.set(info("gated", 7), false, now + seconds(2));
        assert_eq!(popped(&mut q), ["gated"]);
        q.set(info("gone", 0), false, now);
        q.remove(&Key::new("default", "gone"));
        assert!(q.pop().is_none());
    }
}
