//! Defaults in schemas: they must be what the schema itself would accept.

use crate::finding::invalid;
use crate::rules::{Change, Rules, evaluate};
use crate::schema::Builder;
use crate::value::{self, Old};
use corten_api::Raw;
use corten_api::apiextensions::v1::JSONSchemaProps;
use corten_semantics::field::FieldError;
use serde_json::Value;

/// What is wrong with the defaults at and below `path`.
pub fn check(path: &str, schema: &JSONSchemaProps, pruned: bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    look(path, schema, pruned, &mut errors);
    errors
}

fn look(path: &str, schema: &JSONSchemaProps, pruned: bool, errors: &mut Vec<FieldError>) {
    if let Some(default) = schema.default_.as_ref().and_then(Raw::to_value) {
        check_one(&format!("{path}.default"), schema, &default, pruned, errors);
    }
    if let Some(items) = schema.items.as_ref().and_then(|i| i.schema.as_deref()) {
        look(&format!("{path}.items"), items, pruned, errors);
    }
    for (name, property) in &schema.properties {
        look(&format!("{path}.properties[{name}]"), property, pruned, errors);
    }
}

fn check_one(
    path: &str,
    schema: &JSONSchemaProps,
    default: &Value,
    pruned: bool,
    errors: &mut Vec<FieldError>,
) {
    let mut builder = Builder::default();
    let root = builder.add(schema);
    let table = builder.finish();
    let Some(root) = table.at(root) else { return };
    if pruned && value::pruned(default, root) != *default {
        errors.push(invalid(path.to_string(), default, "must not have unknown fields"));
    }
    let mut coerced = default.clone();
    if let Err(mut error) = value::coerce_resources(&mut coerced, root, &mut Vec::new()) {
        error.path = format!("{path}.{}", error.path);
        errors.push(error);
        return;
    }
    let wrong = value::validate(path, default, Old::Unknown, root);
    let rules =
        if wrong.is_empty() { Rules::of(schema, schema.x_kubernetes_embedded_resource) } else { None };
    errors.extend(wrong);
    if let Some(rules) = rules {
        // It must do as a value that stays, and as one that is new.
        let mut found = evaluate(&rules, root, path, default, Change::kept(default)).errors;
        if found.is_empty() {
            found = evaluate(&rules, root, path, default, Change::NONE).errors;
        }
        errors.extend(found);
    }
}
