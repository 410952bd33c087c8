//! The simple paths by which a `scale` finds its numbers: names between dots.

use crate::column::printed;
use crate::finding::invalid;
use corten_codec::go_type;
use corten_semantics::field::{FieldError, Mistake};
use serde_json::{Map, Value};

/// Where a `scale` finds its numbers.
#[derive(Clone, Debug)]
pub struct Scale {
    pub spec_replicas: Box<str>,
    pub status_replicas: Box<str>,
    pub label_selector: Box<str>,
}

impl Scale {
    /// What is wrong with what a scale would show of the object.
    pub(crate) fn check(&self, object: &Value, spec_too: bool) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let spec = spec_too.then_some(&self.spec_replicas);
        for path in spec.into_iter().chain([&self.status_replicas]) {
            match at(object, path) {
                Ok(None) => {}
                Ok(Some(found)) => errors.extend(check_number(path, found)),
                Err(why) => errors.push(unreadable(path, "0", why)),
            }
        }
        let path = &self.label_selector;
        let selector = if path.is_empty() { Ok(None) } else { at(object, path) };
        match selector {
            Ok(None | Some(Value::String(_))) => {}
            Ok(Some(found)) => errors.push(unreadable(path, "\"\"", mistaken(path, found, "string"))),
            Err(why) => errors.push(unreadable(path, "\"\"", why)),
        }
        errors
    }
}

fn check_number(path: &str, found: &Value) -> Option<FieldError> {
    let Some(number) = found.as_i64() else {
        return Some(unreadable(path, "0", mistaken(path, found, "int64")));
    };
    if number < 0 {
        return Some(invalid(path.to_string(), found, "should be a non-negative integer"));
    }
    let too_large = || format!("should be less than or equal to {}", i32::MAX);
    (number > i64::from(i32::MAX)).then(|| invalid(path.to_string(), found, too_large()))
}

fn unreadable(path: &str, value: &str, detail: String) -> FieldError {
    FieldError { path: path.to_string(), mistake: Mistake::Invalid, value: value.into(), detail }
}

fn mistaken(place: &str, found: &Value, expected: &str) -> String {
    let shown = if found.is_null() { "<nil>".into() } else { printed(found) };
    format!("{place} accessor error: {shown} is of the type {}, expected {expected}", go_type(found))
}

/// The steps of a simple path: `.spec.replicas`.
fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('.').unwrap_or(path).split('.')
}

/// What stands at a path; an error where something on the way can have no fields.
pub(crate) fn at<'a>(object: &'a Value, path: &str) -> Result<Option<&'a Value>, String> {
    let mut place = String::new();
    let mut value = object;
    for step in steps(path) {
        place.push('.');
        place.push_str(step);
        value = match value {
            Value::Null => return Ok(None),
            Value::Object(fields) => match fields.get(step) {
                Some(field) => field,
                None => return Ok(None),
            },
            other => return Err(mistaken(&place, other, "map[string]interface{}")),
        };
    }
    Ok(Some(value))
}

/// Sets what stands at a path, and makes what is missing on the way.
pub(crate) fn put(fields: &mut Map<String, Value>, path: &str, value: Value) {
    let mut path = steps(path);
    let Some(first) = path.next() else { return };
    let mut slot = fields.entry(first).or_insert(Value::Null);
    for step in path {
        if !slot.is_object() {
            *slot = Value::Object(Map::new());
        }
        let Value::Object(inner) = slot else { return };
        slot = inner.entry(step).or_insert(Value::Null);
    }
    *slot = value;
}

#[cfg(test)]
mod tests {
    use super::{Scale, put};
    use serde_json::{Map, Value, json};

    #[test]
    fn what_a_scale_cannot_show_is_told() {
        let scale = Scale {
            spec_replicas: ".spec.replicas".into(),
            status_replicas: ".status.some.replicas".into(),
            label_selector: ".status.selector".into(),
        };
        for (object, want) in [
            (json!({}), ""),
            (json!({"spec": {"replicas": 3}, "status": {"some": {"replicas": 0}, "selector": "a=b"}}), ""),
            (json!({"spec": null, "status": {"some": null}}), ""),
            (
                json!({"spec": {"replicas": -1}}),
                ".spec.replicas: Invalid value: -1: should be a non-negative integer",
            ),
            (
                json!({"spec": {"replicas": 2_147_483_648_i64}}),
                ".spec.replicas: Invalid value: 2147483648: should be less than or equal to 2147483647",
            ),
            (
                json!({"spec": {"replicas": "x"}}),
                ".spec.replicas: Invalid value: 0: .spec.replicas accessor error: x is of the type string, expected int64",
            ),
            (
                json!({"spec": {"replicas": null}}),
                ".spec.replicas: Invalid value: 0: .spec.replicas accessor error: <nil> is of the type <nil>, expected int64",
            ),
            (
                json!({"status": {"some": 1.5}}),
                ".status.some.replicas: Invalid value: 0: .status.some.replicas accessor error: 1.5 is of the type float64, expected map[string]interface{}",
            ),
            (
                json!({"status": {"selector": true}}),
                ".status.selector: Invalid value: \"\": .status.selector accessor error: true is of the type bool, expected string",
            ),
        ] {
            let told: Vec<String> = scale.check(&object, true).iter().map(ToString::to_string).collect();
            assert_eq!(told.join("; "), want, "{object}");
        }
    }

    #[test]
    fn numbers_are_put_where_nothing_was() {
        let mut fields = Map::new();
        put(&mut fields, ".spec.some.replicas", 3.into());
        assert_eq!(Value::Object(fields), json!({"spec": {"some": {"replicas": 3}}}));
    }
}
