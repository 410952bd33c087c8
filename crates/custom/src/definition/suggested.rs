//! Defaults in schemas: they must be what the schema itself would accept.

use crate::finding::invalid;
use crate::rules::{Change, Rules, evaluate};
use crate::schema::Builder;
use crate::value::{self, Old};
use corten_api::Raw;
use corten_api::apiextensions::v1::JSONSchemaProps;
use corten_semantics::field::FieldError;
use serde_json::{Value, json};

/// What is wrong with the defaults at and below `path`.
pub fn check(path: &str, schema: &JSONSchemaProps, pruned: bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut whole = Resource { schema, steps: Vec::new(), metadata: false };
    look(path, schema, pruned, &mut whole, &mut errors);
    errors
}

/// The resource that a default would be a part of: the whole object, or one within it.
struct Resource<'a> {
    schema: &'a JSONSchemaProps,
    /// The way from it; `None` into a list.
    steps: Vec<Option<&'a str>>,
    /// Whether the way leads through what all resources have.
    metadata: bool,
}

impl Resource<'_> {
    /// A resource with nothing but the default.
    fn with(&self, default: &Value) -> Value {
        let nested = self.steps.iter().rev().fold(default.clone(), |value, step| match step {
            Some(key) => json!({ *key: value }),
            None => json!([value]),
        });
        let mut whole = json!({"apiVersion": "validation/v1", "kind": "Validation"});
        if let (Value::Object(whole), Value::Object(nested)) = (&mut whole, nested) {
            whole.extend(nested);
        }
        whole
    }

    /// Why a default cannot be metadata.
    fn refuses(&self, default: &Value) -> Option<String> {
        let mut builder = Builder::default();
        let root =
            builder.add(&JSONSchemaProps { x_kubernetes_embedded_resource: true, ..self.schema.clone() });
        let table = builder.finish();
        let root = table.at(root)?;
        let mut whole = self.with(default);
        let errors = match value::coerce_default(&mut whole, root) {
            Err(error) => vec![error],
            Ok(()) => value::check_default(&whole, root),
        };
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        match texts.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            many => Some(format!("[{}]", many.join(", "))),
        }
    }
}

fn look<'a>(
    path: &str,
    schema: &'a JSONSchemaProps,
    pruned: bool,
    whole: &mut Resource<'a>,
    errors: &mut Vec<FieldError>,
) {
    if schema.x_kubernetes_embedded_resource && !std::ptr::eq(whole.schema, schema) {
        let mut whole = Resource { schema, steps: Vec::new(), metadata: false };
        return look(path, schema, pruned, &mut whole, errors);
    }
    if let Some(default) = schema.default_.as_ref().and_then(Raw::to_value) {
        check_one(&format!("{path}.default"), schema, &default, pruned, whole, errors);
    }
    if let Some(items) = schema.items.as_ref().and_then(|i| i.schema.as_deref()) {
        whole.steps.push(None);
        look(&format!("{path}.items"), items, pruned, whole, errors);
        whole.steps.pop();
    }
    for (name, property) in &schema.properties {
        let metadata = whole.metadata;
        whole.metadata |=
            whole.steps.is_empty() && matches!(name.as_str(), "apiVersion" | "kind" | "metadata");
        whole.steps.push(Some(name));
        look(&format!("{path}.properties[{name}]"), property, pruned, whole, errors);
        whole.steps.pop();
        whole.metadata = metadata;
    }
}

fn check_one(
    path: &str,
    schema: &JSONSchemaProps,
    default: &Value,
    pruned: bool,
    whole: &Resource<'_>,
    errors: &mut Vec<FieldError>,
) {
    let mut builder = Builder::default();
    let root = builder.add(schema);
    let table = builder.finish();
    let Some(root) = table.at(root) else { return };
    if whole.metadata {
        if let Some(why) = whole.refuses(default) {
            let detail = format!("must result in valid metadata: {why}");
            errors.push(invalid(path.to_string(), default, detail));
            return;
        }
    } else {
        if pruned && value::pruned(default, root) != *default {
            errors.push(invalid(path.to_string(), default, "must not have unknown fields"));
        }
        let mut coerced = default.clone();
        let wrong = match value::coerce_default(&mut coerced, root) {
            Err(error) => vec![error],
            Ok(()) => value::check_default(&coerced, root),
        };
        if !wrong.is_empty() {
            let below = |error: FieldError| FieldError { path: format!("{path}.{}", error.path), ..error };
            errors.extend(wrong.into_iter().map(below));
            return;
        }
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
