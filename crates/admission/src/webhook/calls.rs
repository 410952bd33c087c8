//! How the webhooks did, as upstream's metrics tell it.

use super::call::Trouble;
use super::hook::Hook;
use crate::check::Operation;
use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The upper bounds of the histogram's buckets, in seconds.
const BOUNDS: [f64; 8] = [0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 25.0];
/// Names beyond this many are not told apart: configurations come and go.
const MOST_NAMES: usize = 500;
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

/// The calls of one webhook for one operation that ended alike.
#[derive(Debug, Default)]
struct Series {
    buckets: [u64; BOUNDS.len()],
    count: u64,
    seconds: f64,
    codes: BTreeMap<u16, u64>,
}

/// What is counted of one webhook.
#[derive(Debug, Default)]
struct Counts {
    /// By operation, and whether the request was rejected.
    series: BTreeMap<(String, bool), Series>,
    /// By operation, sort of error, and code.
    rejections: BTreeMap<(String, &'static str, u16), u64>,
    failed_open: u64,
}

/// The calls of one sort of webhooks.
#[derive(Debug)]
pub struct Calls {
    /// `admit` or `validating`, as upstream calls them.
    sort: &'static str,
    webhooks: Mutex<BTreeMap<String, Counts>>,
}

impl Calls {
    pub(super) fn new(sort: &'static str) -> Self {
        Calls { sort, webhooks: Mutex::default() }
    }

    /// Counts one call.
    pub(super) fn ended(&self, name: &str, operation: Operation, took: Duration, end: End) {
        let mut webhooks = self.webhooks.lock().unwrap_or_else(PoisonError::into_inner);
        let name = if webhooks.len() < MOST_NAMES || webhooks.contains_key(name) { name } else { "other" };
        let counts = webhooks.entry(name.to_string()).or_default();
        let operation = operation.to_string();
        let error = match end {
            End::Refused(_) => Some("no_error"),
            End::Broken => Some("apiserver_internal_error"),
            End::Failed { ignored: false } => Some("calling_webhook_error"),
            End::Failed { ignored: true } => {
                counts.failed_open += 1;
                None
            }
            End::Agreed => None,
        };
        if let Some(error) = error {
            *counts.rejections.entry((operation.clone(), error, end.code())).or_default() += 1;
        }
        let series = counts.series.entry((operation, end.is_rejection())).or_default();
        let seconds = took.as_secs_f64();
        for (bound, count) in BOUNDS.iter().zip(&mut series.buckets) {
            *count += u64::from(seconds <= *bound);
        }
        series.count += 1;
        series.seconds += seconds;
        *series.codes.entry(end.code()).or_default() += 1;
    }

    /// Shows each webhook's counts.
    fn each(&self, mut show: impl FnMut(&str, &Counts)) {
        let webhooks = self.webhooks.lock().unwrap_or_else(PoisonError::into_inner);
        webhooks.iter().for_each(|(name, counts)| show(name, counts));
    }
}

/// Writes the metrics of all sorts, as Prometheus reads them.
pub(crate) fn write(all: &[&Calls], out: &mut String) {
    const DURATION: &str = "apiserver_admission_webhook_admission_duration_seconds";
    let head = |out: &mut String, name: &str, kind: &str, help: &str| {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    };
    head(out, DURATION, "histogram", "How long webhooks for admission took.");
    for calls in all {
        calls.each(|name, counts| {
            for ((operation, rejected), series) in &counts.series {
                let labels = labels(name, operation, *rejected, calls.sort);
                for (bound, count) in BOUNDS.iter().zip(&series.buckets) {
                    line(out, &format!("{DURATION}_bucket"), &format!("{labels},le=\"{bound}\""), count);
                }
                line(out, &format!("{DURATION}_bucket"), &format!("{labels},le=\"+Inf\""), series.count);
                line(out, &format!("{DURATION}_sum"), &labels, series.seconds);
                line(out, &format!("{DURATION}_count"), &labels, series.count);
            }
        });
    }
    let total = "apiserver_admission_webhook_request_total";
    head(out, total, "counter", "Calls of webhooks for admission, by what came of them.");
    for calls in all {
        calls.each(|name, counts| {
            for ((operation, rejected), series) in &counts.series {
                let labels = labels(name, operation, *rejected, calls.sort);
                for (code, count) in &series.codes {
                    line(out, total, &format!("code=\"{code}\",{labels}"), count);
                }
            }
        });
    }
    let rejections = "apiserver_admission_webhook_rejection_count";
    head(out, rejections, "counter", "Requests that webhooks, or failing to ask them, have refused.");
    for calls in all {
        calls.each(|name, counts| {
            for ((operation, error, code), count) in &counts.rejections {
                let labels = format!(
                    "error_type=\"{error}\",name=\"{name}\",operation=\"{operation}\",rejection_code=\"{code}\",type=\"{}\"",
                    calls.sort
                );
                line(out, rejections, &labels, count);
            }
        });
    }
    let open = "apiserver_admission_webhook_fail_open_count";
    head(out, open, "counter", "Webhooks that could not be asked and were passed over.");
    for calls in all {
        calls.each(|name, counts| {
            if counts.failed_open > 0 {
                line(out, open, &format!("name=\"{name}\",type=\"{}\"", calls.sort), counts.failed_open);
            }
        });
    }
}

fn labels(name: &str, operation: &str, rejected: bool, sort: &str) -> String {
    format!("name=\"{name}\",operation=\"{operation}\",rejected=\"{rejected}\",type=\"{sort}\"")
}

fn line(out: &mut String, name: &str, labels: &str, value: impl Display) {
    let _ = writeln!(out, "{name}{{{labels}}} {value}");
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
        let mut out = String::new();
        write(&[&admit, &validating], &mut out);
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

    #[test]
    fn names_do_not_grow_without_end() {
        let calls = Calls::new("admit");
        for i in 0..2 * MOST_NAMES {
            calls.ended(&format!("{i}.io"), Operation::Create, Duration::ZERO, End::Agreed);
        }
        let mut names = 0;
        calls.each(|_, _| names += 1);
        assert!(names <= MOST_NAMES + 1);
    }
}
