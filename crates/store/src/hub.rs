//! Hands committed events to the watchers, through queues that are bounded in number and in bytes.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::{Batch, Error, Event, Result, Revision};

/// How far a watcher may fall behind before it is told to list again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backlog {
    /// Batches that wait for the watcher.
    pub batches: usize,
    /// Bytes that these batches hold.
    pub bytes: usize,
}

impl Default for Backlog {
    fn default() -> Self {
        Backlog { batches: 1024, bytes: 32 << 20 }
    }
}

/// The watchers of one store.
#[derive(Debug)]
pub(crate) struct Hub {
    backlog: Backlog,
    published: Arc<AtomicU64>,
    watchers: Mutex<Option<Vec<Watcher>>>,
}

#[derive(Debug)]
struct Watcher {
    prefix: Box<str>,
    after: Revision,
    queue: mpsc::Sender<Batch>,
    shared: Arc<Shared>,
}

/// What a watcher and its queue both see.
#[derive(Debug, Default)]
struct Shared {
    waiting_bytes: AtomicUsize,
    end: OnceLock<Error>,
}

impl Hub {
    /// A hub whose watchers have seen everything up to `revision`.
    pub fn new(revision: Revision, backlog: Backlog) -> Self {
        Hub { backlog, published: Arc::new(AtomicU64::new(revision)), watchers: Mutex::new(Some(Vec::new())) }
    }

    /// Joins a watcher. It gets the events above both `after` and the returned revision; those up to the
    /// returned one are in the store already.
    pub fn subscribe(&self, prefix: &str, after: Revision) -> Result<(Subscription, Revision)> {
        let (queue, receiver) = mpsc::channel(self.backlog.batches.max(1));
        let shared = Arc::<Shared>::default();
        let mut watchers = self.watchers.lock();
        let list = watchers.as_mut().ok_or(Error::Closed)?;
        list.push(Watcher { prefix: prefix.into(), after, queue, shared: shared.clone() });
        let published = self.published.load(Ordering::Acquire);
        drop(watchers);
        Ok((Subscription { receiver, shared, published: self.published.clone() }, published))
    }

    /// Hands out the events of transactions up to `revision`, in order. One caller at a time.
    pub fn publish(&self, revision: Revision, events: &[Event]) {
        let mut watchers = self.watchers.lock();
        if let Some(list) = watchers.as_mut() {
            list.retain(|watcher| watcher.offer(revision, events, self.backlog.bytes));
        }
        self.published.store(revision, Ordering::Release);
    }

    /// Ends every watch with `reason`; new ones may join.
    pub fn end_all(&self, reason: Error) {
        if let Some(list) = self.watchers.lock().as_mut() {
            list.drain(..).for_each(|watcher| watcher.end(reason.clone()));
        }
    }

    /// The revision up to which events have been handed out: that of the latest acknowledged transaction.
    pub fn published(&self) -> Result<Revision> {
        let open = self.watchers.lock().is_some();
        if open { Ok(self.published.load(Ordering::Acquire)) } else { Err(Error::Closed) }
    }

    /// Moves on to `revision` without events, after history was cut.
    pub fn skip_to(&self, revision: Revision) {
        self.published.fetch_max(revision, Ordering::AcqRel);
    }

    /// Ends every watch and takes no more.
    pub fn close(&self) {
        for watcher in self.watchers.lock().take().unwrap_or_default() {
            watcher.end(Error::Closed);
        }
    }
}

impl Watcher {
    /// Queues what concerns the watcher; whether it stays.
    fn offer(&self, revision: Revision, events: &[Event], most_bytes: usize) -> bool {
        if self.queue.is_closed() {
            return false;
        }
        let mine = |e: &&Event| e.revision > self.after && e.key.starts_with(&*self.prefix);
        let events: Vec<Event> = events.iter().filter(mine).cloned().collect();
        if events.is_empty() {
            return true;
        }
        let bytes: usize = events.iter().map(Event::bytes).sum();
        let waiting = self.shared.waiting_bytes.fetch_add(bytes, Ordering::AcqRel);
        // An empty queue takes a batch of any size, so that no single write can end every watch.
        let fits = waiting == 0 || waiting + bytes <= most_bytes;
        let sent = fits && self.queue.try_send(Batch { revision, events }).is_ok();
        if !sent {
            self.end(Error::Lagged);
        }
        sent
    }

    /// The watcher reads on to the end of its queue and then meets `reason`.
    fn end(&self, reason: Error) {
        // Set once: the first reason stands.
        let _ = self.shared.end.set(reason);
    }
}

/// The receiving end of one watcher's queue.
#[derive(Debug)]
pub(crate) struct Subscription {
    receiver: mpsc::Receiver<Batch>,
    shared: Arc<Shared>,
    published: Arc<AtomicU64>,
}

impl Subscription {
    /// The next batch, or why the watch ended.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Batch>> {
        self.receiver.poll_recv(cx).map(|batch| match batch {
            Some(batch) => {
                let bytes: usize = batch.events.iter().map(Event::bytes).sum();
                self.shared.waiting_bytes.fetch_sub(bytes, Ordering::AcqRel);
                Ok(batch)
            }
            None => Err(self.shared.end.get().cloned().unwrap_or(Error::Closed)),
        })
    }

    /// The revision up to which the store has handed out events.
    pub fn published(&self) -> Revision {
        self.published.load(Ordering::Acquire)
    }

    /// Whether nothing waits and more may come.
    pub fn is_drained(&self) -> bool {
        self.receiver.is_empty() && self.shared.end.get().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures::FutureExt;

    fn event(revision: Revision, key: &str, bytes: usize) -> Event {
        let record = crate::Record::put(key.into(), Bytes::from(vec![0; bytes]), revision, None);
        Event { revision, key: key.into(), current: Some(record), previous: None }
    }

    fn next(s: &mut Subscription) -> Option<Result<Batch>> {
        std::future::poll_fn(|cx| s.poll_next(cx)).now_or_never()
    }

    #[test]
    fn a_slow_watcher_reads_its_queue_and_then_learns_that_it_lagged() {
        for backlog in [Backlog { batches: 2, bytes: 1 << 20 }, Backlog { batches: 100, bytes: 202 }] {
            let hub = Hub::new(1, backlog);
            let (mut slow, _) = hub.subscribe("/a", 1).expect("open");
            let (mut other, _) = hub.subscribe("/b", 1).expect("open");
            (2..10).for_each(|r| hub.publish(r, &[event(r, "/a", 99)]));
            assert_eq!(next(&mut slow).expect("ready").expect("batch").revision, 2);
            assert_eq!(next(&mut slow).expect("ready").expect("batch").revision, 3);
            assert_eq!(next(&mut slow), Some(Err(Error::Lagged)), "{backlog:?}");
            assert_eq!(next(&mut other), None, "another prefix is not concerned");
        }
    }

    #[test]
    fn one_large_event_passes_an_empty_queue() {
        let hub = Hub::new(1, Backlog { batches: 4, bytes: 10 });
        let (mut s, _) = hub.subscribe("", 1).expect("open");
        hub.publish(2, &[event(2, "/a", 99)]);
        assert!(matches!(next(&mut s), Some(Ok(_))));
        hub.publish(3, &[event(3, "/a", 99)]);
        assert!(matches!(next(&mut s), Some(Ok(_))));
    }

    #[test]
    fn a_dropped_watcher_is_forgotten_and_a_closed_hub_takes_none() {
        let hub = Hub::new(1, Backlog::default());
        drop(hub.subscribe("", 1).expect("open"));
        hub.publish(2, &[]);
        assert_eq!(hub.watchers.lock().as_ref().map(Vec::len), Some(0));
        let (mut s, _) = hub.subscribe("", 2).expect("open");
        hub.close();
        assert_eq!(next(&mut s), Some(Err(Error::Closed)));
        assert_eq!(hub.subscribe("", 2).err(), Some(Error::Closed));
    }
}
