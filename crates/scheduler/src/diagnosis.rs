//! Why no node would do, in upstream's words.

use crate::framework::Rejection;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// The reasons of all nodes, counted (upstream's `FitError`).
#[derive(Clone, Debug, Default)]
pub struct Unfit {
    nodes: usize,
    judged: usize,
    reasons: HashMap<Cow<'static, str>, usize>,
    /// One reason for all, found before the nodes were looked at.
    before_nodes: Option<String>,
    after: String,
}

impl Unfit {
    /// Nothing counted yet, of so many nodes.
    pub fn new(nodes: usize) -> Self {
        Unfit { nodes, ..Unfit::default() }
    }

    /// The pod was turned down before its nodes were looked at.
    pub fn everywhere(nodes: usize, rejection: &Rejection) -> Self {
        Unfit { nodes, before_nodes: Some(rejection.reasons.join(", ")), ..Unfit::default() }
    }

    /// Counts one node's reasons.
    pub fn add(&mut self, rejection: &Rejection) {
        self.judged += 1;
        for reason in &rejection.reasons {
            *self.reasons.entry(reason.clone()).or_default() += 1;
        }
    }

    /// One reason for the nodes that were not counted.
    pub fn add_to_rest(&mut self, reason: impl Into<Cow<'static, str>>) {
        let rest = self.nodes.saturating_sub(self.judged);
        if rest > 0 {
            self.judged = self.nodes;
            *self.reasons.entry(reason.into()).or_default() += rest;
        }
    }

    /// What the plugins that are asked last said.
    pub fn set_after(&mut self, message: String) {
        self.after = message;
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nodes == 0 {
            return f.write_str("no nodes available to schedule pods");
        }
        write!(f, "0/{} nodes are available:", self.nodes)?;
        match &self.before_nodes {
            Some(reason) => write!(f, " {reason}.")?,
            None => {
                let mut reasons: Vec<String> =
                    self.reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
                reasons.sort_unstable();
                if !reasons.is_empty() {
                    write!(f, " {}.", reasons.join(", "))?;
                }
            }
        }
        if self.after.is_empty() { Ok(()) } else { write!(f, " {}", self.after) }
    }
}
