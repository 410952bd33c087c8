//! What `/metrics` shows of conversions by webhooks, under upstream's names.

use std::time::Duration;

use corten_metrics::{Histogram, Kind, Series, Text};

/// Buckets in seconds: of what a definition's conversions take, and of what all requests take.
const OF_DEFINITIONS: [f64; 15] = [
    0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384,
];
const OF_REQUESTS: [f64; 15] =
    [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0];
/// Definitions and versions beyond this are not counted.
const MOST: usize = 1000;

/// Counts of calls.
#[derive(Debug)]
pub struct Conversions {
    /// By definition, both versions, and whether it worked out.
    definitions: Series<Histogram>,
    /// By outcome.
    requests: Series<Histogram>,
}

impl Default for Conversions {
    fn default() -> Self {
        Conversions { definitions: Series::new(MOST), requests: Series::new(MOST) }
    }
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
        let labels = [
            ("crd_name", definition),
            ("from_version", from),
            ("succeeded", if failure.is_none() { "true" } else { "false" }),
            ("to_version", to),
        ];
        if let Some(times) = self.definitions.of(&labels, || Histogram::new(&OF_DEFINITIONS)) {
            times.took(took);
        }
        let result = if failure.is_none() { "success" } else { "failure" };
        let labels = [("failure_type", failure.unwrap_or_default()), ("result", result)];
        if let Some(times) = self.requests.of(&labels, || Histogram::new(&OF_REQUESTS)) {
            times.took(took);
        }
    }

    /// Writes the series, if there are any.
    pub fn write(&self, out: &mut Text) {
        if self.requests.is_empty() {
            return;
        }
        let help = "Calls of conversion webhooks.";
        out.family("apiserver_conversion_webhook_request_total", Kind::Counter, help);
        self.requests.each(|labels, times| out.sample(labels, times.count()));
        let help = "How long conversion webhooks took.";
        out.family("apiserver_conversion_webhook_duration_seconds", Kind::Histogram, help);
        self.requests.each(|labels, times| out.histogram(labels, times));
        let help = "How long conversions by webhooks took, by definition.";
        out.family("apiserver_crd_conversion_webhook_duration_seconds", Kind::Histogram, help);
        self.definitions.each(|labels, times| out.histogram(labels, times));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_are_counted_by_definition_and_outcome() {
        let conversions = Conversions::default();
        let written = |conversions: &Conversions| {
            let mut out = Text::default();
            conversions.write(&mut out);
            out.finish()
        };
        assert!(written(&conversions).is_empty());
        for failure in [None, None, Some("conversion_webhook_call_failure")] {
            conversions.count("a.b", "v1", "v2", Duration::from_millis(3), failure);
        }
        let out = written(&conversions);
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
}
