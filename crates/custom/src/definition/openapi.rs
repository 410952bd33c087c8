//! What may stand in a schema, wherever it stands.

use super::field_path;
use super::structural::children;
use crate::schema::is_known_format;
use corten_api::apiextensions::v1::{CustomResourceDefinition, JSONSchemaProps, ValidationRule};
use corten_semantics::field::{FieldError, Mistake};

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
const META_FIELDS: [&str; 3] = ["metadata", "kind", "apiVersion"];

/// What older objects of a definition may keep, though it would be refused today.
#[derive(Clone, Copy, Debug)]
pub struct Leniency {
    pub types: bool,
    pub atomic_sets: bool,
    pub map_keys: bool,
}

/// Where a schema stands.
#[derive(Clone, Debug, Default)]
struct Place {
    /// Why no default may stand here.
    no_defaults: Option<String>,
    in_metadata: bool,
}

/// What is wrong with the schema at `path`, a version's root.
pub fn check(path: &str, schema: &JSONSchemaProps, lenient: Leniency) -> Vec<FieldError> {
    let mut errors = Vec::new();
    look(path, schema, &Place::default(), true, lenient, &mut errors);
    errors
}

fn look(
    path: &str,
    s: &JSONSchemaProps,
    place: &Place,
    root: bool,
    lenient: Leniency,
    errors: &mut Vec<FieldError>,
) {
    unsupported(path, s, place, lenient, errors);
    if let Some(additional) = &s.additional_properties {
        if !s.properties.is_empty() && (!additional.allows || additional.schema.is_some()) {
            let detail = "additionalProperties and properties are mutual exclusive";
            errors.push(FieldError::forbidden(format!("{path}.additionalProperties"), detail));
        }
        let mut below = place.clone();
        if place.in_metadata {
            below.no_defaults = Some("inside additionalProperties applying to object metadata".into());
        }
        if let Some(schema) = &additional.schema {
            look(&format!("{path}.additionalProperties"), schema, &below, false, lenient, errors);
        }
    }
    for (name, property) in &s.properties {
        let mut below = place.clone();
        if (root || s.x_kubernetes_embedded_resource) && META_FIELDS.contains(&name.as_str()) {
            below.in_metadata = true;
            if root {
                below.no_defaults = Some(format!("in top-level {name}"));
            }
        }
        look(&format!("{path}.properties[{name}]"), property, &below, false, lenient, errors);
    }
    let mut inner = |name: String, schema: &JSONSchemaProps| {
        look(&format!("{path}.{name}"), schema, place, false, lenient, errors);
    };
    if let Some(not) = &s.not {
        inner("not".into(), not);
    }
    for (name, list) in [("allOf", &s.all_of), ("oneOf", &s.one_of), ("anyOf", &s.any_of)] {
        list.iter().enumerate().for_each(|(n, schema)| inner(format!("{name}[{n}]"), schema));
    }
    for (name, schema) in &s.definitions {
        inner(format!("definitions[{name}]"), schema);
    }
    if let Some(items) = &s.items {
        if let Some(schema) = &items.schema {
            inner("items".into(), schema);
        }
        items.json_schemas.iter().enumerate().for_each(|(n, schema)| inner(format!("items[{n}]"), schema));
    }
    for (name, dependency) in &s.dependencies {
        if let Some(schema) = &dependency.schema {
            inner(format!("dependencies[{name}]"), schema);
        }
    }
    if s.x_kubernetes_preserve_unknown_fields == Some(false) {
        let place = format!("{path}.x-kubernetes-preserve-unknown-fields");
        errors.push(FieldError::invalid(place, false, "must be true or undefined"));
    }
    maps_and_lists(path, s, lenient, errors);
    for (n, rule) in s.x_kubernetes_validations.iter().enumerate() {
        check_rule(&format!("{path}.x-kubernetes-validations[{n}]"), s, rule, errors);
    }
}

fn unsupported(
    path: &str,
    s: &JSONSchemaProps,
    place: &Place,
    lenient: Leniency,
    errors: &mut Vec<FieldError>,
) {
    if !lenient.types && !s.type_.is_empty() && !TYPES.contains(&s.type_.as_str()) {
        errors.push(FieldError::not_supported(format!("{path}.type"), &s.type_, &TYPES));
    }
    if let Some(why) = place.no_defaults.as_ref().filter(|_| s.default_.is_some()) {
        errors.push(FieldError::forbidden(format!("{path}.default"), format!("must not be set {why}")));
    }
    for (has, field, detail) in [
        (!s.id.is_empty(), "id", "id is not supported"),
        (s.additional_items.is_some(), "additionalItems", "additionalItems is not supported"),
        (!s.pattern_properties.is_empty(), "patternProperties", "patternProperties is not supported"),
        (!s.definitions.is_empty(), "definitions", "definitions is not supported"),
        (!s.dependencies.is_empty(), "dependencies", "dependencies is not supported"),
        (s.ref_.is_some(), "$ref", "$ref is not supported"),
        (s.type_ == "null", "type", "type cannot be set to null, use nullable as an alternative"),
        (
            s.items.as_ref().is_some_and(|i| !i.json_schemas.is_empty()),
            "items",
            "items must be a schema object and not an array",
        ),
        (
            place.in_metadata && s.x_kubernetes_embedded_resource,
            "x-kubernetes-embedded-resource",
            "must not be used inside of resource meta",
        ),
        (
            s.unique_items,
            "uniqueItems",
            "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ),
    ] {
        if has {
            errors.push(FieldError::forbidden(format!("{path}.{field}"), detail));
        }
    }
}

/// `type` must be what an extension needs.
fn needs_type(path: &str, s: &JSONSchemaProps, wanted: &str, extension: &str, errors: &mut Vec<FieldError>) {
    let detail = format!("must be {wanted} if {extension} is specified");
    match s.type_.as_str() {
        "" => errors.push(FieldError::required(format!("{path}.type"), detail)),
        other if other != wanted => errors.push(FieldError::invalid(format!("{path}.type"), other, detail)),
        _ => {}
    }
}

fn maps_and_lists(path: &str, s: &JSONSchemaProps, lenient: Leniency, errors: &mut Vec<FieldError>) {
    let (map, list) = ("x-kubernetes-map-type", "x-kubernetes-list-type");
    if let Some(given) = s.x_kubernetes_map_type.as_deref() {
        needs_type(path, s, "object", map, errors);
        if !matches!(given, "atomic" | "granular") {
            errors.push(FieldError::not_supported(format!("{path}.{map}"), given, &["atomic", "granular"]));
        }
    }
    let items = s.items.as_ref().and_then(|i| i.schema.as_deref());
    let keys = &s.x_kubernetes_list_map_keys;
    let list_type = s.x_kubernetes_list_type.as_deref();
    if let Some(given) = list_type {
        if s.type_ != "array" {
            needs_type(path, s, "array", list, errors);
        } else if let Some(items) = items.filter(|_| given == "set" && !lenient.atomic_sets) {
            check_set(path, items, errors);
        }
        if !matches!(given, "atomic" | "set" | "map") {
            let known = ["atomic", "set", "map"];
            errors.push(FieldError::not_supported(format!("{path}.{list}"), given, &known));
        }
    }
    if !keys.is_empty() && list_type != Some("map") {
        let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
        errors.push(match list_type {
            None => FieldError::required(format!("{path}.{list}"), detail),
            Some(given) => FieldError::invalid(format!("{path}.{list}"), given, detail),
        });
    }
    if list_type == Some("map") {
        check_map(path, s, items, errors);
    }
    if !lenient.map_keys
        && let (Some(items), Some(given @ ("set" | "map"))) = (items, list_type)
    {
        check_items(path, items, given, keys, errors);
    }
}

fn check_set(path: &str, items: &JSONSchemaProps, errors: &mut Vec<FieldError>) {
    let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
    let shown = |given: &Option<String>| given.as_ref().map_or("null".to_string(), |g| format!("{g:?}"));
    let wrong = match items.type_.as_str() {
        "array" => items.x_kubernetes_list_type.as_deref().is_some_and(|t| t != "atomic"),
        "object" => items.x_kubernetes_map_type.as_deref() != Some("atomic"),
        _ => false,
    };
    if wrong {
        let field = if items.type_ == "array" { "list" } else { "map" };
        errors.push(FieldError {
            path: format!("{path}.items.x-kubernetes-{field}-type"),
            mistake: Mistake::Invalid,
            value: shown(&items.x_kubernetes_list_type),
            detail: detail.into(),
        });
    }
}

fn check_map(path: &str, s: &JSONSchemaProps, items: Option<&JSONSchemaProps>, errors: &mut Vec<FieldError>) {
    let keys = &s.x_kubernetes_list_map_keys;
    let keys_path = format!("{path}.x-kubernetes-list-map-keys");
    if keys.is_empty() {
        let detail = "must not be empty if x-kubernetes-list-type is map";
        errors.push(FieldError::required(&keys_path, detail));
    }
    if s.items.is_none() {
        let detail = "must have a schema if x-kubernetes-list-type is map";
        errors.push(FieldError::required(format!("{path}.items"), detail));
    }
    let Some(items) = items else { return };
    if items.type_ != "object" {
        let detail = "must be object if parent array's x-kubernetes-list-type is map";
        errors.push(FieldError::invalid(format!("{path}.items.type"), &items.type_, detail));
        return;
    }
    let shown = format!("[{}]", keys.iter().map(|k| format!("{k:?}")).collect::<Vec<_>>().join(","));
    let mut refuse = |detail: &str| {
        errors.push(FieldError {
            path: keys_path.clone(),
            mistake: Mistake::Invalid,
            value: shown.clone(),
            detail: detail.into(),
        });
    };
    let mut bad_types = Vec::new();
    for (n, key) in keys.iter().enumerate() {
        match items.properties.get(key) {
            None => refuse("entries must all be names of item properties"),
            Some(property) if matches!(property.type_.as_str(), "array" | "object") => bad_types.push(key),
            Some(_) => {}
        }
        if keys[..n].contains(key) {
            refuse("must not contain duplicate entries");
        }
    }
    for key in bad_types {
        let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
        let place = format!("{path}.items.properties[{key}].type");
        errors.push(FieldError::invalid(place, &items.type_, detail));
    }
}

/// Items of sets and maps must not be `null`, and keys must be there.
fn check_items(
    path: &str,
    items: &JSONSchemaProps,
    list: &str,
    keys: &[String],
    errors: &mut Vec<FieldError>,
) {
    if items.nullable {
        let detail = format!("cannot be nullable when x-kubernetes-list-type is {list}");
        errors.push(FieldError::forbidden(format!("{path}.items.nullable"), detail));
    }
    for key in keys.iter().filter(|_| list == "map") {
        let Some(property) = items.properties.get(key) else { continue };
        let place = format!("{path}.items.properties[{key}]");
        if !items.required.contains(key) && property.default_.is_none() {
            let detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            errors.push(FieldError::required(format!("{place}.default"), detail));
        }
        if property.nullable {
            let detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            errors.push(FieldError::forbidden(format!("{place}.nullable"), detail));
        }
    }
}

fn check_rule(path: &str, s: &JSONSchemaProps, rule: &ValidationRule, errors: &mut Vec<FieldError>) {
    let lines = |text: &str| text.contains(['\n', '\r']);
    let (text, message) = (rule.rule.trim(), rule.message.trim());
    if text.is_empty() {
        errors.push(FieldError::required(format!("{path}.rule"), "rule is not specified"));
    } else if !rule.message.is_empty() && message.is_empty() {
        let detail = "must be non-empty if specified";
        errors.push(FieldError::invalid(format!("{path}.message"), &rule.message, detail));
    } else if lines(message) {
        let detail = "must not contain line breaks";
        errors.push(FieldError::invalid(format!("{path}.message"), &rule.message, detail));
    } else if lines(text) && message.is_empty() {
        let detail = "message must be specified if rule contains line breaks";
        errors.push(FieldError::required(format!("{path}.message"), detail));
    }
    if !rule.message_expression.is_empty() && rule.message_expression.trim().is_empty() {
        let detail = "messageExpression must be non-empty if specified";
        errors.push(FieldError::required(format!("{path}.messageExpression"), detail));
    }
    const REASONS: [&str; 4] =
        ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
    if let Some(reason) = rule.reason.as_ref().filter(|r| !REASONS.contains(&r.as_str())) {
        errors.push(FieldError::not_supported(format!("{path}.reason"), reason, &REASONS));
    }
    let mut refuse = |detail: &str| {
        errors.push(FieldError::invalid(format!("{path}.fieldPath"), &rule.field_path, detail));
    };
    if !rule.field_path.is_empty() && rule.field_path.trim().is_empty() {
        refuse("must be non-empty if specified");
    }
    if lines(&rule.field_path) {
        refuse("must not contain line breaks");
    }
    if !rule.field_path.is_empty() && field_path::resolve(&rule.field_path, s, true).is_err() {
        refuse("must be a valid path");
    }
}

/// Whether any schema of a definition is as `is` says.
pub fn any(crd: &CustomResourceDefinition, is: fn(&JSONSchemaProps) -> bool) -> bool {
    fn below(s: &JSONSchemaProps, is: fn(&JSONSchemaProps) -> bool) -> bool {
        is(s) || children(s).any(|child| below(child, is))
    }
    let schemas = crd.spec.versions.iter().filter_map(|v| v.schema.as_ref()?.open_apiv3_schema.as_deref());
    schemas.into_iter().any(|s| below(s, is))
}

/// What an older definition may keep.
pub fn leniency(old: Option<&CustomResourceDefinition>) -> Leniency {
    let Some(old) = old else { return Leniency { types: false, atomic_sets: false, map_keys: false } };
    let atomic_sets = |s: &JSONSchemaProps| {
        let mut errors = Vec::new();
        if let Some(items) = s.items.as_ref().and_then(|i| i.schema.as_deref())
            && s.x_kubernetes_list_type.as_deref() == Some("set")
        {
            check_set("", items, &mut errors);
        }
        !errors.is_empty()
    };
    let map_keys = |s: &JSONSchemaProps| {
        let mut errors = Vec::new();
        if let (Some(items), Some(list @ ("set" | "map"))) =
            (s.items.as_ref().and_then(|i| i.schema.as_deref()), s.x_kubernetes_list_type.as_deref())
        {
            check_items("", items, list, &s.x_kubernetes_list_map_keys, &mut errors);
        }
        !errors.is_empty()
    };
    Leniency {
        types: any(old, |s| !s.type_.is_empty() && !TYPES.contains(&s.type_.as_str())),
        atomic_sets: any(old, atomic_sets),
        map_keys: any(old, map_keys),
    }
}

/// Formats of strings that nobody checks, in order.
pub fn unknown_formats(crd: &CustomResourceDefinition) -> Vec<String> {
    fn below(s: &JSONSchemaProps, found: &mut Vec<String>) {
        if s.type_ == "string"
            && !s.format.is_empty()
            && !is_known_format(&s.format)
            && !found.contains(&s.format)
        {
            found.push(s.format.clone());
        }
        children(s).for_each(|child| below(child, found));
    }
    let mut found = Vec::new();
    for version in &crd.spec.versions {
        if let Some(schema) = version.schema.as_ref().and_then(|s| s.open_apiv3_schema.as_deref()) {
            below(schema, &mut found);
        }
    }
    found.sort();
    found
}
