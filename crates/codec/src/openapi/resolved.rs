//! A kind's schema in one piece, for who wants to know the types of its fields.

use super::custom::Custom;
use super::definitions::{Definitions, Dialect};
use corten_api::Schema;
use serde_json::{Map, Value, json};

/// What types are made of; the rest is left out.
const KEYWORDS: [&str; 13] = [
    "type",
    "format",
    "required",
    "default",
    "enum",
    "maxItems",
    "maxLength",
    "maxProperties",
    "x-kubernetes-int-or-string",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-preserve-unknown-fields",
];

/// The schema of a built-in kind without references; what contains itself is an object of which no more is said.
pub fn resolved(schema: &'static Schema) -> Value {
    let mut definitions = Definitions::new(Dialect::V3);
    let root = definitions.of_struct(schema);
    resolve(&root, &definitions.into_map(), &mut Vec::new())
}

/// The same for a kind that a definition declares.
pub fn resolved_custom(custom: Custom) -> Value {
    let mut definitions = Definitions::new(Dialect::V3);
    let [name, _] = definitions.custom(custom);
    let all = definitions.into_map();
    all.get(&name).map_or(Value::Null, |root| resolve(root, &all, &mut Vec::new()))
}

/// What a schema refers to, itself or in `allOf`.
fn reference(schema: &Value) -> Option<&str> {
    let own = schema.get("$ref").and_then(Value::as_str);
    own.or_else(|| schema.get("allOf")?.as_array()?.iter().find_map(reference))
}

fn resolve<'a>(schema: &'a Value, all: &'a Map<String, Value>, within: &mut Vec<&'a str>) -> Value {
    let Some(reference) = reference(schema) else { return inner(schema, all, within) };
    let name = reference.rsplit('/').next().unwrap_or_default();
    let Some(found) = all.get(name) else { return Value::Null };
    if within.contains(&name) {
        return json!({"type": "object"});
    }
    within.push(name);
    let resolved = inner(found, all, within);
    within.pop();
    resolved
}

fn inner<'a>(schema: &'a Value, all: &'a Map<String, Value>, within: &mut Vec<&'a str>) -> Value {
    let mut made = Map::new();
    for keyword in KEYWORDS {
        if let Some(value) = schema.get(keyword) {
            made.insert(keyword.to_string(), value.clone());
        }
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(of) = schema.get(keyword).filter(|of| of.is_object()) {
            made.insert(keyword.to_string(), resolve(of, all, within));
        }
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let properties = properties.iter().map(|(name, of)| (name.clone(), resolve(of, all, within)));
        let properties: Map<String, Value> = properties.collect();
        made.insert("properties".to_string(), properties.into());
    }
    made.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::Kind;

    #[test]
    fn schemas_hold_all_that_they_refer_to() {
        let pod = resolved((corten_api::core::v1::Pod::INFO.schema)());
        let ports = &pod["properties"]["spec"]["properties"]["containers"]["items"]["properties"]["ports"];
        assert_eq!(ports["items"]["properties"]["containerPort"]["type"], "integer");
        assert_eq!(ports["x-kubernetes-list-type"], "map");
        assert!(!pod.to_string().contains("$ref"));
        // A schema of schemas ends.
        let definition = resolved((corten_api::apiextensions::v1::CustomResourceDefinition::INFO.schema)());
        assert_eq!(definition["type"], "object");
    }
}
