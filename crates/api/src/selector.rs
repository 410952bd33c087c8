//! Label and field selectors, parsed from query strings or made from a [`LabelSelector`].

use crate::meta::v1::LabelSelector;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Labels that all requirements must accept; without requirements everything matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    requirements: Vec<Requirement>,
    nothing: bool,
}

/// One condition on one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    pub key: String,
    pub operator: Operator,
    pub values: BTreeSet<String>,
}

/// How a requirement judges its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    GreaterThan,
    LessThan,
}

/// Why a text is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseError(pub String);

impl Selector {
    /// Matches everything.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Matches nothing.
    pub fn nothing() -> Self {
        Selector { requirements: Vec::new(), nothing: true }
    }

    /// Matches what carries all these labels.
    pub fn from_map(labels: &BTreeMap<String, String>) -> Self {
        let requirements = labels
            .iter()
            .map(|(k, v)| Requirement {
                key: k.clone(),
                operator: Operator::In,
                values: BTreeSet::from([v.clone()]),
            })
            .collect();
        Selector { requirements, nothing: false }
    }

    /// From the API's selector. `None` matches nothing, an empty one everything, as upstream has it.
    pub fn from_label_selector(selector: Option<&LabelSelector>) -> Result<Self, ParseError> {
        let Some(selector) = selector else { return Ok(Self::nothing()) };
        let mut out = Self::from_map(&selector.match_labels);
        for e in &selector.match_expressions {
            let operator = match e.operator.as_str() {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => {
                    return Err(ParseError(format!("\"{other}\" is not a valid label selector operator")));
                }
            };
            out.requirements.push(Requirement {
                key: e.key.clone(),
                operator,
                values: e.values.iter().cloned().collect(),
            });
        }
        Ok(out)
    }

    /// Parses `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut requirements = Vec::new();
        for part in split_outside_parentheses(text) {
            let part = part.trim();
            if part.is_empty() && text.trim().is_empty() {
                break;
            }
            requirements.push(requirement(part, text)?);
        }
        Ok(Selector { requirements, nothing: false })
    }

    /// Whether `labels` satisfy every requirement.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        !self.nothing && self.requirements.iter().all(|r| r.matches(labels.get(&r.key).map(String::as_str)))
    }

    /// Whether everything matches.
    pub fn is_everything(&self) -> bool {
        !self.nothing && self.requirements.is_empty()
    }

    /// The requirements.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }
}

impl Requirement {
    /// Whether the key's value (or its absence) is accepted.
    pub fn matches(&self, value: Option<&str>) -> bool {
        match (self.operator, value) {
            (Operator::Exists, v) => v.is_some(),
            (Operator::DoesNotExist, v) => v.is_none(),
            (Operator::In, v) => v.is_some_and(|v| self.values.contains(v)),
            (Operator::NotIn, v) => v.is_none_or(|v| !self.values.contains(v)),
            (Operator::GreaterThan, v) => self.compare(v).is_some_and(|(have, want)| have > want),
            (Operator::LessThan, v) => self.compare(v).is_some_and(|(have, want)| have < want),
        }
    }

    fn compare(&self, value: Option<&str>) -> Option<(i64, i64)> {
        Some((value?.parse().ok()?, self.values.first()?.parse().ok()?))
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |r: &Requirement| r.values.iter().cloned().collect::<Vec<_>>().join(",");
        for (i, r) in self.requirements.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { "," })?;
            match r.operator {
                Operator::In if r.values.len() == 1 => write!(f, "{}={}", r.key, list(r))?,
                Operator::In => write!(f, "{} in ({})", r.key, list(r))?,
                Operator::NotIn if r.values.len() == 1 => write!(f, "{}!={}", r.key, list(r))?,
                Operator::NotIn => write!(f, "{} notin ({})", r.key, list(r))?,
                Operator::Exists => write!(f, "{}", r.key)?,
                Operator::DoesNotExist => write!(f, "!{}", r.key)?,
                Operator::GreaterThan => write!(f, "{}>{}", r.key, list(r))?,
                Operator::LessThan => write!(f, "{}<{}", r.key, list(r))?,
            }
        }
        Ok(())
    }
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut out) = (0i32, 0, Vec::new());
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                out.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    out.push(&text[start..]);
    out
}

fn requirement(part: &str, whole: &str) -> Result<Requirement, ParseError> {
    let bad = |why: &str| ParseError(format!("unable to parse requirement: {why} in {whole:?}"));
    let make = |key: &str, operator, values: Vec<&str>| {
        let key = key.trim();
        if !is_key(key) {
            return Err(bad(&format!("invalid label key {key:?}")));
        }
        let values: BTreeSet<String> = values.iter().map(|v| v.trim().to_string()).collect();
        if let Some(v) = values.iter().find(|v| !is_value(v)) {
            return Err(bad(&format!("invalid label value {v:?}")));
        }
        Ok(Requirement { key: key.to_string(), operator, values })
    };
    if let Some(key) = part.strip_prefix('!').filter(|k| !k.contains('=')) {
        return make(key, Operator::DoesNotExist, vec![]);
    }
    if let Some(open) = part.find('(') {
        let inner = part[open + 1..].strip_suffix(')').ok_or_else(|| bad("a closing ')' is missing"))?;
        let mut words = part[..open].split_whitespace();
        return match (words.next(), words.next(), words.next()) {
            (Some(key), Some("in"), None) => make(key, Operator::In, inner.split(',').collect()),
            (Some(key), Some("notin"), None) => make(key, Operator::NotIn, inner.split(',').collect()),
            _ => Err(bad("'in' or 'notin' is expected before '('")),
        };
    }
    for (sign, operator) in [("!=", Operator::NotIn), ("==", Operator::In), ("=", Operator::In)] {
        if let Some((key, value)) = part.split_once(sign) {
            return make(key, operator, vec![value]);
        }
    }
    for (sign, operator) in [(">", Operator::GreaterThan), ("<", Operator::LessThan)] {
        if let Some((key, value)) = part.split_once(sign) {
            value.trim().parse::<i64>().map_err(|_| bad("an integer is expected"))?;
            return make(key, operator, vec![value]);
        }
    }
    make(part, Operator::Exists, vec![])
}

fn is_value(v: &str) -> bool {
    v.is_empty() || is_name(v)
}

fn is_key(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(p, n)| (Some(p), n));
    is_name(name) && prefix.is_none_or(|p| !p.is_empty() && p.len() <= 253)
}

fn is_name(n: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    n.len() <= 63
        && ends(n.chars().next())
        && ends(n.chars().last())
        && n.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Conditions on fields: `metadata.name=x,spec.nodeName!=y`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    /// Field path, whether equality is wanted, and the value.
    pub terms: Vec<(String, bool, String)>,
}

impl FieldSelector {
    /// Parses a comma-separated list of `path=value`, `path==value` and `path!=value`; a backslash escapes.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut terms = Vec::new();
        for part in split_unescaped(text).into_iter().filter(|p| !p.is_empty()) {
            let (path, equal, value) = if let Some((p, v)) = part.split_once("!=") {
                (p, false, v)
            } else if let Some((p, v)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (p, true, v)
            } else {
                return Err(ParseError(format!("invalid selector: '{text}'; can't understand '{part}'")));
            };
            terms.push((path.to_string(), equal, unescape(value)));
        }
        Ok(FieldSelector { terms })
    }

    /// Whether everything matches.
    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether all terms hold, given a way to read a field (absent reads as empty).
    pub fn matches<'a>(&self, mut field: impl FnMut(&str) -> std::borrow::Cow<'a, str>) -> bool {
        self.terms.iter().all(|(path, equal, value)| (field(path) == value.as_str()) == *equal)
    }

    /// The value that `path` must equal, if a term says so.
    pub fn required(&self, path: &str) -> Option<&str> {
        self.terms.iter().find(|(p, equal, _)| *equal && p == path).map(|(_, _, v)| v.as_str())
    }
}

fn split_unescaped(text: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut letters = text.chars();
    while let Some(c) = letters.next() {
        match c {
            ',' => out.push(String::new()),
            _ => {
                if let Some(last) = out.last_mut() {
                    last.push(c);
                    if c == '\\' {
                        last.extend(letters.next());
                    }
                }
            }
        }
    }
    out
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.chars();
    while let Some(c) = letters.next() {
        out.extend(if c == '\\' { letters.next() } else { Some(c) });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> BTreeMap<String, String> {
        text.split(',').filter_map(|p| p.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect()
    }

    #[test]
    fn selectors_match_as_upstream_does() {
        for (selector, have, want) in [
            ("", "a=b", true),
            ("a=b", "a=b", true),
            ("a==b,c!=d", "a=b", true),
            ("a!=b", "a=b", false),
            ("a in (b, c)", "a=c", true),
            ("a notin (b)", "x=y", true),
            ("a notin (b)", "a=b", false),
            ("a", "a=b", true),
            ("!a", "a=b", false),
            ("a>1", "a=2", true),
            ("a<1", "a=2", false),
            ("a=", "a=", true),
        ] {
            let s = Selector::parse(selector).expect(selector);
            assert_eq!(s.matches(&labels(have)), want, "{selector} on {have}");
        }
    }

    #[test]
    fn bad_selectors_are_refused() {
        for text in ["a in b", "a in (b", "=b", "a=b=c d", "a,,b", "a>x", "-a"] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn field_selectors_compare_and_unescape() {
        let s = FieldSelector::parse("metadata.name=a\\,b,spec.nodeName!=x").expect("valid");
        let read = |path: &str| match path {
            "metadata.name" => "a,b".into(),
            _ => "y".into(),
        };
        assert!(s.matches(read));
        assert_eq!(s.required("metadata.name"), Some("a,b"));
        assert!(FieldSelector::parse("nonsense").is_err());
    }

    #[test]
    fn an_absent_label_selector_matches_nothing() {
        let none = Selector::from_label_selector(None).expect("valid");
        assert!(!none.matches(&labels("a=b")));
        let empty = Selector::from_label_selector(Some(&LabelSelector::default())).expect("valid");
        assert!(empty.matches(&labels("a=b")));
    }
}
