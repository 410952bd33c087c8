//! Custom objects as JSON values, and back.

use corten_api::{DynamicObject, Raw, View};
use corten_codec::json;
use serde_json::{Map, Value};

/// The fields beside metadata, kind and version.
pub fn content(object: &DynamicObject) -> Map<String, Value> {
    let value = |raw: &Raw| raw.to_value().unwrap_or_default();
    object.content.iter().map(|(name, raw)| (name.clone(), value(raw))).collect()
}

/// Takes fields over; those that are equal keep their text.
pub fn set_content(object: &mut DynamicObject, fields: Map<String, Value>) {
    object.content.retain(|name, _| fields.contains_key(name));
    for (name, value) in fields {
        let known = object.content.get(&name).is_some_and(|raw| raw.to_value().as_ref() == Some(&value));
        if !known {
            object.content.insert(name, Raw::from_value(&value));
        }
    }
}

/// The whole object, as clients see it.
pub fn to_value(object: &DynamicObject) -> Value {
    let info = corten_api::Object::info(object);
    let mut encoded = Vec::new();
    json::encode_value(&mut encoded, View::Struct(&object.metadata));
    let mut fields = content(object);
    fields.insert("apiVersion".into(), info.api_version().into());
    fields.insert("kind".into(), info.kind.into());
    fields.insert("metadata".into(), serde_json::from_slice(&encoded).unwrap_or_default());
    Value::Object(fields)
}
