//! What tells one series of a family from the others.

use std::fmt::Write;

/// Labels: pairs of names and values, or a text as it stands between the braces.
pub trait Labels {
    /// Appends them as they stand between the braces.
    fn write(&self, out: &mut String);
}

impl<V: AsRef<str>> Labels for [(&str, V)] {
    fn write(&self, out: &mut String) {
        for (at, (name, value)) in self.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            let _ = write!(out, "{comma}{name}=\"");
            escape(out, value.as_ref());
            out.push('"');
        }
    }
}

impl<V: AsRef<str>, const N: usize> Labels for [(&str, V); N] {
    fn write(&self, out: &mut String) {
        self.as_slice().write(out);
    }
}

impl Labels for str {
    fn write(&self, out: &mut String) {
        out.push_str(self);
    }
}

impl Labels for String {
    fn write(&self, out: &mut String) {
        out.push_str(self);
    }
}

fn escape(out: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

/// Labels as they stand between the braces.
#[must_use]
pub fn labels(pairs: &[(&str, &str)]) -> String {
    let mut out = String::new();
    pairs.write(&mut out);
    out
}
