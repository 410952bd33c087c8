//! Metrics as text, the format of Prometheus.

use crate::histogram::Histogram;
use crate::labels::Labels;
use corten_codec::go_float;
use std::fmt::{Display, Write};

/// The media type.
pub const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the samples of a family are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// By ranges.
    Histogram,
}

/// A text under construction.
#[derive(Debug, Default)]
pub struct Text {
    out: String,
    name: String,
}

impl Text {
    /// Begins a family; its samples follow.
    pub fn family(&mut self, name: impl Into<String>, kind: Kind, help: &str) {
        self.name = name.into();
        let (name, kind) = (
            &self.name,
            match kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            },
        );
        let _ = write!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// A sample of the family.
    pub fn sample(&mut self, labels: &(impl Labels + ?Sized), value: impl Display) {
        self.line("", labels, None, value);
        self.out.push('\n');
    }

    /// The same, taken at a time in milliseconds since 1970.
    pub fn sample_at(&mut self, labels: &(impl Labels + ?Sized), value: impl Display, at: Option<i64>) {
        self.line("", labels, None, value);
        let _ = match at {
            Some(at) => writeln!(self.out, " {at}"),
            None => writeln!(self.out),
        };
    }

    /// A family of one sample without labels.
    pub fn single(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample("", value);
    }

    /// All samples of a histogram.
    pub fn histogram(&mut self, labels: &(impl Labels + ?Sized), histogram: &Histogram) {
        let mut count = 0;
        for (bound, up_to) in histogram.up_to() {
            self.line("_bucket", labels, Some(&go_float(bound)), up_to);
            self.out.push('\n');
            count = up_to;
        }
        // What is counted meanwhile must not make the sum smaller than its parts.
        let count = histogram.count().max(count);
        self.line("_bucket", labels, Some("+Inf"), count);
        self.out.push('\n');
        self.line("_sum", labels, None, go_float(histogram.sum()));
        self.out.push('\n');
        self.line("_count", labels, None, count);
        self.out.push('\n');
    }

    /// What was written.
    #[must_use]
    pub fn finish(self) -> String {
        self.out
    }

    fn line(
        &mut self,
        suffix: &str,
        labels: &(impl Labels + ?Sized),
        bound: Option<&str>,
        value: impl Display,
    ) {
        let _ = write!(self.out, "{}{suffix}{{", self.name);
        let before = self.out.len();
        labels.write(&mut self.out);
        if let Some(bound) = bound {
            let comma = if self.out.len() > before { "," } else { "" };
            let _ = write!(self.out, "{comma}le=\"{bound}\"");
        }
        match self.out.len() > before {
            true => self.out.push('}'),
            // Nothing to be told apart by.
            false => self.out.truncate(before - 1),
        }
        let _ = write!(self.out, " {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Series;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn samples_have_labels_and_times() {
        let mut text = Text::default();
        text.single("a", Kind::Gauge, "What.", 1.5);
        text.family("b", Kind::Counter, "More.");
        text.sample(&[("x", "q\"\\\n"), ("y", "")], 2);
        text.sample_at("z=\"1\"", 3, Some(7));
        let want = "# HELP a What.\n# TYPE a gauge\na 1.5\n# HELP b More.\n# TYPE b counter\n\
                    b{x=\"q\\\"\\\\\\n\",y=\"\"} 2\nb{z=\"1\"} 3 7\n";
        assert_eq!(text.finish(), want);
    }

    #[test]
    fn buckets_add_up() {
        let histogram = Histogram::new(&[0.000_000_5, 0.5, 1.0, 1_000_000.0]);
        for value in [0.5, 0.25, 1.25, 2_000_000.0] {
            histogram.observe(value);
        }
        histogram.took(Duration::from_millis(500));
        let mut text = Text::default();
        text.family("h", Kind::Histogram, "How.");
        text.histogram("a=\"b\"", &histogram);
        text.family("n", Kind::Histogram, "None.");
        text.histogram("", &Histogram::new(&[1.0]));
        let want = "# HELP h How.\n# TYPE h histogram\nh_bucket{a=\"b\",le=\"5e-07\"} 0\n\
                    h_bucket{a=\"b\",le=\"0.5\"} 3\nh_bucket{a=\"b\",le=\"1\"} 3\n\
                    h_bucket{a=\"b\",le=\"1e+06\"} 4\nh_bucket{a=\"b\",le=\"+Inf\"} 5\n\
                    h_sum{a=\"b\"} 2.0000025e+06\nh_count{a=\"b\"} 5\n# HELP n None.\n# TYPE n histogram\n\
                    n_bucket{le=\"1\"} 0\nn_bucket{le=\"+Inf\"} 0\nn_sum 0\nn_count 0\n";
        assert_eq!(text.finish(), want);
    }

    #[test]
    fn there_is_a_bound_to_what_is_told_apart() {
        let series = Series::new(2);
        let one = series.of(&[("n", "1")], || 1).expect("room");
        assert!(Arc::ptr_eq(&one, &series.of(&[("n", "1")], || 2).expect("there")));
        assert!(series.of(&[("n", "2")], || 2).is_some() && series.of(&[("n", "3")], || 3).is_none());
        series.retain(|labels| labels == "n=\"2\"");
        let mut seen = Vec::new();
        series.each(|labels, value| seen.push((labels.to_string(), *value)));
        assert_eq!(seen, [("n=\"2\"".to_string(), 2)]);
    }
}
