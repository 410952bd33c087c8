//! Label and field selectors, parsed from query strings or made from a [`LabelSelector`].

mod field;
mod parse;

pub use field::FieldSelector;

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

/// How a requirement judges its key. `Equals` and `DoubleEquals` judge as `In` does, `NotEquals` as `NotIn`; they are
/// written as they were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Equals,
    DoubleEquals,
    NotEquals,
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
                operator: Operator::Equals,
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
        out.requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(out)
    }

    /// Parses `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`.
    ///
    /// # Errors
    /// When the text is no selector, in upstream's words.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Ok(Selector { requirements: parse::parse(text)?, nothing: false })
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
            (Operator::In | Operator::Equals | Operator::DoubleEquals, v) => {
                v.is_some_and(|v| self.values.contains(v))
            }
            (Operator::NotIn | Operator::NotEquals, v) => v.is_none_or(|v| !self.values.contains(v)),
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
        for (i, requirement) in self.requirements.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { "," })?;
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let values = || self.values.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        match self.operator {
            Operator::Equals => write!(f, "{key}={}", values()),
            Operator::DoubleEquals => write!(f, "{key}=={}", values()),
            Operator::NotEquals => write!(f, "{key}!={}", values()),
            Operator::In => write!(f, "{key} in ({})", values()),
            Operator::NotIn => write!(f, "{key} notin ({})", values()),
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::GreaterThan => write!(f, "{key}>{}", values()),
            Operator::LessThan => write!(f, "{key}<{}", values()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::v1::LabelSelectorRequirement;

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
    fn bad_selectors_are_refused_in_upstreams_words() {
        for (text, why) in [
            ("=b", "found '=', expected: !, identifier, or 'end of string'"),
            ("a,,b", "found ',', expected: identifier after ','"),
            ("a=b c", "found 'c', expected: ',' or 'end of string'"),
            ("!a=b", "found '=', expected: ',' or 'end of string'"),
            ("!", "unable to parse requirement: found '', expected: identifier"),
            ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
            ("a in b", "unable to parse requirement: found 'b' expected: '('"),
            ("a in (=", "unable to parse requirement: found '=', expected: ',', ')' or identifier"),
            ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
            ("a in (,!", "unable to parse requirement: found '!', expected: ',', or identifier"),
            ("a=(", "unable to parse requirement: found '(', expected: identifier"),
            (
                "a>x",
                "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer",
            ),
            (
                "-a",
                "unable to parse requirement: <nil>: Invalid value: \"-a\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
            ),
            (
                "a in (b,-)",
                "unable to parse requirement: values[0][a]: Invalid value: \"-\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
            ),
        ] {
            assert_eq!(Selector::parse(text).expect_err(text).0, why, "{text}");
        }
    }

    #[test]
    fn selectors_are_written_in_the_order_of_their_keys() {
        for (text, want) in [
            ("", ""),
            (" c == d, a=b ,!b", "a=b,!b,c==d"),
            ("a in(x ,,b)", "a in (,b,x)"),
            ("a notin ()", "a notin ()"),
            ("in in (in,notin),z>1", "in in (in,notin),z>1"),
            ("a=,b", "a=,b"),
        ] {
            assert_eq!(Selector::parse(text).expect(text).to_string(), want, "{text}");
        }
        let mut selector = LabelSelector { match_labels: labels("b=c"), ..LabelSelector::default() };
        let expression = |key: &str, operator: &str, values: &[&str]| LabelSelectorRequirement {
            key: key.into(),
            operator: operator.into(),
            values: values.iter().map(|v| v.to_string()).collect(),
        };
        selector.match_expressions = vec![expression("c", "In", &["d"]), expression("a", "Exists", &[])];
        let selector = Selector::from_label_selector(Some(&selector)).expect("a selector");
        assert_eq!(selector.to_string(), "a,b=c,c in (d)");
    }

    #[test]
    fn an_absent_label_selector_matches_nothing() {
        let none = Selector::from_label_selector(None).expect("valid");
        assert!(!none.matches(&labels("a=b")));
        let empty = Selector::from_label_selector(Some(&LabelSelector::default())).expect("valid");
        assert!(empty.matches(&labels("a=b")));
    }
}
