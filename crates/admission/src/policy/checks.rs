//! How the policies did, as upstream's metrics tell it.

use crate::expressions::OUT_OF_BUDGET;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The upper bounds of the histogram's buckets, in seconds, and as they are written.
const BOUNDS: [(f64, &str); 5] =
    [(0.000_000_5, "5e-07"), (0.001, "0.001"), (0.01, "0.01"), (0.1, "0.1"), (1.0, "1")];
/// Series beyond this many are not counted: policies come and go.
const MOST_SERIES: usize = 2000;

/// What is told apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Labels {
    policy: String,
    binding: String,
    error: &'static str,
    /// What was done about it; of validating policies alone.
    action: &'static str,
}

#[derive(Debug, Default)]
struct Series {
    buckets: [u64; BOUNDS.len()],
    count: u64,
    seconds: f64,
}

/// What has come of the policies of one sort.
#[derive(Debug)]
pub struct Checks {
    /// `validating` or `mutating`.
    sort: &'static str,
    series: Mutex<BTreeMap<Labels, Series>>,
}

/// What upstream's metrics call a failure.
fn error_type(error: Option<&str>) -> &'static str {
    match error {
        None => "no_error",
        Some(error) if error.starts_with("compilation") => "compile_error",
        Some(error) if error.starts_with(OUT_OF_BUDGET) => "out_of_budget",
        Some(_) => "invalid_error",
    }
}

impl Checks {
    pub(super) fn new(sort: &'static str) -> Self {
        Checks { sort, series: Mutex::default() }
    }

    /// Counts one expression: what went wrong, and what was done about it.
    pub(super) fn ended(
        &self,
        (policy, binding): (&str, &str),
        error: Option<&str>,
        action: &'static str,
        took: Duration,
    ) {
        let labels = Labels {
            policy: policy.to_owned(),
            binding: binding.to_owned(),
            error: error_type(error),
            action,
        };
        let mut all = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST_SERIES && !all.contains_key(&labels) {
            return;
        }
        let series = all.entry(labels).or_default();
        let seconds = took.as_secs_f64();
        for ((bound, _), count) in BOUNDS.iter().zip(&mut series.buckets) {
            *count += u64::from(seconds <= *bound);
        }
        series.count += 1;
        series.seconds += seconds;
    }

    fn write(&self, out: &mut String) {
        let all = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        if all.is_empty() {
            return;
        }
        let name = format!("apiserver_{}_admission_policy_check", self.sort);
        let _ = writeln!(out, "# HELP {name}_total Evaluations of policies that counted.");
        let _ = writeln!(out, "# TYPE {name}_total counter");
        for (labels, series) in &*all {
            let _ = writeln!(out, "{name}_total{{{}}} {}", labels.text(), series.count);
        }
        let name = format!("{name}_duration_seconds");
        let _ = writeln!(out, "# HELP {name} How long the expressions took.\n# TYPE {name} histogram");
        for (labels, series) in &*all {
            let labels = labels.text();
            for ((_, bound), count) in BOUNDS.iter().zip(&series.buckets) {
                let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
            }
            let _ = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", series.count);
            let _ = writeln!(out, "{name}_sum{{{labels}}} {}", series.seconds);
            let _ = writeln!(out, "{name}_count{{{labels}}} {}", series.count);
        }
    }
}

impl Labels {
    /// In the order of their names, as Prometheus' client writes them.
    fn text(&self) -> String {
        let action = match self.action {
            "" => String::new(),
            action => format!("enforcement_action=\"{action}\","),
        };
        let (policy, binding, error) = (&self.policy, &self.binding, self.error);
        format!("{action}error_type=\"{error}\",policy=\"{policy}\",policy_binding=\"{binding}\"")
    }
}

/// Writes the metrics of all sorts, as Prometheus reads them.
pub(crate) fn write(all: &[&Checks], out: &mut String) {
    all.iter().for_each(|checks| checks.write(out));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_told_as_upstream_does() {
        let (validating, mutating) = (Checks::new("validating"), Checks::new("mutating"));
        let took = Duration::from_millis(5);
        validating.ended(("p", "b"), Some("failed expression: x"), "deny", took);
        validating.ended(("p", "b"), Some("compilation error: x"), "audit", took);
        mutating.ended(("p", "b"), None, "", took);
        mutating.ended(("p", "b"), Some(OUT_OF_BUDGET), "", took);
        let mut out = String::new();
        write(&[&mutating, &validating], &mut out);
        for line in [
            "validating_admission_policy_check_total{enforcement_action=\"deny\",error_type=\"invalid_error\",\
             policy=\"p\",policy_binding=\"b\"} 1",
            "validating_admission_policy_check_total{enforcement_action=\"audit\",error_type=\"compile_error\",\
             policy=\"p\",policy_binding=\"b\"} 1",
            "mutating_admission_policy_check_total{error_type=\"no_error\",policy=\"p\",policy_binding=\"b\"} 1",
            "mutating_admission_policy_check_duration_seconds_bucket{error_type=\"out_of_budget\",policy=\"p\",\
             policy_binding=\"b\",le=\"0.001\"} 0",
            "mutating_admission_policy_check_duration_seconds_bucket{error_type=\"out_of_budget\",policy=\"p\",\
             policy_binding=\"b\",le=\"0.01\"} 1",
        ] {
            assert!(out.contains(&format!("apiserver_{line}\n")), "{line}\n{out}");
        }
    }
}
