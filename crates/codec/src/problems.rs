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

    /// The findings as clients are warned of them: each of YAML's lines alone.
    pub fn warnings(&self) -> Vec<String> {
        self.found.iter().flat_map(|finding| warnings(finding)).collect()
    }

    /// The refusal of `fieldValidation=Strict`: `strict decoding error: ...`; `None` without findings.
    pub fn error(&self) -> Option<String> {
        (!self.found.is_empty()).then(|| format!("strict decoding error: {}", self.found.join(", ")))
    }
}

/// A finding as warnings, each of YAML's lines alone.
pub fn warnings(finding: &str) -> Vec<String> {
    let lines = finding.strip_prefix("error converting YAML to JSON: ").unwrap_or(finding);
    match lines.strip_prefix("yaml: unmarshal errors:\n") {
        Some(lines) => lines.lines().map(|line| line.trim().to_string()).collect(),
        None => vec![finding.to_string()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_yaml_is_a_warning() {
        let lines = "yaml: unmarshal errors:\n  line 4: key \"c\" already set in map\n  line 5: key \"a\" already set in map";
        let mut problems = Problems::strict();
        problems.add(lines.to_string());
        problems.unknown("spec.x");
        let each = ["line 4: key \"c\" already set in map", "line 5: key \"a\" already set in map"];
        assert_eq!(problems.warnings(), [each[0], each[1], "unknown field \"spec.x\""]);
        assert_eq!(warnings(&format!("error converting YAML to JSON: {lines}")), each);
    }
}
