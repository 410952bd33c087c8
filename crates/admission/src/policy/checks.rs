//! How the policies did, as upstream's metrics tell it.

use crate::expressions::OUT_OF_BUDGET;
use corten_metrics::{Histogram, Kind, Series, Text};
use std::time::Duration;

/// The upper bounds of the histogram's buckets, in seconds.
const BOUNDS: [f64; 5] = [0.000_000_5, 0.001, 0.01, 0.1, 1.0];
/// Series beyond this many are not counted: policies come and go.
const MOST: usize = 2000;

/// What has come of the policies of one sort.
#[derive(Debug)]
pub struct Checks {
    /// `validating` or `mutating`.
    sort: &'static str,
    series: Series<Histogram>,
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
        Checks { sort, series: Series::new(MOST) }
    }

    /// Counts one expression: what went wrong, and what was done about it, which is told of validating policies
    /// alone.
    pub(super) fn ended(
        &self,
        (policy, binding): (&str, &str),
        error: Option<&str>,
        action: &'static str,
        took: Duration,
    ) {
        let labels = [
            ("enforcement_action", action),
            ("error_type", error_type(error)),
            ("policy", policy),
            ("policy_binding", binding),
        ];
        let labels = if action.is_empty() { &labels[1..] } else { &labels };
        if let Some(times) = self.series.of(labels, || Histogram::new(&BOUNDS)) {
            times.took(took);
        }
    }

    fn write(&self, out: &mut Text) {
        if self.series.is_empty() {
            return;
        }
        let name = format!("apiserver_{}_admission_policy_check", self.sort);
        out.family(format!("{name}_total"), Kind::Counter, "Evaluations of policies that counted.");
        self.series.each(|labels, times| out.sample(labels, times.count()));
        let help = "How long the expressions took.";
        out.family(format!("{name}_duration_seconds"), Kind::Histogram, help);
        self.series.each(|labels, times| out.histogram(labels, times));
    }
}

/// Writes the metrics of all sorts.
pub(crate) fn write(all: &[&Checks], out: &mut Text) {
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
        let mut out = Text::default();
        write(&[&mutating, &validating], &mut out);
        let out = out.finish();
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
