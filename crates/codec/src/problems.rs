//! What strict reading finds fault with, though it can be read.

use crate::quote::quoted;

/// How many findings are kept, as upstream does.
const MOST: usize = 100;

/// The unknown and duplicate fields of one body. The caller refuses the body (`fieldValidation=Strict`) or
/// warns of them (`Warn`).
#[derive(Debug, Default)]
pub struct Problems {
    look: bool,
    found: Vec<String>,
}

impl Problems {
    /// Findings are collected.
    pub fn strict() -> Self {
        Problems { look: true, found: Vec::new() }
    }

    /// Nothing is looked for (`fieldValidation=Ignore`).
    pub fn ignore() -> Self {
        Problems::default()
    }

    /// Whether findings are collected, and there is room for more.
    pub fn looks(&self) -> bool {
        self.look && self.found.len() < MOST
    }

    /// Adds `unknown field "path"`.
    pub fn unknown(&mut self, path: &str) {
        self.add(format!("unknown field {}", quoted(path)));
    }

    /// Adds `duplicate field "path"`.
    pub fn duplicate(&mut self, path: &str) {
        self.add(format!("duplicate field {}", quoted(path)));
    }

    /// Adds a finding in its own words, each once.
    pub fn add(&mut self, text: String) {
        if self.looks() && !self.found.contains(&text) {
            self.found.push(text);
        }
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The findings, in the order of the text.
    pub fn found(&self) -> &[String] {
        &self.found
    }

    /// The refusal of `fieldValidation=Strict`: `strict decoding error: ...`; `None` without findings.
    pub fn error(&self) -> Option<String> {
        (!self.found.is_empty()).then(|| format!("strict decoding error: {}", self.found.join(", ")))
    }
}
