//! How the webhooks did, as upstream's metrics tell it.

use super::call::Trouble;
use super::hook::Hook;
use crate::check::Operation;
use corten_metrics::{Histogram, Kind, Series, Text};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of the histogram's buckets, in seconds.
const BOUNDS: [f64; 8] = [0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 25.0];
/// Series of one family beyond this many are not counted: configurations come and go.
const MOST: usize = 2000;
/// What a failed call counts as when it has no code of its own.
const UNREACHABLE: u16 = 503;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Agreed,
    /// It said no, by this code.
    Refused(u16),
    /// The server could not do what it said.
    Broken,
    /// It could not be asked, and the request went on, or not.
    Failed {
        ignored: bool,
    },
}

impl End {
    /// How a call of the webhook ended.
    pub fn of(hook: &Hook, told: Result<(), &Trouble>) -> Self {
        match told {
            Ok(()) => End::Agreed,
            Err(Trouble::Refused(error)) => End::Refused(error.code()),
            Err(Trouble::Broken(_)) => End::Broken,
            Err(Trouble::Calling(_)) => End::Failed { ignored: hook.ignore },
        }
    }

    fn is_rejection(self) -> bool {
        !matches!(self, End::Agreed | End::Failed { ignored: true })
    }

    fn code(self) -> u16 {
        match self {
            End::Agreed => 200,
            End::Refused(code) => code.min(600),
            End::Broken => 0,
            End::Failed { .. } => UNREACHABLE,
        }
    }
}

/// The calls of one sort of webhooks.
#[derive(Debug)]
pub struct Calls {
    /// `admit` or `validating`, as upstream calls them.
    sort: &'static str,
    durations: Series<Histogram>,
    requests: Series<AtomicU64>,
    rejections: Series<AtomicU64>,
    failed_open: Series<AtomicU64>,
}

fn one_more(series: &Series<AtomicU64>, labels: &[(&str, &str)]) {
    if let Some(count) = series.of(labels, AtomicU64::default) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

impl Calls {
    pub(super) fn new(sort: &'static str) -> Self {
        let durations = Series::new(MOST);
        let [requests, rejections, failed_open] = [(); 3].map(|()| Series::new(MOST));
        Calls { sort, durations, requests, rejections, failed_open }
    }

    /// Counts one call.
    pub(super) fn ended(&self, name: &str, operation: Operation, took: Duration, end: End) {
        let (operation, code) = (operation.to_string(), end.code().to_string());
        let rejected = if end.is_rejection() { "true" } else { "false" };
        let (name, sort) = (("name", name), ("type", self.sort));
        let (operation, rejected) = (("operation", operation.as_str()), ("rejected", rejected));
        if let Some(times) = self.durations.of(&[name, operation, rejected, sort], || Histogram::new(&BOUNDS))
        {
            times.took(took);
        }
        one_more(&self.requests, &[("code", &code), name, operation, rejected, sort]);
        let error = match end {
            End::Refused(_) => "no_error",
            End::Broken => "apiserver_internal_error",
            End::Failed { ignored: false } => "calling_webhook_error",
            End::Failed { ignored: true } => return one_more(&self.failed_open, &[name, sort]),
            End::Agreed => return,
        };
        let code = ("rejection_code", code.as_str());
        one_more(&self.rejections, &[("error_type", error), name, operation, code, sort]);
    }
}

/// Writes the metrics of all sorts.
pub(crate) fn write(all: &[&Calls], out: &mut Text) {
    const START: &str = "apiserver_admission_webhook";
    let help = "How long webhooks for admission took.";
    out.family(format!("{START}_admission_duration_seconds"), Kind::Histogram, help);
    all.iter().for_each(|calls| calls.durations.each(|labels, times| out.histogram(labels, times)));
    type Counted = for<'a> fn(&'a Calls) -> &'a Series<AtomicU64>;
    let counters: [(&str, &str, Counted); 3] = [
        ("request_total", "Calls of webhooks for admission, by what came of them.", |calls| &calls.requests),
        ("rejection_count", "Requests that webhooks, or failing to ask them, have refused.", |calls| {
            &calls.rejections
        }),
        ("fail_open_count", "Webhooks that could not be asked and were passed over.", |calls| {
            &calls.failed_open
        }),
    ];
    for (name, help, counted) in counters {
        out.family(format!("{START}_{name}"), Kind::Counter, help);
        for calls in all {
            counted(calls).each(|labels, count| out.sample(labels, count.load(Ordering::Relaxed)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_as_upstream_does() {
        let (admit, validating) = (Calls::new("admit"), Calls::new("validating"));
        let took = Duration::from_millis(50);
        admit.ended("a.io", Operation::Create, took, End::Agreed);
        admit.ended("a.io", Operation::Create, took, End::Failed { ignored: true });
        validating.ended("v.io", Operation::Delete, took, End::Refused(403));
        validating.ended("v.io", Operation::Delete, took, End::Failed { ignored: false });
        let mut out = Text::default();
        write(&[&admit, &validating], &mut out);
        let out = out.finish();
        let name = "apiserver_admission_webhook";
        for line in [
            "admission_duration_seconds_bucket{name=\"a.io\",operation=\"CREATE\",rejected=\"false\",type=\"admit\",le=\"0.025\"} 0",
            "admission_duration_seconds_bucket{name=\"a.io\",operation=\"CREATE\",rejected=\"false\",type=\"admit\",le=\"0.1\"} 2",
            "admission_duration_seconds_count{name=\"v.io\",operation=\"DELETE\",rejected=\"true\",type=\"validating\"} 2",
            "request_total{code=\"403\",name=\"v.io\",operation=\"DELETE\",rejected=\"true\",type=\"validating\"} 1",
            "request_total{code=\"200\",name=\"a.io\",operation=\"CREATE\",rejected=\"false\",type=\"admit\"} 1",
            "rejection_count{error_type=\"no_error\",name=\"v.io\",operation=\"DELETE\",rejection_code=\"403\",type=\"validating\"} 1",
            "rejection_count{error_type=\"calling_webhook_error\",name=\"v.io\",operation=\"DELETE\",rejection_code=\"503\",type=\"validating\"} 1",
            "fail_open_count{name=\"a.io\",type=\"admit\"} 1",
        ] {
            assert!(out.contains(&format!("{name}_{line}\n")), "{line}\n{out}");
        }
    }
}
