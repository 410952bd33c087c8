//! What `/metrics` and `/debug/api_priority_and_fairness/` show of flow control.

use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::queue::Refusal;
use super::{Flow, FlowControl};
use corten_metrics::{Histogram, Kind, Text};

/// The upper bounds of the buckets of waits, in seconds.
const WAITED: [f64; 13] = [0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0];

/// Counts of one FlowSchema.
pub struct Counts {
    dispatched: AtomicU64,
    executing: AtomicI64,
    seats: AtomicI64,
    waiting: AtomicI64,
    queue_full: AtomicU64,
    concurrency_limit: AtomicU64,
    time_out: AtomicU64,
    /// Of those that were dispatched, and of those that were not.
    executed: Histogram,
    given_up: Histogram,
}

impl Default for Counts {
    fn default() -> Self {
        Counts {
            dispatched: AtomicU64::new(0),
            executing: AtomicI64::new(0),
            seats: AtomicI64::new(0),
            waiting: AtomicI64::new(0),
            queue_full: AtomicU64::new(0),
            concurrency_limit: AtomicU64::new(0),
            time_out: AtomicU64::new(0),
            executed: Histogram::new(&WAITED),
            given_up: Histogram::new(&WAITED),
        }
    }
}

impl Counts {
    pub fn dispatched(&self, seats: u32) {
        self.dispatched.fetch_add(1, Ordering::Relaxed);
        self.executing.fetch_add(1, Ordering::Relaxed);
        self.seats.fetch_add(i64::from(seats), Ordering::Relaxed);
    }

    pub fn ended(&self, seats: u32) {
        self.executing.fetch_sub(1, Ordering::Relaxed);
        self.seats.fetch_sub(i64::from(seats), Ordering::Relaxed);
    }

    pub fn refused(&self, why: Refusal) {
        match why {
            Refusal::QueueFull => &self.queue_full,
            Refusal::ConcurrencyLimit => &self.concurrency_limit,
        }
        .fetch_add(1, Ordering::Relaxed);
    }

    pub fn timed_out(&self) {
        self.time_out.fetch_add(1, Ordering::Relaxed);
    }

    pub fn waits(&self, change: i64) {
        self.waiting.fetch_add(change, Ordering::Relaxed);
    }

    /// Somebody waited, in seconds, and was dispatched or not.
    pub fn waited(&self, seconds: f64, dispatched: bool) {
        if dispatched { &self.executed } else { &self.given_up }.observe(seconds);
    }
}

impl FlowControl {
    /// Writes the metrics.
    pub fn write_metrics(&self, out: &mut Text) {
        let plan = self.plan.load();
        let read = |count: &AtomicU64| i64::try_from(count.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
        type Read<'a> = &'a dyn Fn(&Counts) -> Vec<(&'static str, i64)>;
        let families: [(&str, Kind, &str, Read<'_>); 5] = [
            ("dispatched_requests_total", Kind::Counter, "Requests that were let in.", &|c| {
                vec![("", read(&c.dispatched))]
            }),
            ("rejected_requests_total", Kind::Counter, "Requests that were refused.", &|c| {
                vec![
                    ("queue-full", read(&c.queue_full)),
                    ("concurrency-limit", read(&c.concurrency_limit)),
                    ("time-out", read(&c.time_out)),
                ]
            }),
            ("current_inqueue_requests", Kind::Gauge, "Requests that wait.", &|c| {
                vec![("", c.waiting.load(Ordering::Relaxed))]
            }),
            ("current_executing_requests", Kind::Gauge, "Requests that are worked on.", &|c| {
                vec![("", c.executing.load(Ordering::Relaxed))]
            }),
            ("current_executing_seats", Kind::Gauge, "Seats that are taken.", &|c| {
                vec![("", c.seats.load(Ordering::Relaxed))]
            }),
        ];
        for (name, kind, help, values) in families {
            out.family(format!("{START}_{name}"), kind, help);
            for flow in &plan.schemas {
                let class = class(flow);
                for (reason, value) in values(&flow.counts) {
                    match reason {
                        "" => out.sample(&class, value),
                        _ if value == 0 => {}
                        reason => out.sample(&[class[0], class[1], ("reason", reason)], value),
                    }
                }
            }
        }
        let help = "How long requests waited in a queue.";
        out.family(format!("{START}_request_wait_duration_seconds"), Kind::Histogram, help);
        for flow in &plan.schemas {
            for (execute, times) in [("false", &flow.counts.given_up), ("true", &flow.counts.executed)] {
                if times.count() > 0 {
                    let [schema, level] = class(flow);
                    out.histogram(&[("execute", execute), schema, level], times);
                }
            }
        }
        for (name, help, which) in [
            ("nominal_limit_seats", "Seats of a level by its shares.", 0),
            ("lower_limit_seats", "Seats that a level never lends.", 1),
            ("upper_limit_seats", "Seats beyond which a level never borrows.", 2),
            ("current_limit_seats", "Seats of a level now.", 3),
        ] {
            out.family(format!("{START}_{name}"), Kind::Gauge, help);
            for level in &plan.levels {
                let (bounds, (.., limit)) = (level.bounds(), level.state());
                let limit = if level.exempt { bounds.nominal } else { limit };
                let value = [bounds.nominal, bounds.lower, bounds.upper, limit][which];
                out.sample(&[("priority_level", &level.name)], value);
            }
        }
    }

    /// What `/debug/api_priority_and_fairness/WHAT` shows, a table of comma-separated values.
    pub fn dump(&self, what: &str) -> Option<String> {
        let plan = self.plan.load();
        let mut out = String::new();
        match what {
            "dump_priority_levels" => {
                out += "PriorityLevelName, ActiveQueues, IsIdle, IsQuiescing, WaitingRequests, ExecutingRequests, DispatchedRequests, RejectedRequests, TimedoutRequests, CancelledRequests\n";
                for level in &plan.levels {
                    let (executing, waiting, ..) = level.state();
                    let queues = level.queues().into_iter().filter(|(w, e, _)| *w > 0 || *e > 0).count();
                    let of = plan.schemas.iter().filter(|f| f.level.name == level.name).map(|f| &f.counts);
                    let (mut dispatched, mut rejected, mut late) = (0, 0, 0);
                    for counts in of {
                        dispatched += counts.dispatched.load(Ordering::Relaxed);
                        late += counts.time_out.load(Ordering::Relaxed);
                        rejected += counts.queue_full.load(Ordering::Relaxed)
                            + counts.concurrency_limit.load(Ordering::Relaxed);
                    }
                    let idle = executing + waiting == 0;
                    let _ = writeln!(
                        out,
                        "{}, {queues}, {idle}, false, {waiting}, {executing}, {dispatched}, {rejected}, {late}, {late}",
                        level.name
                    );
                }
            }
            "dump_queues" => {
                out += "PriorityLevelName, Index, PendingRequests, ExecutingRequests, SeatsInUse\n";
                for level in &plan.levels {
                    for (i, (waiting, executing, seats)) in level.queues().into_iter().enumerate() {
                        let _ = writeln!(out, "{}, {i}, {waiting}, {executing}, {seats}", level.name);
                    }
                }
            }
            _ => return None,
        }
        Some(out)
    }
}

const START: &str = "apiserver_flowcontrol";

/// The labels of a FlowSchema's series.
fn class(flow: &Flow) -> [(&'static str, &str); 2] {
    [("flow_schema", &flow.schema.metadata.name), ("priority_level", &flow.level.name)]
}
