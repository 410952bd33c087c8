//! The differences that have a reason. `differences.tsv`: runtime, check, why it does not pass.
//! `fields.tsv`: runtime (or `*`), field or call (a trailing `*` stands for any rest), why it is not in use.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::Outcome;
use crate::model::Model;

/// All that is explained.
pub struct Explained {
    checks: Vec<Line>,
    fields: Vec<Line>,
}

struct Line {
    runtime: String,
    what: String,
}

impl Explained {
    /// Reads both files of `dir`.
    pub fn load(dir: &Path) -> Result<Self> {
        let lines = |name: &str| -> Result<Vec<Line>> {
            let path = dir.join(name);
            let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            parse(&text).with_context(|| format!("understand {}", path.display()))
        };
        Ok(Explained { checks: lines("differences.tsv")?, fields: lines("fields.tsv")? })
    }

    /// Failures without a reason, and reasons without a failure.
    pub fn checks(&self, outcomes: &[Outcome]) -> Vec<String> {
        let mut wrong = Vec::new();
        for outcome in outcomes {
            for (check, failure) in &outcome.checks {
                let reason = self.checks.iter().any(|l| l.is_of(&outcome.runtime) && l.what == *check);
                match failure {
                    Some(why) if !reason => wrong.push(format!("{} {check}: {why}", outcome.runtime)),
                    None if reason => wrong.push(format!(
                        "{} {check}: passes, though differences.tsv says that it does not",
                        outcome.runtime
                    )),
                    _ => {}
                }
            }
        }
        wrong
    }

    /// Calls and fields of the model that were not in use, without a reason.
    pub fn fields(&self, outcomes: &[Outcome], model: &Model) -> Vec<String> {
        let calls: BTreeSet<String> = model.calls().map(str::to_owned).collect();
        let mut wrong = Vec::new();
        for outcome in outcomes {
            let used = &outcome.used;
            wrong.extend(used.broken.iter().map(|b| format!("{} {b}", outcome.runtime)));
            let unused = calls.difference(&used.calls).cloned();
            let silent =
                model.fields().into_iter().filter(|f| !used.sent.contains(f) && !used.received.contains(f));
            for what in unused.chain(silent) {
                if !self.fields.iter().any(|l| l.is_of(&outcome.runtime) && l.covers(&what)) {
                    wrong.push(format!("{} {what}: never in use", outcome.runtime));
                }
            }
        }
        wrong
    }
}

impl Line {
    fn is_of(&self, runtime: &str) -> bool {
        self.runtime == "*" || self.runtime == runtime
    }

    fn covers(&self, what: &str) -> bool {
        match self.what.strip_suffix('*') {
            Some(start) => what.starts_with(start),
            None => what == self.what,
        }
    }
}

fn parse(text: &str) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.splitn(3, '\t').map(str::trim);
        let (Some(runtime), Some(what), Some(why)) = (words.next(), words.next(), words.next()) else {
            bail!("three columns are wanted: {line}");
        };
        if why.is_empty() {
            bail!("no reason: {line}");
        }
        lines.push(Line { runtime: runtime.to_owned(), what: what.to_owned() });
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::Used;

    fn outcome(checks: &[(&'static str, Option<&str>)]) -> Outcome {
        Outcome {
            runtime: "r".into(),
            checks: checks.iter().map(|(name, why)| (*name, why.map(str::to_owned))).collect(),
            used: Used::default(),
        }
    }

    #[test]
    fn every_difference_needs_a_reason_and_every_reason_a_difference() {
        let checks = parse("# head\nr\ta\tbecause\n*\tb\tbecause\nq\tc\tbecause\n").expect("lines");
        let explained = Explained { checks, fields: Vec::new() };
        let all = outcome(&[("a", Some("x")), ("b", None), ("c", Some("x")), ("d", None)]);
        let wrong = explained.checks(&[all]);
        assert_eq!(wrong, ["r b: passes, though differences.tsv says that it does not", "r c: x",]);
        assert!(parse("r\ta\n").is_err(), "a reason is wanted");
    }

    #[test]
    fn a_star_stands_for_any_rest() {
        let lines = parse("*\tWindows*\tnot this system\n*\tA.b\twhy\n").expect("lines");
        let covered = |what: &str| lines.iter().any(|l| l.covers(what));
        assert!(covered("WindowsX.y") && covered("A.b") && !covered("A.bc"));
    }
}
