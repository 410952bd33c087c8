//! The webhook that takes events (`--audit-webhook-config-file`): they are gathered into batches, sent a few at a
//! time, and tried again for a while. What waits is bounded in number and bytes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use corten_rt::{Instant, Stop, Tasks, random, sleep};
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};

use super::Mode;
use super::size::{self, Truncation};
use crate::identity::Remote;

/// How long one try may take, and how many there are, as upstream; each pause is half as long again.
const WITHIN: Duration = Duration::from_secs(30);
const TRIES: u32 = 5;
/// How many batches are under way at once.
const AT_ONCE: usize = 8;
/// The most bytes of events that wait or are under way.
const MOST_BYTES: usize = 32 << 20;
/// How long a server that ends sends what waits.
const FLUSH: Duration = Duration::from_secs(5);
/// What an event begins with alone, and lacks in a list.
const ALONE: &[u8] = b"{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",";

/// How events are gathered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchOptions {
    /// Events that wait beyond this many are dropped.
    pub buffer: usize,
    /// The most events of a batch.
    pub most: usize,
    /// How long an event waits for others.
    pub wait: Duration,
    /// How often batches are sent; as often as there are some when absent.
    pub throttle: Option<Throttle>,
}

/// How often batches are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throttle {
    /// A second, on average.
    pub qps: f64,
    /// At once, after a rest.
    pub burst: f64,
}

/// The webhook.
pub struct Webhook {
    pub(super) mode: Mode,
    pub(super) size: Option<Truncation>,
    inner: Arc<Inner>,
}

struct Inner {
    remote: Remote,
    size: Option<Truncation>,
    options: BatchOptions,
    /// The pause before the second try.
    pause: Duration,
    queue: Mutex<Queue>,
    filled: Notify,
    places: Arc<Semaphore>,
    ending: Stop,
    failed: AtomicU64,
    dropped: AtomicU64,
    is_broken: AtomicBool,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Bytes>,
    /// Of these, and of those under way.
    bytes: usize,
}

impl Webhook {
    /// Sends to `remote` what comes, in tasks; a failed call is tried again after `pause`.
    pub fn start(
        remote: Remote,
        mode: Mode,
        size: Option<Truncation>,
        options: BatchOptions,
        pause: Duration,
        tasks: &Tasks,
    ) -> Self {
        let inner = Arc::new(Inner {
            remote,
            size,
            options,
            pause,
            queue: Mutex::default(),
            filled: Notify::new(),
            places: Arc::new(Semaphore::new(AT_ONCE)),
            ending: tasks.stop().child(),
            failed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            is_broken: AtomicBool::new(false),
        });
        tasks.spawn_until_stopped("audit webhook", Arc::clone(&inner).run(tasks.clone()));
        Webhook { mode, size, inner }
    }

    /// Has an event sent with others.
    pub(super) fn push(&self, event: Bytes) {
        let inner = &self.inner;
        let mut queue = inner.queue.lock();
        if queue.events.len() >= inner.options.buffer || queue.bytes + event.len() > MOST_BYTES {
            drop(queue);
            if inner.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
                tracing::warn!("audit events are lost: the webhook takes them too slowly");
            }
            return;
        }
        queue.bytes += event.len();
        queue.events.push_back(event);
        drop(queue);
        inner.filled.notify_one();
    }

    /// Sends events at once; whether they arrived.
    pub(super) async fn send(&self, events: Vec<Bytes>) -> bool {
        self.inner.send(events).await
    }

    /// Sends what waits, in a short time.
    pub(super) async fn flush(&self) {
        self.inner.ending.stop();
        let sent = async {
            while self.inner.queue.lock().bytes > 0 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        if corten_rt::timeout(FLUSH, sent).await.is_none() {
            tracing::warn!("audit events are lost: the webhook did not take them before the end");
        }
    }

    /// Events that were not taken, and events that were dropped.
    pub(super) fn lost(&self) -> (u64, u64) {
        (self.inner.failed.load(Ordering::Relaxed), self.inner.dropped.load(Ordering::Relaxed))
    }
}

impl Inner {
    async fn run(self: Arc<Self>, tasks: Tasks) {
        let mut bucket = self.options.throttle.map(Bucket::new);
        loop {
            self.gather().await;
            let events = self.take();
            if events.is_empty() {
                continue;
            }
            if let Some(pause) = bucket.as_mut().and_then(|bucket| bucket.pause(Instant::now())) {
                self.ending.run(sleep(pause)).await;
            }
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return };
            let this = Arc::clone(&self);
            tasks.spawn_until_stopped("audit batch", async move {
                let bytes: usize = events.iter().map(Bytes::len).sum();
                for batch in size::batches(events, this.size) {
                    this.send(batch).await;
                }
                this.queue.lock().bytes -= bytes;
                drop(place);
            });
        }
    }

    /// Waits until there is a batch, or some events have waited long enough.
    async fn gather(&self) {
        if self.queue.lock().events.is_empty() {
            self.filled.notified().await;
        }
        let full = async {
            while self.queue.lock().events.len() < self.options.most {
                self.filled.notified().await;
            }
        };
        self.ending.run(corten_rt::timeout(self.options.wait, full)).await;
    }

    fn take(&self) -> Vec<Bytes> {
        let events = &mut self.queue.lock().events;
        let some = events.len().min(self.options.most.max(1));
        events.drain(..some).collect()
    }

    async fn send(&self, events: Vec<Bytes>) -> bool {
        let lost = events.len() as u64;
        let body = list(&events);
        drop(events);
        let (mut pause, mut why) = (self.pause, String::new());
        for tried in 1..=TRIES {
            match self.remote.post_once(body.clone(), WITHIN).await {
                Ok(_) => {
                    self.is_broken.store(false, Ordering::Relaxed);
                    return true;
                }
                Err(failed) => why = failed,
            }
            if tried == TRIES || self.ending.is_stopped() {
                break;
            }
            self.ending.run(sleep(pause.mul_f64(1.0 + 0.2 * random::unit()))).await;
            pause = pause.mul_f64(1.5);
        }
        self.failed.fetch_add(lost, Ordering::Relaxed);
        if !self.is_broken.swap(true, Ordering::Relaxed) {
            tracing::warn!(%why, "audit events are lost: the webhook does not take them");
        }
        false
    }
}

/// The list that is sent.
fn list(events: &[Bytes]) -> Bytes {
    let head = b"{\"kind\":\"EventList\",\"apiVersion\":\"audit.k8s.io/v1\",\"metadata\":{},\"items\":[";
    let bytes: usize = events.iter().map(Bytes::len).sum();
    let mut out = Vec::with_capacity(head.len() + bytes + events.len() + 2);
    out.extend_from_slice(head);
    for (i, event) in events.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        match event.strip_prefix(ALONE) {
            Some(rest) => {
                out.push(b'{');
                out.extend_from_slice(rest);
            }
            None => out.extend_from_slice(event),
        }
    }
    out.extend_from_slice(b"]}");
    out.into()
}

/// Tokens that come at a rate, and of which some may be saved.
struct Bucket {
    throttle: Throttle,
    tokens: f64,
    last: Option<Instant>,
}

impl Bucket {
    fn new(throttle: Throttle) -> Self {
        Bucket { throttle, tokens: throttle.burst, last: None }
    }

    /// Takes a token, and says how long to wait for it.
    fn pause(&mut self, now: Instant) -> Option<Duration> {
        let Throttle { qps, burst } = self.throttle;
        let past = self.last.map_or(0.0, |last| now.saturating_duration_since(last).as_secs_f64());
        self.last = Some(now);
        self.tokens = (self.tokens + past * qps).min(burst) - 1.0;
        (self.tokens < 0.0).then(|| Duration::from_secs_f64((-self.tokens / qps).min(60.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_holds_events_without_their_kind() {
        let event = |n: u8| Bytes::from([ALONE, b"\"stage\":", &[n], b"}"].concat());
        let text = list(&[event(b'1'), event(b'2')]);
        let read: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        let want = serde_json::json!({
            "kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {},
            "items": [{"stage": 1}, {"stage": 2}],
        });
        assert_eq!(read, want);
    }

    #[tokio::test(start_paused = true)]
    async fn batches_go_at_a_rate_after_a_burst() {
        let mut bucket = Bucket::new(Throttle { qps: 2.0, burst: 2.0 });
        let start = Instant::now();
        let pauses: Vec<u128> =
            (0..4).map(|_| bucket.pause(start).map_or(0, |pause| pause.as_millis())).collect();
        assert_eq!(pauses, [0, 0, 500, 1000]);
        assert_eq!(bucket.pause(start + Duration::from_secs(60)), None);
    }
}
