//! What `/metrics` and `/debug/api_priority_and_fairness/` show of flow control.

use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::FlowControl;
use super::queue::Refusal;
use crate::http::Histogram;

/// Counts of one FlowSchema.
#[derive(Default)]
pub struct Counts {
    dispatched: AtomicU64,
    executing: AtomicI64,
    seats: AtomicI64,
    waiting: AtomicI64,
    queue_full: AtomicU64,
    concurrency_limit: AtomicU64,
    time_out: AtomicU64,
    waits: Histogram,
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
    pub fn waited(&self, seconds: f64, _dispatched: bool) {
        self.waits.observe(seconds);
    }
}

impl FlowControl {
    /// Writes the metrics.
    pub fn write_metrics(&self, out: &mut String) {
        let plan = self.plan.load();
        let read = |count: &AtomicU64| i64::try_from(count.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
        type Read<'a> = &'a dyn Fn(&Counts) -> Vec<(&'static str, i64)>;
        let families: [(&str, &str, &str, Read<'_>); 5] = [
            ("dispatched_requests_total", "counter", "Requests that were let in.", &|c| {
                vec![("", read(&c.dispatched))]
            }),
            ("rejected_requests_total", "counter", "Requests that were refused.", &|c| {
                vec![
                    (",reason=\"queue-full\"", read(&c.queue_full)),
                    (",reason=\"concurrency-limit\"", read(&c.concurrency_limit)),
                    (",reason=\"time-out\"", read(&c.time_out)),
                ]
            }),
            ("current_inqueue_requests", "gauge", "Requests that wait.", &|c| {
                vec![("", c.waiting.load(Ordering::Relaxed))]
            }),
            ("current_executing_requests", "gauge", "Requests that are worked on.", &|c| {
                vec![("", c.executing.load(Ordering::Relaxed))]
            }),
            ("current_executing_seats", "gauge", "Seats that are taken.", &|c| {
                vec![("", c.seats.load(Ordering::Relaxed))]
            }),
        ];
        for (name, kind, help, values) in families {
            head(out, name, kind, help);
            for flow in &plan.schemas {
                let (schema, level) = (&flow.schema.metadata.name, &flow.level.name);
                for (label, value) in values(&flow.counts) {
                    if value != 0 || label.is_empty() {
                        let _ = writeln!(
                            out,
                            "apiserver_flowcontrol_{name}{{flow_schema=\"{schema}\",priority_level=\"{level}\"{label}}} {value}"
                        );
                    }
                }
            }
        }
        head(out, "request_wait_duration_seconds", "histogram", "How long requests waited in a queue.");
        for flow in plan.schemas.iter().filter(|f| f.counts.waits.count() > 0) {
            let (schema, level) = (&flow.schema.metadata.name, &flow.level.name);
            let labels = format!("flow_schema=\"{schema}\",priority_level=\"{level}\"");
            flow.counts.waits.write(out, "apiserver_flowcontrol_request_wait_duration_seconds", &labels);
        }
        for (name, help, which) in [
            ("nominal_limit_seats", "Seats of a level by its shares.", 0),
            ("lower_limit_seats", "Seats that a level never lends.", 1),
            ("upper_limit_seats", "Seats beyond which a level never borrows.", 2),
            ("current_limit_seats", "Seats of a level now.", 3),
        ] {
            head(out, name, "gauge", help);
            for level in &plan.levels {
                let (bounds, (.., limit)) = (level.bounds(), level.state());
                let limit = if level.exempt { bounds.nominal } else { limit };
                let value = [bounds.nominal, bounds.lower, bounds.upper, limit][which];
                let _ = writeln!(
                    out,
                    "apiserver_flowcontrol_{name}{{priority_level=\"{}\"}} {value}",
                    level.name
                );
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

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(
        out,
        "# HELP apiserver_flowcontrol_{name} {help}\n# TYPE apiserver_flowcontrol_{name} {kind}"
    );
}
