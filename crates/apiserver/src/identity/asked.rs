//! How often webhooks that authorize were asked, and what came of it, for `/metrics`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use corten_metrics::{Histogram, Kind, Text};
use parking_lot::Mutex;

const RESULTS: [&str; 3] = ["success", "timeout", "error"];
/// The upper bounds of the buckets, in seconds.
const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// One webhook's counts.
#[derive(Debug)]
pub struct Asked {
    durations: [Histogram; 3],
    fail_open: [AtomicU64; 3],
    errors: AtomicU64,
    excluded: AtomicU64,
}

impl Default for Asked {
    fn default() -> Self {
        Asked {
            durations: [(); 3].map(|()| Histogram::new(&BOUNDS)),
            fail_open: Default::default(),
            errors: AtomicU64::new(0),
            excluded: AtomicU64::new(0),
        }
    }
}

impl Asked {
    /// It was asked; `failed` says why it gave no answer, and `open` whether that means no opinion.
    pub(super) fn answered(&self, took: Duration, failed: Option<&str>, open: bool) {
        let result = match failed {
            None => 0,
            Some(why) if why.contains("context deadline exceeded") || why.contains("i/o timeout") => 1,
            Some(_) => 2,
        };
        self.durations[result].took(took);
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

    /// Writes the metrics.
    pub(crate) fn write(&self, out: &mut Text) {
        let all = self.0.lock();
        if all.is_empty() {
            return;
        }
        const START: &str = "apiserver_authorization";
        let mut results = |(name, kind, help): (&str, Kind, &str),
                           row: &dyn Fn(&mut Text, &Labelled, &Asked, usize)| {
            out.family(format!("{START}_{name}"), kind, help);
            for (name, asked) in all.iter() {
                for (i, result) in RESULTS.iter().enumerate() {
                    if asked.durations[i].count() > 0 {
                        row(out, &[("name", name), ("result", result)], asked, i);
                    }
                }
            }
        };
        let family = ("webhook_evaluations_total", Kind::Counter, "Calls of webhooks.");
        results(family, &|out, labels, asked, i| out.sample(labels, asked.durations[i].count()));
        let family = ("webhook_duration_seconds", Kind::Histogram, "How long calls took.");
        results(family, &|out, labels, asked, i| out.histogram(labels, &asked.durations[i]));
        let help = "Calls that failed, which meant no opinion.";
        let family = ("webhook_evaluations_fail_open_total", Kind::Counter, help);
        results(family, &|out, labels, asked, i| {
            out.sample(labels, asked.fail_open[i].load(Ordering::Relaxed));
        });
        type Count = fn(&Asked) -> &AtomicU64;
        let conditions: [(&str, Count, &str); 2] = [
            ("evaluation_errors", |asked| &asked.errors, "Conditions that could not be evaluated."),
            ("exclusions", |asked| &asked.excluded, "Questions that conditions spared."),
        ];
        for (metric, count, help) in conditions {
            out.family(format!("{START}_match_condition_{metric}_total"), Kind::Counter, help);
            for (name, asked) in all.iter() {
                out.sample(
                    &[("name", name.as_str()), ("type", "Webhook")],
                    count(asked).load(Ordering::Relaxed),
                );
            }
        }
    }
}

/// The labels of a webhook's results.
type Labelled<'a> = [(&'a str, &'a str); 2];

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
        let mut text = Text::default();
        all.write(&mut text);
        let text = text.finish();
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
