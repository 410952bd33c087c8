//! Values as JSON, for the objects and patches that expressions make.

use super::{List, MadeObject, Map, Value};
use crate::functions::convert::shown;
use serde_json::{Number, Value as Json};

/// The deepest that a value may be.
const DEEPEST: usize = 200;

impl<'a> Value<'a> {
    /// The value as JSON.
    ///
    /// # Errors
    /// When it, or something within, is nothing that JSON has: a type, an address, a map whose keys are no text.
    pub fn to_json(&self) -> Result<Json, String> {
        json(self, DEEPEST)
    }
}

fn json(value: &Value<'_>, depth: usize) -> Result<Json, String> {
    let depth = depth.checked_sub(1).ok_or("the value is nested too deeply")?;
    Ok(match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(value) => Json::from(*value),
        Value::Uint(value) => Json::from(*value),
        Value::Double(value) => number(*value)?,
        Value::String(text) => Json::String(text.to_string()),
        Value::Bytes(bytes) => {
            use base64::Engine;
            Json::String(base64::engine::general_purpose::STANDARD.encode(bytes))
        }
        Value::Timestamp(_) | Value::Duration(_) => Json::String(shown(value)),
        Value::List(list) => list_of(list, depth)?,
        Value::Map(Map::Json(entries, _)) => Json::Object((*entries).clone()),
        Value::Map(map) => {
            let mut entries = serde_json::Map::new();
            for key in map.keys().map_err(|error| error.to_string())? {
                let name = key.as_str().ok_or_else(|| {
                    format!("map key {:?} is of type {}, not string", shown(&key), key.type_of().name())
                })?;
                let value = map.value_of(&key).map_err(|error| error.to_string())?;
                entries.insert(name.to_owned(), json(&value, depth)?);
            }
            Json::Object(entries)
        }
        Value::Optional(Some(inner)) => json(inner, depth)?,
        Value::Optional(None) | Value::Type(_) | Value::Extension(_) => {
            return Err(format!("{} is nothing that JSON has", value.type_of().name()));
        }
    })
}

/// Whole numbers are written without a fraction, as Go does.
fn number(value: f64) -> Result<Json, String> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.trunc() == value && value.abs() < EXACT {
        return Ok(Json::from(value as i64));
    }
    Number::from_f64(value).map(Json::Number).ok_or_else(|| format!("{value} is no number of JSON"))
}

fn list_of(list: &List<'_>, depth: usize) -> Result<Json, String> {
    if let List::Json(items, ..) = list {
        return Ok(Json::Array(items.to_vec()));
    }
    let items = list.items().map_err(|error| error.to_string())?;
    Ok(Json::Array(items.iter().map(|item| json(item, depth)).collect::<Result<_, _>>()?))
}

impl MadeObject<'_> {
    /// Whether each object within is of the type that is named after the fields that lead to it.
    ///
    /// # Errors
    /// Those that are not, a line each.
    pub fn check_names(&self) -> Result<(), String> {
        let mut wrong = Vec::new();
        self.check(&self.name, &mut wrong, DEEPEST);
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }

    fn check(&self, expected: &str, wrong: &mut Vec<String>, depth: usize) {
        if self.name != expected {
            wrong.push(format!(
                "unexpected type name {:?}, expected {expected:?}, which matches field name path from root Object type",
                self.name
            ));
        }
        for (name, value) in &self.fields {
            check_below(value, &format!("{expected}.{name}"), wrong, depth);
        }
    }
}

fn check_below(value: &Value<'_>, expected: &str, wrong: &mut Vec<String>, depth: usize) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match value {
        Value::Map(Map::Made(made)) => made.check(expected, wrong, depth),
        Value::Map(Map::Values(table)) => {
            table.entries().iter().for_each(|(_, value)| check_below(value, expected, wrong, depth));
        }
        Value::List(list @ (List::Values(_) | List::Joined(_))) => {
            let items = list.items().unwrap_or_default();
            items.iter().for_each(|value| check_below(value, expected, wrong, depth));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::{Bindings, Budget, Env, Map, RUNTIME_BUDGET, Value};
    use serde_json::{Value as Json, json};

    fn made(expression: &str) -> Result<Json, String> {
        let program = Env::new().with_patches().compile(expression).map_err(|error| error.to_string())?;
        let value = program
            .evaluate(&Bindings::new(), &mut Budget::new(RUNTIME_BUDGET))
            .map_err(|error| error.to_string())?;
        if let Value::Map(Map::Made(made)) = &value {
            made.check_names()?;
        }
        value.to_json()
    }

    #[test]
    fn objects_become_json() {
        for (expression, expected) in [
            ("Object{}", json!({})),
            (
                "Object{spec: Object.spec{replicas: 3, ratio: 2.0, half: 0.5}}",
                json!({
                    "spec": {"replicas": 3, "ratio": 2, "half": 0.5},
                }),
            ),
            (
                "Object{spec: Object.spec{containers: [Object.spec.containers{name: 'a', args: ['-g']}]}}",
                json!({"spec": {"containers": [{"name": "a", "args": ["-g"]}]}}),
            ),
            (
                "Object{annotations: {'foo': 'bar'}, ?gone: optional.none()}",
                json!({"annotations": {"foo": "bar"}}),
            ),
            ("Object{intList: [1, 2] + [3]}.intList.sum()", json!(6)),
            (
                "Object{spec: Object.spec{replicas: 3}} == Object{spec: Object.spec{replicas: 1 + 2}}",
                json!(true),
            ),
            ("has(Object{a: 1}.b)", json!(false)),
            (
                "[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a/b~c'), value: b'x'}]",
                json!([{"op": "add", "path": "/metadata/labels/a~1b~0c", "value": "eA=="}]),
            ),
            ("true ? [JSONPatch{op: 'remove', path: '/a'}] : []", json!([{"op": "remove", "path": "/a"}])),
        ] {
            assert_eq!(made(expression), Ok(expected), "{expression}");
        }
    }

    #[test]
    fn names_follow_fields_and_fields_have_types() {
        for (expression, why) in [
            (
                "Object{spec: Object.wrong{a: 1}}",
                "unexpected type name \"Object.wrong\", expected \"Object.spec\", which matches field name path",
            ),
            (
                "Object{spec: Object.spec{containers: [Object.spec.containers.item{name: 'a'}]}}",
                "unexpected type name \"Object.spec.containers.item\", expected \"Object.spec.containers\"",
            ),
            ("Invalid{}", "undeclared reference to 'Invalid'"),
            ("JSONPatch{op: 1}", "expected type of field 'op' is 'string' but provided type is 'int'"),
            ("JSONPatch{opp: ''}", "undefined field 'opp'"),
            ("Object{a: {1: 2}}", "map key \"1\" is of type int, not string"),
            ("Object{a: ip('::1')}", "net.IP is nothing that JSON has"),
        ] {
            let told = made(expression).expect_err(expression);
            assert!(told.contains(why), "{expression}: {told}");
        }
    }
}
