//! Resources within resources: their metadata is typed whatever the schema says.

use super::Path;
use crate::finding::{invalid, required};
use crate::schema::Ref;
use corten_api::View;
use corten_api::meta::v1::ObjectMeta;
use corten_codec::{Problems, json};
use corten_kinds::{Rules, metadata, names};
use corten_semantics::field::FieldError;
use serde_json::Value;

/// Puts embedded metadata into its typed form, without what it does not know; the paths of that go to
/// `unknown`.
///
/// # Errors
/// When a field is of the wrong type.
pub fn coerce_resources(
    value: &mut Value,
    schema: Ref<'_>,
    unknown: &mut Vec<String>,
) -> Result<(), FieldError> {
    let mut found = Vec::new();
    coerce(&Path::Root, value, schema, false, &mut found)?;
    found.sort();
    unknown.extend(found);
    Ok(())
}

/// The same for a default, which is a resource itself when its schema says so.
pub fn coerce_default(value: &mut Value, schema: Ref<'_>) -> Result<(), FieldError> {
    coerce(&Path::Root, value, schema, true, &mut Vec::new())
}

fn coerce(
    path: &Path<'_>,
    value: &mut Value,
    schema: Ref<'_>,
    typed: bool,
    unknown: &mut Vec<String>,
) -> Result<(), FieldError> {
    if !schema.has_resources() {
        return Ok(());
    }
    match value {
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                if typed && schema.is_resource() {
                    match key.as_str() {
                        "apiVersion" | "kind" if !value.is_string() => {
                            return Err(invalid(path.field(key).text(), value, "must be a string"));
                        }
                        "metadata" => coerce_metadata(&path.field(key), value, unknown)?,
                        _ => {}
                    }
                }
                let named = schema.property(key);
                let place = if named.is_some() { path.field(key) } else { path.key(key) };
                if let Some(child) = named.or_else(|| schema.child(key)) {
                    coerce(&place, value, child, true, unknown)?;
                }
            }
        }
        Value::Array(list) => {
            let Some(items) = schema.items() else { return Ok(()) };
            for (at, item) in list.iter_mut().enumerate() {
                coerce(&path.index(at), item, items, true, unknown)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn coerce_metadata(path: &Path<'_>, value: &mut Value, unknown: &mut Vec<String>) -> Result<(), FieldError> {
    let mut meta = ObjectMeta::default();
    let mut problems = Problems::strict();
    let text = value.to_string();
    if let Err(error) = json::decode_struct(text.as_bytes(), &mut meta, &mut problems) {
        return Err(invalid(path.text(), value, error.to_string()));
    }
    let named = problems.found().iter().filter_map(|p| p.strip_prefix("unknown field \"")?.strip_suffix('"'));
    unknown.extend(named.map(|field| format!("{}.{field}", path.text())));
    let mut encoded = Vec::new();
    json::encode_value(&mut encoded, View::Struct(&meta));
    *value = serde_json::from_slice(&encoded).unwrap_or_default();
    if meta.creation_timestamp.is_none()
        && let Value::Object(fields) = value
    {
        fields.remove("creationTimestamp");
    }
    Ok(())
}

/// What is wrong with embedded resources.
pub fn check_resources(value: &Value, schema: Ref<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    check(&Path::Root, value, schema, true, &mut errors);
    errors
}

/// The same for a default, which is a resource itself when its schema says so.
pub fn check_default(value: &Value, schema: Ref<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    check(&Path::Root, value, schema, false, &mut errors);
    errors
}

fn check(path: &Path<'_>, value: &Value, schema: Ref<'_>, root: bool, errors: &mut Vec<FieldError>) {
    if !schema.has_resources() {
        return;
    }
    match value {
        Value::Object(fields) => {
            if schema.is_resource() && !root {
                check_resource(path, fields, errors);
            }
            for (key, value) in fields {
                let named = schema.property(key);
                let place = if named.is_some() { path.field(key) } else { path.key(key) };
                if let Some(child) = named.or_else(|| schema.child(key)) {
                    check(&place, value, child, false, errors);
                }
            }
        }
        Value::Array(list) => {
            let Some(items) = schema.items() else { return };
            for (at, item) in list.iter().enumerate() {
                check(&path.index(at), item, items, false, errors);
            }
        }
        _ => {}
    }
}

fn check_resource(path: &Path<'_>, fields: &serde_json::Map<String, Value>, errors: &mut Vec<FieldError>) {
    for name in ["apiVersion", "kind"] {
        let place = path.field(name);
        match fields.get(name) {
            None => errors.push(required(&place, "")),
            Some(Value::String(text)) if text.is_empty() => {
                errors.push(FieldError::invalid(place.text(), text, "must not be empty"));
            }
            Some(Value::String(text)) if name == "apiVersion" && text.matches('/').count() > 1 => {
                let detail = format!("unexpected GroupVersion string: {text}");
                errors.push(FieldError::invalid(place.text(), text, detail));
            }
            Some(Value::String(text)) => {
                let wrong =
                    if name == "kind" { names::dns_1035_label(&text.to_lowercase()) } else { Vec::new() };
                if !wrong.is_empty() {
                    let detail =
                        format!("may have mixed case, but should otherwise match: {}", wrong.join(","));
                    errors.push(FieldError::invalid(place.text(), text, detail));
                }
            }
            Some(other) => errors.push(invalid(place.text(), other, "must be a string")),
        }
    }
    let Some(value) = fields.get("metadata") else { return };
    let place = path.field("metadata");
    let mut meta = ObjectMeta::default();
    if let Err(error) = json::decode_struct(value.to_string().as_bytes(), &mut meta, &mut Problems::ignore())
    {
        errors.push(invalid(place.text(), value, error.to_string()));
        return;
    }
    if meta.name.is_empty() {
        meta.name = "fakename".into();
    }
    let rules = Rules { name: names::path_segment, ..Rules::ANY_FINALIZERS };
    let base = place.text();
    for mut error in metadata::validate(&meta, !meta.namespace.is_empty(), &rules) {
        error.path = format!("{base}{}", error.path.trim_start_matches("metadata"));
        errors.push(error);
    }
}
