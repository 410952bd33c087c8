//! What a schema looks like in OpenAPI documents: as it is declared in version 3; in version 2 without what
//! kubectl's older reader trips over.

use crate::rules::encoded;
use corten_api::apiextensions::v1::JSONSchemaProps;
use serde_json::{Map, Value, json};

/// Parts of a schema that no structural schema has.
const DROPPED: [&str; 10] = [
    "id",
    "$schema",
    "$ref",
    "example",
    "externalDocs",
    "definitions",
    "dependencies",
    "patternProperties",
    "additionalItems",
    "uniqueItems",
];

/// The schema of objects for a document; `v2` tells which. `None` when nothing of it can be said.
pub(crate) fn published(schema: &JSONSchemaProps, v2: bool) -> Option<Value> {
    if v2 && schema.x_kubernetes_preserve_unknown_fields == Some(true) {
        return None;
    }
    let mut published = encoded(schema);
    if v2 {
        older(&mut published)
    } else {
        newer(&mut published)
    }
    Some(published)
}

/// Every schema that objects are made of, below this one.
fn children(schema: &mut Map<String, Value>, mut each: impl FnMut(&mut Value)) {
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(&mut each);
    }
    for name in ["items", "additionalProperties"] {
        schema.get_mut(name).filter(|s| s.is_object()).into_iter().for_each(&mut each);
    }
}

fn is(schema: &Map<String, Value>, name: &str) -> bool {
    schema.get(name) == Some(&Value::Bool(true))
}

fn newer(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    DROPPED.iter().for_each(|name| drop(object.remove(*name)));
    if is(object, "x-kubernetes-int-or-string") {
        let either = json!([{"type": "integer"}, {"type": "string"}]);
        let first = object.get("allOf").and_then(|all| all.get(0)).and_then(|first| first.get("anyOf"));
        if object.get("anyOf") != Some(&either) && first != Some(&either) {
            if object.contains_key("anyOf") {
                let all = object.entry("allOf").or_insert_with(|| json!([]));
                all.as_array_mut().into_iter().for_each(|all| all.insert(0, json!({"anyOf": either})));
            } else {
                object.insert("anyOf".into(), either);
            }
        }
    }
    children(object, newer);
}

fn older(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    DROPPED.iter().for_each(|name| drop(object.remove(*name)));
    for name in ["allOf", "anyOf", "oneOf", "not", "default"] {
        object.remove(name);
    }
    let nullable = object.remove("nullable") == Some(Value::Bool(true));
    let open = is(object, "x-kubernetes-preserve-unknown-fields");
    if nullable || open {
        object.remove("items");
        object.remove("properties");
    }
    let bare = object.get("type").is_some_and(|ty| ty == "array") && !object.contains_key("items");
    if nullable || bare || open && object.get("type").is_some_and(|ty| ty == "object") {
        object.remove("type");
    }
    let can_be_null = |schema: &Value| schema.get("nullable") == Some(&Value::Bool(true));
    let nullables: Vec<String> = object
        .get("properties")
        .and_then(Value::as_object)
        .map(|all| all.iter().filter(|(_, p)| can_be_null(p)).map(|(name, _)| name.clone()).collect())
        .unwrap_or_default();
    let all = object.get("additionalProperties").is_some_and(can_be_null);
    if let Some(required) = object.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| !all && name.as_str().is_none_or(|name| !nullables.iter().any(|n| n == name)));
        if required.is_empty() {
            object.remove("required");
        }
    }
    children(object, older);
}

#[cfg(test)]
mod tests {
    use super::published;
    use crate::testing::props;
    use serde_json::json;

    #[test]
    fn documents_of_each_version_say_what_their_readers_understand() {
        let schema = props(json!({"type": "object", "required": ["n", "a"], "properties": {
            "n": {"type": "object", "nullable": true, "properties": {"x": {"type": "string"}}},
            "a": {"type": "string", "default": "x", "enum": ["x"], "anyOf": [{"pattern": "x"}]},
            "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                "properties": {"y": {"type": "string"}}},
            "either": {"x-kubernetes-int-or-string": true}}}));
        let v3 = published(&schema, false).expect("a schema");
        assert_eq!(
            v3,
            json!({"type": "object", "required": ["n", "a"], "properties": {
                "n": {"type": "object", "nullable": true, "properties": {"x": {"type": "string"}}},
                "a": {"type": "string", "default": "x", "enum": ["x"], "anyOf": [{"pattern": "x"}]},
                "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                    "properties": {"y": {"type": "string"}}},
                "either": {"x-kubernetes-int-or-string": true,
                    "anyOf": [{"type": "integer"}, {"type": "string"}]}}})
        );
        let v2 = published(&schema, true).expect("a schema");
        assert_eq!(
            v2,
            json!({"type": "object", "required": ["a"], "properties": {
                "n": {}, "a": {"type": "string", "enum": ["x"]},
                "open": {"x-kubernetes-preserve-unknown-fields": true},
                "either": {"x-kubernetes-int-or-string": true}}})
        );
        let open = props(json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}));
        assert_eq!(published(&open, true), None);
    }
}
