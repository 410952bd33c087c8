//! Fair queuing of one priority level, without clocks or tasks: requests are dealt to queues by the hash of
//! their flow, and the queue whose next request would finish first in virtual time goes next
//! (apiserver `fairqueuing/queueset`). Times are seconds since some start.

use std::collections::VecDeque;

/// How a level queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// How many queues; 0 when requests without a seat are refused at once.
    pub queues: usize,
    /// Over how many of them a flow is spread.
    pub hand: usize,
    /// How many requests one queue holds.
    pub length: usize,
}

/// What a request takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    /// Seats while it is worked on.
    pub seats: u32,
    /// Seats that it holds for `extra` seconds more: what its watchers cause.
    pub final_seats: u32,
    pub extra: f64,
}

impl Default for Work {
    fn default() -> Self {
        Work { seats: 1, final_seats: 0, extra: 0.0 }
    }
}

impl Work {
    fn most(&self) -> u32 {
        self.seats.max(self.final_seats)
    }

    /// Seat-seconds, with a guess of its duration.
    fn total(&self) -> f64 {
        f64::from(self.seats) * GUESS + f64::from(self.final_seats) * self.extra
    }
}

/// How long a request is thought to take before it is known.
const GUESS: f64 = 0.003;
/// The largest hand.
const MOST_HAND: usize = 10;

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No seat, and the level does not queue.
    ConcurrencyLimit,
    /// Its queue is full.
    QueueFull,
}

/// A request that has a seat.
#[derive(Debug, PartialEq)]
pub struct Seated {
    queue: Option<usize>,
    work: Work,
    started: f64,
}

/// What became of an arrival.
#[derive(Debug, PartialEq)]
pub enum Arrival {
    Runs(Seated),
    /// It waits in this queue.
    Waits(usize),
}

#[derive(Debug)]
struct Waiter<T> {
    tag: T,
    work: Work,
    arrived: f64,
}

#[derive(Debug)]
struct Queue<T> {
    waiting: VecDeque<Waiter<T>>,
    /// Seat-seconds that wait.
    work: f64,
    executing: u32,
    seats: u32,
    /// When, in virtual time, the next request may go.
    next: f64,
}

impl<T> Queue<T> {
    fn new() -> Self {
        Queue { waiting: VecDeque::new(), work: 0.0, executing: 0, seats: 0, next: 0.0 }
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.executing == 0
    }

    /// A queue that lay idle does not save up turns.
    fn bound(&mut self) {
        if let Some(oldest) = self.waiting.front() {
            self.next = self.next.max(oldest.arrived);
        }
    }
}

/// What a level's demand was since it was last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Demand {
    pub average: f64,
    pub deviation: f64,
    pub most: f64,
}

#[derive(Debug, Default)]
struct Integral {
    since: f64,
    sum: f64,
    squares: f64,
    most: f64,
}

/// The queues of one level. `T` tells waiting requests apart.
#[derive(Debug)]
pub struct QueueSet<T> {
    shape: Shape,
    limit: u32,
    queues: Vec<Queue<T>>,
    robin: usize,
    dealt: usize,
    active: usize,
    pub executing: u32,
    pub waiting: u32,
    pub seats_in_use: u32,
    seats_waiting: u32,
    /// Virtual time.
    virtual_now: f64,
    last: f64,
    demand: Integral,
    /// Seats still held by requests that ended, in the order of their release.
    lingering: Vec<(f64, Option<usize>, u32)>,
}

impl<T: PartialEq> QueueSet<T> {
    /// Nothing waits, nothing runs.
    pub fn new(shape: Shape, limit: u32, now: f64) -> Self {
        let mut set = QueueSet {
            shape: Shape::default(),
            limit,
            queues: Vec::new(),
            robin: 0,
            dealt: 0,
            active: 0,
            executing: 0,
            waiting: 0,
            seats_in_use: 0,
            seats_waiting: 0,
            virtual_now: 0.0,
            last: now,
            demand: Integral { since: now, ..Integral::default() },
            lingering: Vec::new(),
        };
        set.reshape(shape);
        set
    }

    /// Queues differently from now on. Queues too many are served until they are empty.
    pub fn reshape(&mut self, shape: Shape) {
        self.shape = Shape { hand: shape.hand.clamp(1, MOST_HAND.min(shape.queues.max(1))), ..shape };
        while self.queues.len() < shape.queues {
            self.queues.push(Queue::new());
        }
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.queues.len() > self.shape.queues && self.queues.last().is_some_and(Queue::is_idle) {
            self.queues.pop();
        }
    }

    /// Changes the number of seats.
    pub fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// The number of seats.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Over how many queues a flow is spread.
    pub fn hand(&self) -> u32 {
        self.shape.hand as u32
    }

    /// Takes seats whatever the limit.
    pub fn seat_always(&mut self, work: Work, now: f64) -> Seated {
        self.advance(now);
        self.seat(None, Work { final_seats: 0, extra: 0.0, ..work }, now)
    }

    /// When the next lingering seat is given back.
    pub fn next_release(&self) -> Option<f64> {
        self.lingering.first().map(|(at, ..)| *at)
    }

    fn advance(&mut self, now: f64) {
        let passed = (now - self.last).max(0.0);
        self.last = self.last.max(now);
        let demand = f64::from(self.seats_in_use + self.seats_waiting);
        self.demand.sum += demand * passed;
        self.demand.squares += demand * demand * passed;
        if self.active > 0 {
            self.virtual_now += passed * demand.min(f64::from(self.limit)) / self.active as f64;
        }
        let due = self.lingering.iter().take_while(|(at, ..)| *at <= now).count();
        for (_, queue, seats) in self.lingering.drain(..due).collect::<Vec<_>>() {
            self.release(queue, seats);
        }
    }

    fn note_demand(&mut self) {
        self.demand.most = self.demand.most.max(f64::from(self.seats_in_use + self.seats_waiting));
    }

    /// The demand since this was last asked.
    pub fn take_demand(&mut self, now: f64) -> Demand {
        self.advance(now);
        let current = f64::from(self.seats_in_use + self.seats_waiting);
        let past = std::mem::replace(
            &mut self.demand,
            Integral { since: now, most: current, ..Integral::default() },
        );
        let time = now - past.since;
        if time <= 0.0 {
            return Demand { average: current, deviation: 0.0, most: past.most };
        }
        let average = past.sum / time;
        let deviation = (past.squares / time - average * average).max(0.0).sqrt();
        Demand { average, deviation, most: past.most }
    }

    fn fits(&self, seats: u32) -> bool {
        if seats > self.limit { self.executing == 0 } else { self.seats_in_use + seats <= self.limit }
    }

    /// A request comes; `tag` is asked for only if it must wait. Whoever can run now is dispatched after.
    pub fn arrive(
        &mut self,
        now: f64,
        hash: u64,
        work: Work,
        tag: impl FnOnce() -> T,
    ) -> Result<Arrival, Refusal> {
        self.advance(now);
        if self.shape.queues == 0 {
            if !self.fits(work.most()) {
                return Err(Refusal::ConcurrencyLimit);
            }
            return Ok(Arrival::Runs(self.seat(None, work, now)));
        }
        let index = self.deal(hash);
        let at_once = self.waiting == 0 && self.fits(work.most());
        let queue = &mut self.queues[index];
        if self.seats_in_use >= self.limit && queue.waiting.len() >= self.shape.length {
            return Err(Refusal::QueueFull);
        }
        if queue.is_idle() {
            queue.next = self.virtual_now;
            self.active += 1;
        }
        if at_once {
            // Nobody is before it.
            queue.next = queue.next.max(self.virtual_now) + work.total();
            return Ok(Arrival::Runs(self.seat(Some(index), work, now)));
        }
        queue.waiting.push_back(Waiter { tag: tag(), work, arrived: self.virtual_now });
        queue.work += work.total();
        queue.bound();
        self.waiting += 1;
        self.seats_waiting += work.most();
        self.note_demand();
        Ok(Arrival::Waits(index))
    }

    fn seat(&mut self, queue: Option<usize>, work: Work, now: f64) -> Seated {
        self.executing += 1;
        self.seats_in_use += work.most();
        if let Some(queue) = queue.and_then(|q| self.queues.get_mut(q)) {
            queue.executing += 1;
            queue.seats += work.most();
        }
        self.note_demand();
        Seated { queue, work, started: now }
    }

    /// The queue of the flow's hand with the least work waiting.
    fn deal(&mut self, hash: u64) -> usize {
        let (hand, deck) = (self.shape.hand, self.shape.queues);
        let mut dealt = [0usize; MOST_HAND];
        let mut rest = hash;
        for i in 0..hand {
            let left = (deck - i) as u64;
            let mut card = (rest % left) as usize;
            rest /= left;
            // The card is one of those not yet dealt, which stand in order.
            let mut sorted = dealt;
            sorted[..i].sort_unstable();
            for taken in &sorted[..i] {
                if card >= *taken {
                    card += 1;
                }
            }
            dealt[i] = card;
        }
        let offset = self.dealt % hand;
        self.dealt = self.dealt.wrapping_add(1);
        let in_turn = (0..hand).map(|i| dealt[(offset + i) % hand]);
        in_turn.min_by(|a, b| self.queues[*a].work.total_cmp(&self.queues[*b].work)).unwrap_or(0)
    }

    /// The next waiting request that can have a seat.
    pub fn dispatch(&mut self, now: f64) -> Option<(T, Seated)> {
        if self.waiting == 0 || self.seats_in_use >= self.limit && self.executing > 0 {
            return None;
        }
        let count = self.queues.len();
        let mut best: Option<(f64, usize)> = None;
        for step in 1..=count {
            let index = (self.robin + step) % count;
            let queue = &self.queues[index];
            let Some(oldest) = queue.waiting.front() else { continue };
            let finish = queue.next + oldest.work.total();
            if best.is_none_or(|(least, _)| finish < least) {
                best = Some((finish, index));
            }
        }
        let (_, index) = best?;
        if !self.fits(self.queues[index].waiting.front()?.work.most()) {
            return None;
        }
        self.robin = index;
        let queue = &mut self.queues[index];
        let waiter = queue.waiting.pop_front()?;
        let work = waiter.work;
        queue.work = if queue.waiting.is_empty() { 0.0 } else { queue.work - work.total() };
        queue.next += work.total();
        self.waiting -= 1;
        self.seats_waiting -= work.most();
        let seated = self.seat(Some(index), work, now);
        self.queues[index].bound();
        Some((waiter.tag, seated))
    }

    /// A request gives up waiting; `false` if it had been dispatched.
    pub fn give_up(&mut self, now: f64, queue: usize, tag: &T) -> bool {
        self.advance(now);
        let Some(in_queue) = self.queues.get_mut(queue) else { return false };
        let Some(at) = in_queue.waiting.iter().position(|w| w.tag == *tag) else { return false };
        let Some(waiter) = in_queue.waiting.remove(at) else { return false };
        in_queue.work = if in_queue.waiting.is_empty() { 0.0 } else { in_queue.work - waiter.work.total() };
        in_queue.bound();
        self.waiting -= 1;
        self.seats_waiting -= waiter.work.most();
        if in_queue.is_idle() {
            self.active -= 1;
        }
        self.shrink();
        true
    }

    /// A request is done; its seats are free, or linger.
    pub fn leave(&mut self, now: f64, seated: &Seated) {
        self.advance(now);
        self.executing -= 1;
        let (work, took) = (seated.work, now - seated.started);
        if let Some(index) = seated.queue
            && let Some(queue) = self.queues.get_mut(index)
        {
            queue.executing -= 1;
            // What it took replaces the guess.
            queue.next -= f64::from(work.seats) * (GUESS - took);
            queue.bound();
            if queue.is_idle() {
                self.active -= 1;
            }
        }
        if work.extra > 0.0 && work.final_seats > 0 {
            let until = now + work.extra;
            let at = self.lingering.partition_point(|(other, ..)| *other <= until);
            self.lingering.insert(at, (until, seated.queue, work.most()));
        } else {
            self.release(seated.queue, work.most());
        }
    }

    fn release(&mut self, queue: Option<usize>, seats: u32) {
        self.seats_in_use -= seats;
        if let Some(queue) = queue.and_then(|q| self.queues.get_mut(q)) {
            queue.seats = queue.seats.saturating_sub(seats);
        }
        self.shrink();
    }

    /// Time has passed; seats that lingered are free.
    pub fn tick(&mut self, now: f64) {
        self.advance(now);
    }

    /// Whether nothing runs or waits.
    #[cfg(test)]
    fn is_idle(&self) -> bool {
        self.executing == 0 && self.waiting == 0
    }

    /// Waiting and running requests, and seats in use, of each queue.
    pub fn queues(&self) -> impl Iterator<Item = (usize, u32, u32)> {
        self.queues.iter().map(|q| (q.waiting.len(), q.executing, q.seats))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { queues: 8, hand: 2, length: 3 };

    fn seats(seats: u32) -> Work {
        Work { seats, ..Work::default() }
    }

    fn runs(arrival: Result<Arrival, Refusal>) -> Seated {
        match arrival {
            Ok(Arrival::Runs(seated)) => seated,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_level_without_queues_refuses_what_has_no_seat() {
        let mut set: QueueSet<u32> = QueueSet::new(Shape::default(), 2, 0.0);
        let first = runs(set.arrive(0.0, 1, seats(1), || 1));
        // A request wider than the level runs alone.
        assert_eq!(set.arrive(0.0, 1, seats(5), || 2), Err(Refusal::ConcurrencyLimit));
        set.leave(1.0, &first);
        let wide = runs(set.arrive(1.0, 1, seats(5), || 3));
        assert_eq!(set.arrive(1.0, 1, seats(1), || 4), Err(Refusal::ConcurrencyLimit));
        set.leave(2.0, &wide);
        assert!(set.is_idle() && set.seats_in_use == 0);
    }

    #[test]
    fn full_queues_refuse_and_waiters_follow_in_order() {
        let shape = Shape { queues: 1, hand: 1, length: 2 };
        let mut set = QueueSet::new(shape, 1, 0.0);
        let mut running = runs(set.arrive(0.0, 7, seats(1), || 0));
        assert_eq!(set.arrive(0.0, 7, seats(1), || 1), Ok(Arrival::Waits(0)));
        assert_eq!(set.arrive(0.0, 7, seats(1), || 2), Ok(Arrival::Waits(0)));
        assert_eq!(set.arrive(0.0, 7, seats(1), || 3), Err(Refusal::QueueFull));
        assert_eq!(set.dispatch(0.5), None);
        assert!(set.give_up(0.5, 0, &1) && !set.give_up(0.5, 0, &1));
        set.leave(1.0, &running);
        let (tag, seated) = set.dispatch(1.0).expect("one waits");
        running = seated;
        assert_eq!((tag, set.waiting, set.executing), (2, 0, 1));
        set.leave(2.0, &running);
        assert!(set.is_idle());
    }

    /// Plays requests of several flows against a virtual clock; the share of each in what was done.
    fn shares(flows: &[(u64, u32, usize)], limit: u32) -> Vec<f64> {
        let mut set = QueueSet::new(Shape { queues: 8, hand: 1, length: 10_000 }, limit, 0.0);
        let mut running: Vec<(f64, usize, Seated)> = Vec::new();
        let mut done = vec![0.0; flows.len()];
        for (i, (hash, width, count)) in flows.iter().enumerate() {
            for _ in 0..*count {
                if let Ok(Arrival::Runs(seated)) = set.arrive(0.0, *hash, seats(*width), || i) {
                    running.push((1.0, i, seated));
                }
            }
        }
        for second in 1..=50 {
            let now = f64::from(second);
            for (_, i, seated) in running.extract_if(.., |(ends, ..)| *ends <= now) {
                set.leave(now, &seated);
                done[i] += f64::from(flows[i].1);
            }
            while let Some((i, seated)) = set.dispatch(now) {
                running.push((now + 1.0, i, seated));
            }
        }
        let all: f64 = done.iter().sum();
        done.into_iter().map(|d| d / all).collect()
    }

    #[test]
    fn flows_share_the_seats_however_much_they_ask_for() {
        for (flows, want) in [
            (vec![(0, 1, 1000), (1, 1, 100)], vec![0.5, 0.5]),
            (vec![(0, 1, 3000), (1, 1, 1000), (2, 1, 200)], vec![0.33, 0.33, 0.33]),
            // Wide requests get the same seats, not the same number.
            (vec![(0, 2, 1000), (1, 1, 1000)], vec![0.5, 0.5]),
        ] {
            let got = shares(&flows, 4);
            let near = got.iter().zip(&want).all(|(g, w)| (g - w).abs() < 0.1);
            assert!(near, "{flows:?}: {got:?}");
        }
    }

    #[test]
    fn an_idle_flow_saves_up_no_turns() {
        let mut set = QueueSet::new(Shape { queues: 8, hand: 1, length: 100 }, 1, 0.0);
        let mut running = runs(set.arrive(0.0, 0, seats(1), || "a"));
        for _ in 0..20 {
            assert!(matches!(set.arrive(0.0, 0, seats(1), || "a"), Ok(Arrival::Waits(_))));
        }
        for second in 1..=10 {
            set.leave(f64::from(second), &running);
            running = set.dispatch(f64::from(second)).expect("one waits").1;
        }
        for _ in 0..10 {
            assert!(matches!(set.arrive(10.0, 1, seats(1), || "b"), Ok(Arrival::Waits(_))));
        }
        let mut order = String::new();
        for second in 11..=18 {
            set.leave(f64::from(second), &running);
            let (tag, seated) = set.dispatch(f64::from(second)).expect("one waits");
            order += tag;
            running = seated;
        }
        assert_eq!(order.matches('a').count(), 4, "{order}");
    }

    #[test]
    fn seats_linger_for_what_watchers_cause() {
        let mut set = QueueSet::new(SHAPE, 4, 0.0);
        let work = Work { seats: 1, final_seats: 4, extra: 0.5 };
        let first = runs(set.arrive(0.0, 1, work, || 1));
        set.leave(1.0, &first);
        assert_eq!(set.next_release(), Some(1.5));
        assert!(matches!(set.arrive(1.1, 1, seats(1), || 2), Ok(Arrival::Waits(_))));
        assert_eq!(set.dispatch(1.2).map(|d| d.0), None);
        set.tick(1.6);
        assert_eq!(set.dispatch(1.6).map(|d| d.0), Some(2));
    }

    #[test]
    fn hands_differ_and_hold_no_queue_twice() {
        let mut set: QueueSet<u32> = QueueSet::new(Shape { queues: 64, hand: 6, length: 50 }, 600, 0.0);
        for hash in 0..2000u64 {
            let hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            // Six requests that stay go to six queues.
            let all: Vec<Seated> = (0..6).map(|_| runs(set.arrive(0.0, hash, seats(1), || 0))).collect();
            let mut queues: Vec<_> = all.iter().map(|s| s.queue).collect();
            queues.sort();
            queues.dedup();
            assert_eq!(queues.len(), 6);
            all.iter().for_each(|s| set.leave(0.0, s));
        }
    }

    #[test]
    fn fewer_queues_are_drained_before_they_go() {
        let mut set = QueueSet::new(SHAPE, 1, 0.0);
        let first = runs(set.arrive(0.0, 7, seats(1), || 1));
        assert!(matches!(set.arrive(0.0, 7, seats(1), || 2), Ok(Arrival::Waits(_))));
        set.reshape(Shape { queues: 1, hand: 1, length: 3 });
        set.leave(1.0, &first);
        let (tag, second) = set.dispatch(1.0).expect("one waits");
        assert_eq!(tag, 2);
        set.leave(2.0, &second);
        assert_eq!(set.queues().count(), 1);
    }

    #[test]
    fn demand_is_measured_over_time() {
        let mut set: QueueSet<u32> = QueueSet::new(SHAPE, 10, 0.0);
        let first = runs(set.arrive(0.0, 1, seats(4), || 1));
        set.leave(5.0, &first);
        assert_eq!(set.take_demand(10.0), Demand { average: 2.0, deviation: 2.0, most: 4.0 });
        assert_eq!(set.take_demand(20.0), Demand::default());
    }
}
