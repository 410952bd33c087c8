//! Selectors of fields (k8s.io/apimachinery `fields`).

use super::ParseError;
use std::borrow::Cow;

/// Conditions on fields: `metadata.name=x,spec.nodeName!=y`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    /// Field path, whether equality is wanted, and the value.
    pub terms: Vec<(String, bool, String)>,
}

impl FieldSelector {
    /// Parses a comma-separated list of `path=value`, `path==value` and `path!=value`; a backslash escapes.
    ///
    /// # Errors
    /// When the text is no selector, in upstream's words.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut parts = split(text);
        parts.sort_unstable();
        let mut terms = Vec::new();
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            let Some((path, equal, value)) = term(part) else {
                return Err(ParseError(format!("invalid selector: '{text}'; can't understand '{part}'")));
            };
            let value =
                unescape(value).map_err(|why| ParseError(format!("invalid field selector: {why}")))?;
            // What names nothing asks for nothing.
            if !path.is_empty() || !value.is_empty() {
                terms.push((path.to_owned(), equal, value));
            }
        }
        Ok(FieldSelector { terms })
    }

    /// Whether everything matches.
    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether all terms hold, given a way to read a field (absent reads as empty).
    pub fn matches<'a>(&self, mut field: impl FnMut(&str) -> Cow<'a, str>) -> bool {
        self.terms.iter().all(|(path, equal, value)| (field(path) == value.as_str()) == *equal)
    }

    /// The value that `path` must equal, if a term says so.
    pub fn required(&self, path: &str) -> Option<&str> {
        self.terms.iter().find(|(p, equal, _)| *equal && p == path).map(|(_, _, v)| v.as_str())
    }
}

/// Splits at commas that no backslash stands before.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// The path, whether it is to be equal, and the value, divided by the first operator.
fn term(part: &str) -> Option<(&str, bool, &str)> {
    part.char_indices().find_map(|(at, _)| {
        let (path, rest) = part.split_at(at);
        let operators = [("!=", false), ("==", true), ("=", true)];
        operators
            .into_iter()
            .find_map(|(sign, equal)| rest.strip_prefix(sign).map(|value| (path, equal, value)))
    })
}

fn unescape(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(c) = letters.next() {
        out.push(match c {
            '\\' => match letters.next() {
                Some(escaped @ ('\\' | ',' | '=')) => escaped,
                Some(other) => return Err(format!("invalid escape sequence: \\{other}")),
                None => return Err("invalid escape sequence: \\".into()),
            },
            ',' | '=' => return Err(format!("unescaped character in value: {}", u32::from(c))),
            other => other,
        });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_selectors_compare_and_unescape() {
        let s = FieldSelector::parse("metadata.name=a\\,b,spec.nodeName!=x").expect("valid");
        let read = |path: &str| match path {
            "metadata.name" => "a,b".into(),
            _ => "y".into(),
        };
        assert!(s.matches(read));
        assert_eq!(s.required("metadata.name"), Some("a,b"));
        assert!(FieldSelector::parse(",=,!=").expect("nothing").is_everything());
    }

    #[test]
    fn bad_field_selectors_are_refused_in_upstreams_words() {
        for (text, why) in [
            ("z=1,nonsense", "invalid selector: 'z=1,nonsense'; can't understand 'nonsense'"),
            ("a=b=c", "invalid field selector: unescaped character in value: 61"),
            ("a=\\b", "invalid field selector: invalid escape sequence: \\b"),
            ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
        ] {
            assert_eq!(FieldSelector::parse(text).expect_err(text).0, why, "{text}");
        }
    }
}
