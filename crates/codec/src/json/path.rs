//! Where in the text the reader is, for messages.

use std::borrow::Cow;

/// One step down.
pub(super) enum Step<'a> {
    /// Into a field of the struct named first.
    Field(&'static str, &'static str),
    /// Into an inline struct, which only type errors mention.
    Inline(&'static str),
    /// To a map's key.
    Key(Cow<'a, str>),
    /// To a list's item.
    Index(usize),
}

/// The steps from the root.
#[derive(Default)]
pub(super) struct Path<'a>(pub Vec<Step<'a>>);

impl Path<'_> {
    /// `spec.containers[0].foo`, for the field `name` below the place.
    pub fn strict(&self, name: &str) -> String {
        let mut out = String::new();
        for step in &self.0 {
            let name: &str = match step {
                Step::Field(_, name) => name,
                Step::Key(key) => key,
                Step::Index(at) => {
                    out.push_str(&format!("[{at}]"));
                    continue;
                }
                Step::Inline(_) => continue,
            };
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(name);
        }
        if !out.is_empty() {
            out.push('.');
        }
        out + name
    }

    /// `Go struct field PodSpec.spec.containers` or, at the root, `Go value`.
    pub fn place(&self) -> String {
        let names: Vec<&str> = self
            .0
            .iter()
            .filter_map(|step| match step {
                Step::Field(_, name) | Step::Inline(name) => Some(*name),
                Step::Key(_) | Step::Index(_) => None,
            })
            .collect();
        let inmost = self.0.iter().rev().find_map(|step| match step {
            Step::Field(of, _) => Some(*of),
            _ => None,
        });
        match inmost {
            Some(of) => format!("Go struct field {of}.{}", names.join(".")),
            None => "Go value".to_string(),
        }
    }
}
