//! One priority level at run time: its queues behind a lock, and those who wait for a seat.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use corten_api::flowcontrol::v1::PriorityLevelConfiguration;
use corten_rt::{Instant, sleep_until};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::metrics::Counts;
use super::queue::{Arrival, Demand, QueueSet, Seated, Shape, Work};
use super::share::{Asked, Bounds};

/// A priority level.
pub struct Level {
    pub name: String,
    pub exempt: bool,
    set: Mutex<Guarded>,
    bounds: Mutex<Bounds>,
    most_seats: AtomicU32,
    refusals: Refusals,
}

struct Guarded {
    queues: QueueSet<Tag>,
    next: u64,
}

/// Who waits: a number, and how to wake them.
struct Tag(u64, Option<oneshot::Sender<Seated>>);

impl PartialEq for Tag {
    fn eq(&self, other: &Tag) -> bool {
        self.0 == other.0
    }
}

/// A request that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Seconds after which to come again.
    pub retry_after: u32,
}

/// Whether requests of the level always go ahead.
pub fn is_exempt(object: &PriorityLevelConfiguration) -> bool {
    object.spec.type_ == "Exempt"
}

/// The seats that the object asks for.
pub fn asked(object: &PriorityLevelConfiguration) -> Asked {
    let spec = &object.spec;
    let exempt = is_exempt(object);
    let (shares, lendable, borrowing) = match (&spec.limited, &spec.exempt) {
        (Some(l), _) if !exempt => {
            (l.nominal_concurrency_shares.or(Some(30)), l.lendable_percent, l.borrowing_limit_percent)
        }
        (_, Some(e)) if exempt => (e.nominal_concurrency_shares, e.lendable_percent, None),
        _ => (None, None, None),
    };
    Asked {
        shares: shares.unwrap_or(0).max(0),
        lendable_percent: lendable.unwrap_or(0).clamp(0, 100),
        borrowing_percent: borrowing.map(|percent| percent.max(0)),
    }
}

fn shape(object: &PriorityLevelConfiguration) -> Shape {
    let queuing = object.spec.limited.as_ref().and_then(|l| l.limit_response.queuing.as_ref());
    let number = |n: i32| usize::try_from(n).unwrap_or(0);
    queuing.map_or(Shape::default(), |q| Shape {
        queues: number(q.queues).clamp(1, 10_000),
        hand: number(q.hand_size),
        length: number(q.queue_length_limit),
    })
}

impl Level {
    /// A level without requests.
    pub fn new(object: &PriorityLevelConfiguration, now: f64) -> Level {
        let queues = QueueSet::new(shape(object), 0, now);
        Level {
            name: object.metadata.name.clone(),
            exempt: is_exempt(object),
            set: Mutex::new(Guarded { queues, next: 0 }),
            bounds: Mutex::default(),
            most_seats: AtomicU32::new(1),
            refusals: Refusals::default(),
        }
    }

    /// Queues as the object says.
    pub fn reshape(&self, object: &PriorityLevelConfiguration) {
        self.set.lock().queues.reshape(shape(object));
    }

    /// What the level may have.
    pub fn bounds(&self) -> Bounds {
        *self.bounds.lock()
    }

    /// Changes what the level may have; a request takes at most a part of it.
    pub fn bound(&self, bounds: Bounds) {
        *self.bounds.lock() = bounds;
        let hand = self.set.lock().queues.hand();
        let most = (f64::from(bounds.nominal) * 0.15).ceil().min(f64::from(bounds.nominal / hand.max(1)));
        self.most_seats.store((most as u32).max(1), Ordering::Relaxed);
    }

    /// The most seats that a request may take.
    pub fn most_seats(&self) -> u32 {
        self.most_seats.load(Ordering::Relaxed)
    }

    /// The demand since this was last asked.
    pub fn take_demand(&self, now: f64) -> Demand {
        self.set.lock().queues.take_demand(now)
    }

    /// Changes the seats; who can run now does.
    pub fn set_limit(&self, seats: u32, now: f64) {
        let mut set = self.set.lock();
        set.queues.set_limit(if self.exempt { u32::MAX } else { seats });
        set.dispatch(now);
    }

    /// Requests running and waiting, seats in use, and the limit.
    pub fn state(&self) -> (u32, u32, u32, u32) {
        let set = self.set.lock();
        (set.queues.executing, set.queues.waiting, set.queues.seats_in_use, set.queues.limit())
    }

    /// The state of each queue: waiting, running, seats.
    pub fn queues(&self) -> Vec<(usize, u32, u32)> {
        self.set.lock().queues.queues().collect()
    }

    /// Takes a seat, or waits for one.
    ///
    /// # Errors
    /// When there is no room, or `patience` is at its end.
    pub async fn enter(
        self: &Arc<Self>,
        start: Instant,
        counts: &Arc<Counts>,
        hash: u64,
        work: Work,
        patience: Duration,
    ) -> Result<Place, Refused> {
        let place = |seated| {
            counts.dispatched(work.seats);
            Place { level: Arc::clone(self), counts: Arc::clone(counts), seated, start, seats: work.seats }
        };
        let now = start.elapsed().as_secs_f64();
        let (queue, number, woken) = {
            let mut set = self.set.lock();
            if self.exempt {
                return Ok(place(set.queues.seat_always(work, now)));
            }
            let number = set.next;
            set.next += 1;
            let mut woken = None;
            let arrival = set.queues.arrive(now, hash, work, || {
                let (wake, wait) = oneshot::channel();
                woken = Some(wait);
                Tag(number, Some(wake))
            });
            match arrival {
                Ok(Arrival::Runs(seated)) => return Ok(place(seated)),
                Err(why) => {
                    counts.refused(why);
                    return Err(self.refusals.refuse(now));
                }
                Ok(Arrival::Waits(queue)) => {
                    // A seat may be free that had to be offered to those before.
                    set.dispatch(now);
                    (queue, number, woken)
                }
            }
        };
        let Some(woken) = woken else { return Err(self.refusals.refuse(now)) };
        let mut waiting = Waiting { level: self, start, queue, number, woken, counts, done: false };
        counts.waits(1);
        let seated = waiting.seat(Instant::now() + patience).await;
        counts.waited(start.elapsed().as_secs_f64() - now, seated.is_some());
        match seated {
            Some(seated) => Ok(place(seated)),
            None => Err(self.refusals.refuse(start.elapsed().as_secs_f64())),
        }
    }
}

impl Guarded {
    /// Wakes whoever can run.
    fn dispatch(&mut self, now: f64) {
        while let Some((Tag(_, wake), seated)) = self.queues.dispatch(now) {
            if let Some(Err(seated)) = wake.map(|wake| wake.send(seated)) {
                // They are gone already.
                self.queues.leave(now, &seated);
            }
        }
    }
}

/// A request in a queue; dropped, it gives its place there up.
struct Waiting<'a> {
    level: &'a Arc<Level>,
    start: Instant,
    queue: usize,
    number: u64,
    woken: oneshot::Receiver<Seated>,
    counts: &'a Arc<Counts>,
    done: bool,
}

impl Waiting<'_> {
    async fn seat(&mut self, until: Instant) -> Option<Seated> {
        loop {
            let release = self.level.set.lock().queues.next_release();
            let release = release.map(|at| self.start + Duration::from_secs_f64(at.max(0.0)));
            let wake = release.map_or(until, |at| at.min(until));
            tokio::select! {
                biased;
                seated = &mut self.woken => {
                    self.done = true;
                    return seated.ok();
                }
                () = sleep_until(wake) => {
                    if Instant::now() >= until {
                        return None;
                    }
                    let now = self.start.elapsed().as_secs_f64();
                    let mut set = self.level.set.lock();
                    set.queues.tick(now);
                    set.dispatch(now);
                }
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.counts.waits(-1);
        if self.done {
            return;
        }
        let now = self.start.elapsed().as_secs_f64();
        let mut set = self.level.set.lock();
        if set.queues.give_up(now, self.queue, &Tag(self.number, None)) {
            self.counts.timed_out();
        } else if let Ok(seated) = self.woken.try_recv() {
            set.queues.leave(now, &seated);
        }
        set.dispatch(now);
    }
}

/// A request's seats, given back when dropped.
pub struct Place {
    level: Arc<Level>,
    counts: Arc<Counts>,
    seated: Seated,
    start: Instant,
    seats: u32,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.counts.ended(self.seats);
        let now = self.start.elapsed().as_secs_f64();
        let mut set = self.level.set.lock();
        set.queues.leave(now, &self.seated);
        set.dispatch(now);
    }
}

/// How long those who are refused are told to stay away: the longer the more there are of them.
#[derive(Default)]
struct Refusals {
    /// The second it is, in the upper half, and the refusals in it.
    current: AtomicU64,
    retry_after: AtomicU32,
}

/// The longest time that anybody is told to stay away, in seconds.
const MOST_RETRY: u32 = 32;

impl Refusals {
    fn refuse(&self, now: f64) -> Refused {
        let second = now as u64;
        let current = self.current.load(Ordering::Relaxed);
        let (last, count) = (current >> 32, current & u64::from(u32::MAX));
        let retry = self.retry_after.load(Ordering::Relaxed).max(1);
        if last == second {
            self.current.fetch_add(1, Ordering::Relaxed);
            return Refused { retry_after: retry };
        }
        // A new second: the last one's refusals, and seconds without any, decide.
        self.current.store(second << 32 | 1, Ordering::Relaxed);
        let quiet = u32::try_from(second.saturating_sub(last + 1)).unwrap_or(u32::MAX);
        let retry = if count > u64::from(retry) * 3 { retry * 2 } else { retry };
        let retry = retry.saturating_sub(quiet).clamp(1, MOST_RETRY);
        self.retry_after.store(retry, Ordering::Relaxed);
        Refused { retry_after: retry }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_are_refused_the_longer_they_stay_away() {
        let refusals = Refusals::default();
        let mut told = Vec::new();
        for second in [0.5, 1.5, 2.5, 9.5] {
            for _ in 0..20 {
                refusals.refuse(second);
            }
            told.push(refusals.refuse(second).retry_after);
        }
        assert_eq!(told, [1, 2, 4, 2]);
    }
}
