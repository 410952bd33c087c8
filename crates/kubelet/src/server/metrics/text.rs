//! Metrics as text, the format of Prometheus.

use crate::meters::labels;
use std::fmt::{Display, Write};

/// The media type.
pub const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A text under construction.
#[derive(Debug, Default)]
pub struct Text {
    pub out: String,
    name: &'static str,
}

impl Text {
    /// Begins a family; its samples follow.
    pub fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        let _ = write!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// A sample; `at` in milliseconds since 1970.
    pub fn sample(&mut self, pairs: &[(&str, &str)], value: impl Display, at: Option<i64>) {
        self.out.push_str(self.name);
        if !pairs.is_empty() {
            let _ = write!(self.out, "{{{}}}", labels(pairs));
        }
        let _ = match at {
            Some(at) => writeln!(self.out, " {value} {at}"),
            None => writeln!(self.out, " {value}"),
        };
    }

    /// A family of one sample without labels.
    pub fn single(&mut self, name: &'static str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(&[], value, None);
    }
}

/// Nanoseconds as seconds.
pub fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}
