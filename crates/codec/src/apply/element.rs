//! One step of a path to a field, in upstream's order (structured-merge-diff, `fieldpath` and `value`).

use crate::quote::quoted;
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

/// A field's name or a map's key; names that the tables know are not copied.
pub type Name = Cow<'static, str>;

/// One step of a path.
#[derive(Clone, Debug)]
pub enum Element {
    /// A field of a struct, or a key of a map.
    Field(Name),
    /// The item of a list whose keys have these values; sorted by name.
    Key(Vec<(Name, Value)>),
    /// The item of a set.
    Value(Value),
    /// The item at a place; only clients of old write these.
    Index(i64),
}

impl Element {
    /// A field by a name that lives as long as the program.
    pub const fn field(name: &'static str) -> Self {
        Element::Field(Cow::Borrowed(name))
    }

    /// Whether this is the field `name`.
    pub fn is(&self, name: &str) -> bool {
        matches!(self, Element::Field(n) if n == name)
    }

    fn rank(&self) -> u8 {
        match self {
            Element::Field(_) => 0,
            Element::Key(_) => 1,
            Element::Value(_) => 2,
            Element::Index(_) => 3,
        }
    }
}

impl Ord for Element {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Element::Field(a), Element::Field(b)) => a.cmp(b),
            (Element::Key(a), Element::Key(b)) => keys_order(a, b),
            (Element::Value(a), Element::Value(b)) => value_order(a, b),
            (Element::Index(a), Element::Index(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Element {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Element {}

fn keys_order(a: &[(Name, Value)], b: &[(Name, Value)]) -> Ordering {
    for ((n, v), (m, w)) in a.iter().zip(b) {
        let order = n.cmp(m).then_with(|| value_order(v, w));
        if order != Ordering::Equal {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

/// Numbers, then strings, truths, lists, maps, nulls.
pub(super) fn value_order(a: &Value, b: &Value) -> Ordering {
    let rank = |v: &Value| match v {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    };
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.as_f64().unwrap_or(0.0).total_cmp(&b.as_f64().unwrap_or(0.0)),
        },
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let unequal = a.iter().zip(b).map(|(a, b)| value_order(a, b)).find(|o| o.is_ne());
            unequal.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        (Value::Object(a), Value::Object(b)) => {
            let pairs = a.iter().zip(b);
            let mut orders = pairs.map(|((k, v), (l, w))| k.cmp(l).then_with(|| value_order(v, w)));
            orders.find(|o| o.is_ne()).unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

/// Whether two values are the same; `1` and `1.0` are.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    value_order(a, b) == Ordering::Equal
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Element::Field(name) => write!(f, ".{name}"),
            Element::Key(keys) => {
                f.write_str("[")?;
                for (at, (name, value)) in keys.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "," };
                    write!(f, "{comma}{name}={}", shown(value))?;
                }
                f.write_str("]")
            }
            Element::Value(value) => write!(f, "[={}]", shown(value)),
            Element::Index(at) => write!(f, "[{at}]"),
        }
    }
}

/// A value as paths show it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(map) => map.iter().map(|(k, v)| format!("{k}={}", shown(v))).collect(),
        other => other.to_string(),
    }
}

/// A path as text: `.spec.containers[name="a"].image`.
pub fn path_text(path: &[&Element]) -> String {
    path.iter().map(|e| e.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn elements_have_upstreams_order_and_look() {
        let keys = |pairs: &[(&'static str, Value)]| {
            Element::Key(pairs.iter().map(|(n, v)| (Name::Borrowed(*n), v.clone())).collect())
        };
        let ordered = [
            (Element::field("a"), ".a"),
            (Element::field("b"), ".b"),
            (keys(&[("name", json!("a"))]), "[name=\"a\"]"),
            (keys(&[("port", json!(80))]), "[port=80]"),
            (keys(&[("port", json!(80)), ("protocol", json!("TCP"))]), "[port=80,protocol=\"TCP\"]"),
            (Element::Value(json!(1)), "[=1]"),
            (Element::Value(json!(1.5)), "[=1.5]"),
            (Element::Value(json!("x\"y")), "[=\"x\\\"y\"]"),
            (Element::Value(json!(true)), "[=true]"),
            (Element::Value(json!(null)), "[=null]"),
            (Element::Index(2), "[2]"),
        ];
        for (i, (a, text)) in ordered.iter().enumerate() {
            assert_eq!(a.to_string(), *text);
            for (j, (b, _)) in ordered.iter().enumerate() {
                assert_eq!(a.cmp(b), i.cmp(&j), "{a} {b}");
            }
        }
        assert!(same(&json!({"a": [1, 2.0]}), &json!({"a": [1.0, 2]})));
        assert!(!same(&json!({"a": 1}), &json!({"a": 1, "b": 1})));
    }
}
