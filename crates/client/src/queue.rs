//! A queue of keys to work on: each key stands in it once, is worked on by one at a time, and comes back
//! later when its work failed (client-go `workqueue`).

use corten_rt::{Backoff, Instant};
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Shared by those who add and those who work. Cheap to clone.
pub struct WorkQueue<T> {
    state: Arc<Mutex<State<T>>>,
    woken: Arc<Notify>,
}

struct State<T> {
    ready: VecDeque<T>,
    waiting: BTreeSet<(Instant, T)>,
    queued: HashSet<T>,
    working: HashSet<T>,
    again: HashSet<T>,
    failures: HashMap<T, Backoff>,
}

impl<T> Clone for WorkQueue<T> {
    fn clone(&self) -> Self {
        WorkQueue { state: self.state.clone(), woken: self.woken.clone() }
    }
}

impl<T: Clone + Eq + Hash + Ord> Default for WorkQueue<T> {
    fn default() -> Self {
        let state = State {
            ready: VecDeque::new(),
            waiting: BTreeSet::new(),
            queued: HashSet::new(),
            working: HashSet::new(),
            again: HashSet::new(),
            failures: HashMap::new(),
        };
        WorkQueue { state: Arc::new(Mutex::new(state)), woken: Arc::new(Notify::new()) }
    }
}

impl<T: Clone + Eq + Hash + Ord> WorkQueue<T> {
    /// Adds a key. One that is being worked on comes up again afterwards.
    pub fn add(&self, key: T) {
        if self.state.lock().add(key) {
            self.woken.notify_one();
        }
    }

    /// Adds a key after `delay`.
    pub fn add_after(&self, key: T, delay: Duration) {
        self.state.lock().waiting.insert((Instant::now() + delay, key));
        self.woken.notify_one();
    }

    /// Adds a key whose work failed, after a delay that grows with its failures (5 ms to 16 minutes).
    pub fn retry(&self, key: T) {
        let delay = self
            .state
            .lock()
            .failures
            .entry(key.clone())
            .or_insert_with(|| Backoff::new(Duration::from_millis(5), Duration::from_secs(1000)))
            .step();
        self.add_after(key, delay);
    }

    /// Forgets the failures of a key, after a success.
    pub fn forget(&self, key: &T) {
        self.state.lock().failures.remove(key);
    }

    /// The next key; it is the caller's until [`WorkQueue::done`].
    pub async fn next(&self) -> T {
        loop {
            let deadline = {
                let mut state = self.state.lock();
                state.ripen(Instant::now());
                if let Some(key) = state.take() {
                    if !state.ready.is_empty() {
                        self.woken.notify_one();
                    }
                    return key;
                }
                state.waiting.first().map(|(at, _)| *at)
            };
            match deadline {
                Some(at) => {
                    tokio::select! {
                        () = self.woken.notified() => {}
                        () = corten_rt::sleep_until(at) => {}
                    }
                }
                None => self.woken.notified().await,
            }
        }
    }

    /// Ends the work on a key.
    pub fn done(&self, key: &T) {
        let mut state = self.state.lock();
        state.working.remove(key);
        if state.again.remove(key) && state.add(key.clone()) {
            self.woken.notify_one();
        }
    }

    /// How many keys are ready.
    pub fn len(&self) -> usize {
        self.state.lock().ready.len()
    }

    /// Whether no key is ready.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Clone + Eq + Hash + Ord> State<T> {
    fn add(&mut self, key: T) -> bool {
        if self.working.contains(&key) {
            self.again.insert(key);
            return false;
        }
        if !self.queued.insert(key.clone()) {
            return false;
        }
        self.ready.push_back(key);
        true
    }

    fn ripen(&mut self, now: Instant) {
        while self.waiting.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, key)) = self.waiting.pop_first() {
                self.add(key);
            }
        }
    }

    fn take(&mut self) -> Option<T> {
        let key = self.ready.pop_front()?;
        self.queued.remove(&key);
        self.working.insert(key.clone());
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_key_stands_once_and_comes_back_if_it_changed_meanwhile() {
        let q = WorkQueue::default();
        q.add("a");
        q.add("a");
        assert_eq!(q.next().await, "a");
        assert!(q.is_empty());
        q.add("a");
        assert!(q.is_empty(), "one worker per key");
        q.done(&"a");
        assert_eq!(q.next().await, "a");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_wait_longer_each_time() {
        let q = WorkQueue::default();
        let start = Instant::now();
        for _ in 0..6 {
            q.retry("a");
            let key = q.next().await;
            q.done(&key);
        }
        let waited = start.elapsed();
        assert!(waited >= Duration::from_millis(5 + 10 + 20 + 40 + 80 + 160), "{waited:?}");
        assert!(waited < Duration::from_millis(400), "{waited:?}");
    }
}
