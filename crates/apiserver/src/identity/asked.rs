//! How often webhooks that authorize were asked, and what came of it, for `/metrics`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::http::{Histogram, metrics_head};

const RESULTS: [&str; 3] = ["success", "timeout", "error"];

/// One webhook's counts.
#[derive(Debug, Default)]
pub struct Asked {
    durations: [Histogram; 3],
    fail_open: [AtomicU64; 3],
    errors: AtomicU64,
    excluded: AtomicU64,
}

impl Asked {
    /// It was asked; `failed` says why it gave no answer, and `open` whether that means no opinion.
    pub(super) fn answered(&self, took: Duration, failed: Option<&str>, open: bool) {
        let result = match failed {
            None => 0,
            Some(why) if why.contains("context deadline exceeded") || why.contains("i/o timeout") => 1,
            Some(_) => 2,
        };
        self.durations[result].observe(took.as_secs_f64());
        if failed.is_some() && open {
            self.fail_open[result].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Its conditions spared it a question.
    pub(super) fn excluded(&self) {
        self.excluded.fetch_add(1, Ordering::Relaxed);
    }

    /// Its conditions could not be evaluated.
    pub(super) fn mistaken(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }
}

/// The counts of all by their names, which outlive a change of the configuration.
#[derive(Debug, Default)]
pub struct AskedAll(Mutex<BTreeMap<String, Arc<Asked>>>);

/// The most names.
const MOST: usize = 256;

impl AskedAll {
    /// The counts of the webhook of that name.
    pub fn of(&self, name: &str) -> Arc<Asked> {
        let mut all = self.0.lock();
        if all.len() >= MOST && !all.contains_key(name) {
            return Arc::default();
        }
        Arc::clone(all.entry(name.to_string()).or_default())
    }

    /// Appends the text for `/metrics`.
    pub(crate) fn write(&self, out: &mut String) {
        let all = self.0.lock();
        if all.is_empty() {
            return;
        }
        const START: &str = "apiserver_authorization_";
        let results = |asked: &Arc<Asked>, name: &str| -> Vec<(usize, String)> {
            let some = (0..RESULTS.len()).filter(|i| asked.durations[*i].count() > 0);
            some.map(|i| (i, format!("name=\"{name}\",result=\"{}\"", RESULTS[i]))).collect()
        };
        metrics_head(out, &format!("{START}webhook_evaluations_total"), "counter", "Calls of webhooks.");
        for (name, asked) in all.iter() {
            for (i, labels) in results(asked, name) {
                let count = asked.durations[i].count();
                let _ = writeln!(out, "{START}webhook_evaluations_total{{{labels}}} {count}");
            }
        }
        metrics_head(out, &format!("{START}webhook_duration_seconds"), "histogram", "How long calls took.");
        for (name, asked) in all.iter() {
            for (i, labels) in results(asked, name) {
                asked.durations[i].write(out, &format!("{START}webhook_duration_seconds"), &labels);
            }
        }
        let what = "Calls that failed, which meant no opinion.";
        metrics_head(out, &format!("{START}webhook_evaluations_fail_open_total"), "counter", what);
        for (name, asked) in all.iter() {
            for (i, labels) in results(asked, name) {
                let count = asked.fail_open[i].load(Ordering::Relaxed);
                let _ = writeln!(out, "{START}webhook_evaluations_fail_open_total{{{labels}}} {count}");
            }
        }
        type Count = fn(&Asked) -> &AtomicU64;
        let conditions: [(&str, Count, &str); 2] = [
            ("evaluation_errors", |asked| &asked.errors, "Conditions that could not be evaluated."),
            ("exclusions", |asked| &asked.excluded, "Questions that conditions spared."),
        ];
        for (metric, count, what) in conditions {
            let metric = format!("{START}match_condition_{metric}_total");
            metrics_head(out, &metric, "counter", what);
            for (name, asked) in all.iter() {
                let count = count(asked).load(Ordering::Relaxed);
                let _ = writeln!(out, "{metric}{{name=\"{name}\",type=\"Webhook\"}} {count}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_are_counted_by_name_and_outcome() {
        let all = AskedAll::default();
        let took = Duration::from_millis(3);
        all.of("a").answered(took, None, false);
        all.of("a").answered(took, Some("Post \"x\": context deadline exceeded"), true);
        all.of("b").answered(took, Some("EOF"), false);
        all.of("b").excluded();
        let mut text = String::new();
        all.write(&mut text);
        for line in [
            "webhook_evaluations_total{name=\"a\",result=\"success\"} 1",
            "webhook_evaluations_total{name=\"a\",result=\"timeout\"} 1",
            "webhook_evaluations_fail_open_total{name=\"a\",result=\"timeout\"} 1",
            "webhook_evaluations_fail_open_total{name=\"b\",result=\"error\"} 0",
            "webhook_duration_seconds_count{name=\"b\",result=\"error\"} 1",
            "match_condition_exclusions_total{name=\"b\",type=\"Webhook\"} 1",
        ] {
            assert!(text.contains(&format!("apiserver_authorization_{line}\n")), "{line}\n{text}");
        }
    }
}
