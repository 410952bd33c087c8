//! What `/metrics` shows of conversions by webhooks, under upstream's names.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use parking_lot::Mutex;

/// Buckets in seconds: of what a definition's conversions take, and of what all requests take.
const OF_DEFINITIONS: [f64; 15] = [
    0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384,
];
const OF_REQUESTS: [f64; 15] =
    [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0];
/// Definitions and versions beyond this are not told apart.
const MOST_SERIES: usize = 1000;

/// Durations by bucket.
#[derive(Debug, Default)]
struct Durations {
    buckets: [u64; 15],
    count: u64,
    seconds: f64,
}

impl Durations {
    fn add(&mut self, bounds: &[f64; 15], seconds: f64) {
        if let Some(at) = bounds.iter().position(|bound| seconds <= *bound) {
            self.buckets[at] += 1;
        }
        self.count += 1;
        self.seconds += seconds;
    }

    fn write(&self, out: &mut String, bounds: &[f64; 15], name: &str, labels: &str) {
        let mut sum = 0;
        for (bound, count) in bounds.iter().zip(self.buckets) {
            sum += count;
            let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {sum}");
        }
        let _ = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", self.count);
        let _ =
            writeln!(out, "{name}_sum{{{labels}}} {}\n{name}_count{{{labels}}} {}", self.seconds, self.count);
    }
}

/// All counts; none of them costs anything until a webhook converts.
#[derive(Debug, Default)]
pub(super) struct Conversions(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// By definition, both versions, and whether it worked out, as labels.
    definitions: BTreeMap<String, Durations>,
    /// By outcome.
    requests: BTreeMap<&'static str, Durations>,
}

impl Conversions {
    /// Counts one call of a webhook; `failure` says what kind of failure it was.
    pub fn count(
        &self,
        definition: &str,
        from: &str,
        to: &str,
        took: Duration,
        failure: Option<&'static str>,
    ) {
        let seconds = took.as_secs_f64();
        let labels = format!(
            "crd_name=\"{definition}\",from_version=\"{from}\",succeeded=\"{}\",to_version=\"{to}\"",
            failure.is_none()
        );
        let mut counts = self.0.lock();
        counts.requests.entry(failure.unwrap_or_default()).or_default().add(&OF_REQUESTS, seconds);
        if counts.definitions.len() < MOST_SERIES || counts.definitions.contains_key(&labels) {
            counts.definitions.entry(labels).or_default().add(&OF_DEFINITIONS, seconds);
        }
    }

    /// Writes the series, if there are any.
    pub fn write(&self, out: &mut String) {
        let counts = self.0.lock();
        if counts.requests.is_empty() {
            return;
        }
        let head = |out: &mut String, name: &str, kind: &str, help: &str| {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        };
        let name = "apiserver_conversion_webhook_request_total";
        head(out, name, "counter", "Calls of conversion webhooks.");
        for (failure, durations) in &counts.requests {
            let _ = writeln!(out, "{name}{{{}}} {}", outcome(failure), durations.count);
        }
        let name = "apiserver_conversion_webhook_duration_seconds";
        head(out, name, "histogram", "How long conversion webhooks took.");
        for (failure, durations) in &counts.requests {
            durations.write(out, &OF_REQUESTS, name, &outcome(failure));
        }
        let name = "apiserver_crd_conversion_webhook_duration_seconds";
        head(out, name, "histogram", "How long conversions by webhooks took, by definition.");
        for (labels, durations) in &counts.definitions {
            durations.write(out, &OF_DEFINITIONS, name, labels);
        }
    }
}

fn outcome(failure: &str) -> String {
    let result = if failure.is_empty() { "success" } else { "failure" };
    format!("failure_type=\"{failure}\",result=\"{result}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_are_counted_by_definition_and_outcome() {
        let conversions = Conversions::default();
        let mut out = String::new();
        conversions.write(&mut out);
        assert!(out.is_empty());
        for failure in [None, None, Some("conversion_webhook_call_failure")] {
            conversions.count("a.b", "v1", "v2", Duration::from_millis(3), failure);
        }
        conversions.write(&mut out);
        for line in [
            "apiserver_conversion_webhook_request_total{failure_type=\"\",result=\"success\"} 2",
            "apiserver_conversion_webhook_request_total{failure_type=\"conversion_webhook_call_failure\",result=\"failure\"} 1",
            "apiserver_conversion_webhook_duration_seconds_bucket{failure_type=\"\",result=\"success\",le=\"0.005\"} 2",
            "apiserver_crd_conversion_webhook_duration_seconds_bucket{crd_name=\"a.b\",from_version=\"v1\",succeeded=\"true\",to_version=\"v2\",le=\"0.002\"} 0",
            "apiserver_crd_conversion_webhook_duration_seconds_bucket{crd_name=\"a.b\",from_version=\"v1\",succeeded=\"true\",to_version=\"v2\",le=\"0.004\"} 2",
            "apiserver_crd_conversion_webhook_duration_seconds_count{crd_name=\"a.b\",from_version=\"v1\",succeeded=\"false\",to_version=\"v2\"} 1",
        ] {
            assert!(out.lines().any(|l| l == line), "{line}\n{out}");
        }
    }

    #[test]
    fn series_are_bounded() {
        let conversions = Conversions::default();
        for i in 0..2 * MOST_SERIES {
            conversions.count(&format!("{i}.b"), "v1", "v2", Duration::ZERO, None);
        }
        assert_eq!(conversions.0.lock().definitions.len(), MOST_SERIES);
    }
}
