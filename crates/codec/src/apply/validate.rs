//! Whether a value fits its type (upstream's `typed.TypedValue.Validate`), and how items of lists are named.

use super::element::{Element, Name};
use super::types::{Atom, List, Map, Scalar, TypeRef};
use crate::quote::quoted;
use crate::shown::shown;
use corten_api::ListKind;
use serde_json::Value;
use std::collections::BTreeSet;

/// What does not fit, each with its path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Misfits(Vec<(String, String)>);

impl Misfits {
    pub(super) fn one(text: impl Into<String>) -> Self {
        Misfits(vec![(String::new(), text.into())])
    }

    fn add(&mut self, step: &Element, inner: Misfits) {
        self.0.extend(inner.0.into_iter().map(|(path, text)| (format!("{step}{path}"), text)));
    }

    /// Nothing was found, or an error.
    pub(super) fn verdict(self) -> Result<(), Misfits> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl std::fmt::Display for Misfits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let one = |(path, text): &(String, String)| match path.as_str() {
            "" => text.clone(),
            path => format!("{path}: {text}"),
        };
        match self.0.as_slice() {
            [only] => f.write_str(&one(only)),
            many => {
                f.write_str("errors:")?;
                many.iter().try_for_each(|m| write!(f, "\n  {}", one(m)))
            }
        }
    }
}

/// Checks a value. Lists that clients send may hold nothing twice; what is stored may.
pub(super) fn validate(value: &Value, ty: TypeRef<'_>, duplicates: bool) -> Misfits {
    let atom = ty.resolve().deduce(Some(value));
    if let Some(map) = atom.map {
        return validate_map(value, map, duplicates);
    }
    if let Some(scalar) = atom.scalar {
        return validate_scalar(value, scalar);
    }
    match atom.list {
        Some(list) => validate_list(value, list, duplicates),
        None => Misfits::one("schema error: invalid atom: inlined"),
    }
}

fn validate_map(value: &Value, map: Map<'_>, duplicates: bool) -> Misfits {
    let entries = match value {
        Value::Null => return Misfits::default(),
        Value::Object(entries) => entries,
        other => return Misfits::one(format!("expected map, got &{{{}}}", shown(other))),
    };
    let mut found = Misfits::default();
    for (key, value) in entries {
        let step = Element::Field(Name::Owned(key.clone()));
        match map.field(key).or(map.other) {
            Some(ty) => found.add(&step, validate(value, ty, duplicates)),
            None => found.add(&step, Misfits::one("field not declared in schema")),
        }
    }
    found
}

fn validate_list(value: &Value, list: List<'_>, duplicates: bool) -> Misfits {
    let items = match value {
        Value::Null => return Misfits::default(),
        Value::Array(items) => items,
        other => return Misfits::one(format!("expected list, got &{{{}}}", shown(other))),
    };
    let (mut found, mut seen) = (Misfits::default(), BTreeSet::new());
    for (at, item) in items.iter().enumerate() {
        let step = match list.kind {
            ListKind::Atomic => Element::Index(i64::try_from(at).unwrap_or(i64::MAX)),
            _ => match item_element(list, item) {
                Ok(step) => step,
                Err(why) => {
                    found.0.push((String::new(), format!("element {at}: {why}")));
                    return found;
                }
            },
        };
        if list.kind != ListKind::Atomic && !duplicates && seen.contains(&step) {
            found.0.push((String::new(), format!("duplicate entries for key {step}")));
        }
        found.add(&step, validate(item, list.item, duplicates));
        seen.insert(step);
    }
    found
}

fn validate_scalar(value: &Value, scalar: Scalar) -> Misfits {
    match (scalar, value) {
        (_, Value::Null)
        | (Scalar::Number, Value::Number(_))
        | (Scalar::String, Value::String(_))
        | (Scalar::Bool, Value::Bool(_))
        | (Scalar::Any, Value::Number(_) | Value::String(_) | Value::Bool(_)) => Misfits::default(),
        (Scalar::Number, other) => {
            Misfits::one(format!("expected numeric (int or float), got {}", go_type(other)))
        }
        (Scalar::String, other) => {
            let value = go_syntax(other);
            Misfits::one(format!("expected string, got &value.valueUnstructured{{Value:{value}}}"))
        }
        (Scalar::Bool, other) => Misfits::one(format!("expected boolean, got &{{{}}}", shown(other))),
        (Scalar::Any, other) => Misfits::one(format!("expected any scalar, got &{{{}}}", shown(other))),
    }
}

/// The step that names an item of a set or of a list with keys.
pub(super) fn item_element(list: List<'_>, item: &Value) -> Result<Element, String> {
    if list.kind == ListKind::Atomic {
        return Err("invalid indexing of non-associative list".to_string());
    }
    if list.keys.is_empty() {
        return match item {
            Value::Object(_) => Err("associative list without keys has an element that's a map type".into()),
            Value::Array(_) => Err("not supported: associative list with lists as elements".into()),
            Value::Null => Err("associative list without keys has an element that's an explicit null".into()),
            scalar => Ok(Element::Value(scalar.clone())),
        };
    }
    let entries = match item {
        Value::Object(entries) => entries,
        Value::Null => return Err("associative list with keys may not have a null element".into()),
        _ => return Err("associative list with keys may not have non-map elements".into()),
    };
    let names = list.keys.names();
    let mut keys: Vec<(Name, Value)> = Vec::with_capacity(names.len());
    let mut of: Option<Atom<'_>> = None;
    for name in &names {
        let value = match entries.get(*name) {
            Some(value) => Some(value.clone()),
            None => of.get_or_insert_with(|| list.item.resolve()).map.and_then(|m| m.default_of(name)),
        };
        keys.extend(value.map(|v| (Name::Owned((*name).to_string()), v)));
    }
    if keys.is_empty() {
        let names: Vec<String> = names.iter().map(|n| quoted(n)).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
            names.join(" ")
        ));
    }
    keys.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Element::Key(keys))
}

/// A value as Go's `%#v` shows it.
fn go_syntax(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".into(),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(go_syntax).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Object(map) => {
            let pairs: Vec<String> =
                map.iter().map(|(k, v)| format!("{}:{}", quoted(k), go_syntax(v))).collect();
            format!("map[string]interface {{}}{{{}}}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
