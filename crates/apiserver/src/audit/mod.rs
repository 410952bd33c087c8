//! The audit log: what the policy says of a request is written as lines of JSON into a buffer, which a task
//! of its own takes to the disk. A disk that is slow or full loses events, which are counted; it never holds
//! a request up.

mod log;
mod policy;
mod record;

use std::sync::atomic::{AtomicU64, Ordering};

use corten_rt::Clock;
use parking_lot::Mutex;
use tokio::sync::Notify;

pub use log::LogOptions;
pub use policy::{Level, Policy};
pub use record::{Head, Record};

/// Events that wait for the disk beyond this many bytes are dropped.
const MOST_WAITING: usize = 4 << 20;
/// A buffer that grew beyond this is given back, in bytes.
const KEPT_BUFFER: usize = 64 << 10;

/// Where events go.
#[derive(Debug)]
pub struct Audit {
    policy: Policy,
    clock: Clock,
    waiting: Mutex<Vec<u8>>,
    /// Something waits.
    filled: Notify,
    events: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

impl Audit {
    /// An audit log that nobody takes to the disk yet.
    pub fn new(policy: Policy, clock: Clock) -> Audit {
        Audit {
            policy,
            clock,
            waiting: Mutex::default(),
            filled: Notify::new(),
            events: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// Adds the line that `line` writes, or drops it when there is no room.
    fn write(&self, line: impl FnOnce(&mut Vec<u8>)) {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= MOST_WAITING {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let was_empty = waiting.is_empty();
        line(&mut waiting);
        waiting.push(b'\n');
        drop(waiting);
        self.events.fetch_add(1, Ordering::Relaxed);
        if was_empty {
            self.filled.notify_one();
        }
    }

    /// Takes what waits.
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.waiting.lock())
    }

    /// Gives a written buffer back, so that the next lines find room without asking for memory.
    fn reuse(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut waiting = self.waiting.lock();
        if waiting.capacity() == 0 && buffer.capacity() <= KEPT_BUFFER {
            *waiting = buffer;
        }
    }

    /// Events written, dropped for want of room, and lost because the disk refused them; each with its
    /// level's count for `/metrics`.
    pub fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            events: read(&self.events),
            dropped: read(&self.dropped),
            failed: read(&self.failed),
            levels: self.policy.counts().collect(),
        }
    }
}

/// What `/metrics` shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub events: u64,
    pub dropped: u64,
    pub failed: u64,
    pub levels: Vec<(&'static str, u64)>,
}
