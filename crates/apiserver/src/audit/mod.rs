//! The audit log: what the policy says of a request becomes events, lines of JSON, which go to a file, to a
//! webhook, or to both ([`Log`](log), [`Webhook`]). What is slow or full loses events, which are counted; it holds
//! a request up only where an operator asks for that.

mod log;
mod policy;
mod record;
mod size;
mod webhook;

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use corten_rt::Clock;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

pub use log::LogOptions;
pub use policy::{Level, Policy};
pub use record::{Head, Record};
pub use size::Truncation;
pub use webhook::{BatchOptions, Throttle, Webhook};

/// Events that wait for the disk beyond this many bytes are dropped.
const MOST_WAITING: usize = 4 << 20;
/// A buffer that grew beyond this is given back, in bytes.
const KEPT_BUFFER: usize = 64 << 10;

/// Whether requests wait for their events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// No: events are gathered.
    #[default]
    Batch,
    /// Yes, whatever comes of it.
    Blocking,
    /// Yes, and a request whose first event is lost is refused.
    BlockingStrict,
}

impl Mode {
    fn blocks(self) -> bool {
        self != Mode::Batch
    }
}

/// Where events go.
pub struct Audit {
    policy: Policy,
    clock: Clock,
    /// Whether there is a file, whether requests wait for it, and how large its events may be.
    log: Option<Mode>,
    log_size: Option<Truncation>,
    waiting: Mutex<Waiting>,
    /// Something waits.
    filled: Notify,
    webhook: Option<Webhook>,
    events: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
    oversized: AtomicU64,
    rejected: AtomicU64,
}

/// What waits for the disk, and who waits for that.
#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    told: Vec<oneshot::Sender<bool>>,
}

/// An event that a request waits for.
pub struct Pending {
    log: Option<oneshot::Receiver<bool>>,
    hook: Option<Bytes>,
}

impl Audit {
    /// Events for a file that nobody takes to the disk yet.
    pub fn new(policy: Policy, clock: Clock) -> Audit {
        Audit {
            policy,
            clock,
            log: Some(Mode::Batch),
            log_size: None,
            waiting: Mutex::default(),
            filled: Notify::new(),
            webhook: None,
            events: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            oversized: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
        }
    }

    /// With a file (none for `None`) that requests wait for or not, whose events have these sizes.
    #[must_use]
    pub fn logging(self, log: Option<Mode>, log_size: Option<Truncation>) -> Audit {
        Audit { log, log_size, ..self }
    }

    /// Sends events to a webhook, too.
    #[must_use]
    pub fn sending(self, webhook: Webhook) -> Audit {
        Audit { webhook: Some(webhook), ..self }
    }

    /// Whether requests wait for events.
    fn blocks(&self) -> bool {
        self.log.is_some_and(Mode::blocks) || self.webhook.as_ref().is_some_and(|hook| hook.mode.blocks())
    }

    /// Takes the event that `line` writes, with or without bodies. What the request has to wait for is given back.
    fn write(&self, line: impl Fn(&mut Vec<u8>, bool)) -> Option<Pending> {
        self.events.fetch_add(1, Ordering::Relaxed);
        let (Some(mode), None, None) = (self.log, &self.webhook, &self.log_size) else {
            return self.share(line);
        };
        let log = self.append(mode, |out| line(out, true));
        log.map(|log| Pending { log: Some(log), hook: None })
    }

    /// The same where an event goes to several, or may be too large.
    fn share(&self, line: impl Fn(&mut Vec<u8>, bool)) -> Option<Pending> {
        let mut whole = Vec::new();
        line(&mut whole, true);
        let fitting = |size: &Option<Truncation>| {
            let event = size::fitting(&whole, *size, |out| line(out, false));
            if event.is_none() {
                self.oversized.fetch_add(1, Ordering::Relaxed);
            }
            event
        };
        let log = self.log.and_then(|mode| {
            let event = fitting(&self.log_size)?;
            self.append(mode, |out| out.extend_from_slice(&event))
        });
        let hook = self.webhook.as_ref().and_then(|hook| {
            let event = Bytes::from(fitting(&hook.size)?.into_owned());
            if hook.mode.blocks() {
                return Some(event);
            }
            hook.push(event);
            None
        });
        (log.is_some() || hook.is_some()).then_some(Pending { log, hook })
    }

    /// Adds the line that `line` writes, or drops it when there is no room.
    fn append(&self, mode: Mode, line: impl FnOnce(&mut Vec<u8>)) -> Option<oneshot::Receiver<bool>> {
        let mut waiting = self.waiting.lock();
        if waiting.lines.len() >= MOST_WAITING {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return mode.blocks().then(|| oneshot::channel().1);
        }
        let was_empty = waiting.lines.is_empty();
        line(&mut waiting.lines);
        waiting.lines.push(b'\n');
        let told = mode.blocks().then(|| {
            let (tell, told) = oneshot::channel();
            waiting.told.push(tell);
            told
        });
        drop(waiting);
        if was_empty {
            self.filled.notify_one();
        }
        told
    }

    /// Waits until an event is where it belongs; whether it is, where that is demanded.
    async fn settle(&self, pending: Pending) -> bool {
        let mut all = true;
        if let Some(log) = pending.log {
            all = log.await.unwrap_or_default() || self.log != Some(Mode::BlockingStrict);
        }
        if let (Some(event), Some(hook)) = (pending.hook, &self.webhook) {
            all &= hook.send(vec![event]).await || hook.mode != Mode::BlockingStrict;
        }
        all
    }

    /// Has an event go its way without anybody who waits.
    fn later(&self, pending: Pending) {
        if let (Some(event), Some(hook)) = (pending.hook, &self.webhook) {
            hook.push(event);
        }
    }

    /// Sends the webhook what waits for it, as far as that is done soon; the last thing before the process ends.
    pub async fn flush(&self) {
        if let Some(hook) = &self.webhook {
            hook.flush().await;
        }
    }

    /// A request was refused, since its event was lost.
    pub fn rejected(&self) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes what waits.
    fn take(&self) -> Waiting {
        std::mem::take(&mut self.waiting.lock())
    }

    /// Gives a written buffer back, so that the next lines find room without asking for memory.
    fn reuse(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut waiting = self.waiting.lock();
        if waiting.lines.capacity() == 0 && buffer.capacity() <= KEPT_BUFFER {
            waiting.lines = buffer;
        }
    }

    /// What `/metrics` shows.
    pub fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (failed, dropped) = self.webhook.as_ref().map_or((0, 0), Webhook::lost);
        Counts {
            events: read(&self.events),
            dropped: read(&self.dropped) + dropped,
            failed: read(&self.failed),
            unsent: failed,
            oversized: read(&self.oversized),
            rejected: read(&self.rejected),
            levels: self.policy.counts().collect(),
        }
    }
}

/// What `/metrics` shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events that were made.
    pub events: u64,
    /// Lost for want of room.
    pub dropped: u64,
    /// Lost because the disk refused them.
    pub failed: u64,
    /// Lost because the webhook did not take them.
    pub unsent: u64,
    /// Lost because they are too large even without bodies.
    pub oversized: u64,
    /// Requests refused because their event was lost.
    pub rejected: u64,
    /// Requests by the policy's level.
    pub levels: Vec<(&'static str, u64)>,
}
