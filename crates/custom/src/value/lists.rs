//! Lists that are sets and maps: no item, no key may stand in them twice.

use super::Path;
use crate::finding::duplicate;
use crate::finding::invalid;
use crate::schema::{ListType, Ref};
use corten_semantics::field::FieldError;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// What stands twice where the schema forbids it.
pub fn check_lists(value: &Value, schema: Ref<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    look(&Path::Root, value, schema, &mut errors);
    errors
}

fn look(path: &Path<'_>, value: &Value, schema: Ref<'_>, errors: &mut Vec<FieldError>) {
    if !schema.has_lists() {
        return;
    }
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let named = schema.property(key);
                let place = if named.is_some() { path.field(key) } else { path.key(key) };
                if let Some(child) = named.or_else(|| schema.child(key)) {
                    look(&place, value, child, errors);
                }
            }
        }
        Value::Array(list) => {
            match schema.list_type() {
                Some(ListType::Set) => {
                    for at in repeated(list) {
                        errors.push(duplicate(path.index(at).text(), &list[at]));
                    }
                }
                Some(ListType::Map) => check_map(path, list, schema, errors),
                _ => {}
            }
            if let Some(items) = schema.items() {
                for (at, item) in list.iter().enumerate() {
                    look(&path.index(at), item, items, errors);
                }
            }
        }
        _ => {}
    }
}

/// Where each value that was there before stands for the second time.
fn repeated<'a>(list: impl IntoIterator<Item = &'a Value>) -> Vec<usize> {
    let mut seen: HashMap<&Value, usize> = HashMap::new();
    let mut found = Vec::new();
    for (at, value) in list.into_iter().enumerate() {
        let times = seen.entry(value).or_default();
        *times += 1;
        if *times == 2 {
            found.push(at);
        }
    }
    found
}

fn check_map(path: &Path<'_>, list: &[Value], schema: Ref<'_>, errors: &mut Vec<FieldError>) {
    if let Some(at) = list.iter().position(|item| !item.is_null() && !item.is_object()) {
        let detail = "must be an object for an array of list-type map";
        errors.push(invalid(path.index(at).text(), &list[at], detail));
        return;
    }
    let key_of = |item: &Value| {
        let present = schema.list_keys().iter().filter_map(|key| Some((key, item.get(&**key)?)));
        Value::Object(present.map(|(key, value)| (key.to_string(), value.clone())).collect::<Map<_, _>>())
    };
    let keys: Vec<Value> = list.iter().map(key_of).collect();
    for at in repeated(&keys) {
        errors.push(duplicate(path.index(at).text(), &keys[at]));
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::schema;
    use serde_json::json;

    #[test]
    fn what_stands_twice_is_told() {
        let (table, root) = schema(json!({"type": "object", "properties": {
            "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a", "b"],
                "items": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}}}}));
        let value = json!({
            "set": ["x", "y", "x", "x"],
            "map": [{"a": "1"}, {"a": "1", "b": "2"}, {"a": "1", "c": 3}]
        });
        let told = super::check_lists(&value, table.at(root).expect("a schema"));
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        assert_eq!(told, [r#"map[2]: Duplicate value: {"a":"1"}"#, r#"set[2]: Duplicate value: "x""#]);
    }
}
