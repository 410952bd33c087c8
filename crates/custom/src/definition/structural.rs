//! What makes a schema structural: every field has a type, said once and outside of value validations, so
//! that objects can be pruned and defaulted.

use crate::value::check_pattern;
use corten_api::apiextensions::v1::JSONSchemaProps;
use corten_semantics::field::FieldError;

#[derive(Clone, Copy, PartialEq)]
enum Level {
    Root,
    Item,
    Field,
}

/// What keeps the schema at `path` from being structural, in the order of the messages.
pub fn check(path: &str, schema: &JSONSchemaProps) -> Vec<FieldError> {
    let mut errors = Vec::new();
    invariants(path, schema, Level::Root, &mut errors);
    for (place, nested) in compositions(path, schema) {
        complete(&place, nested, path, Some(schema), &mut errors);
    }
    errors.sort_by_cached_key(ToString::to_string);
    errors
}

/// Fields that no schema of a definition may have.
pub fn unsupported(schema: &JSONSchemaProps) -> Option<String> {
    let own = [
        ("id", !schema.id.is_empty()),
        ("schema", !schema.schema.is_empty()),
        ("$ref", schema.ref_.as_ref().is_some_and(|r| !r.is_empty())),
        ("patternProperties", !schema.pattern_properties.is_empty()),
        ("dependencies", !schema.dependencies.is_empty()),
        ("additionalItems", schema.additional_items.is_some()),
        ("definitions", !schema.definitions.is_empty()),
    ];
    if let Some((name, _)) = own.iter().find(|(_, has)| *has) {
        return Some(format!("OpenAPIV3Schema '{name}' is not supported"));
    }
    if schema.x_kubernetes_preserve_unknown_fields == Some(false) {
        return Some(
            "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined".to_string(),
        );
    }
    if schema.items.as_ref().is_some_and(|i| !i.json_schemas.is_empty()) {
        return Some("OpenAPIV3Schema 'items' must be a schema, but is an array".to_string());
    }
    children(schema).find_map(unsupported)
}

/// Every schema directly within a schema.
pub fn children(schema: &JSONSchemaProps) -> impl Iterator<Item = &JSONSchemaProps> {
    let items = schema.items.as_deref().into_iter();
    let items = items.flat_map(|i| i.schema.as_deref().into_iter().chain(&i.json_schemas));
    let additional = schema.additional_properties.as_deref().and_then(|a| a.schema.as_deref());
    items
        .chain(schema.properties.values())
        .chain(additional)
        .chain(schema.all_of.iter().chain(&schema.any_of).chain(&schema.one_of))
        .chain(schema.not.as_deref())
}

fn invariants(path: &str, s: &JSONSchemaProps, level: Level, errors: &mut Vec<FieldError>) {
    let at = |field: &str| format!("{path}.{field}");
    let items = s.items.as_ref().and_then(|i| i.schema.as_deref());
    if s.type_ == "array" && items.is_none() {
        errors.push(FieldError::required(at("items"), "must be specified"));
    }
    if let Some(items) = items {
        invariants(&at("items"), items, Level::Item, errors);
    }
    for (name, property) in &s.properties {
        invariants(&format!("{path}.properties[{name}]"), property, Level::Field, errors);
    }
    if let Some(additional) = &s.additional_properties {
        if level == Level::Root {
            errors.push(FieldError::forbidden(at("additionalProperties"), "must not be used at the root"));
        }
        if let Some(schema) = &additional.schema {
            invariants(&at("additionalProperties"), schema, Level::Field, errors);
        }
    }
    let preserves = s.x_kubernetes_preserve_unknown_fields == Some(true);
    for (has, field) in [
        (preserves, "x-kubernetes-preserve-unknown-fields"),
        (s.x_kubernetes_embedded_resource, "x-kubernetes-embedded-resource"),
    ] {
        if s.x_kubernetes_int_or_string && has {
            let detail = "must be false if x-kubernetes-int-or-string is true";
            errors.push(FieldError::invalid(at(field), true, detail));
        }
    }
    let (any, all) =
        (is_int_or_string(&s.any_of), s.all_of.first().is_some_and(|f| is_int_or_string(&f.any_of)));
    value_validation(path, s, any, all, errors);
    types(path, s, level, preserves, errors);
    metadata(path, s, level, errors);
    if s.x_kubernetes_embedded_resource && !preserves && s.properties.is_empty() {
        let detail = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        errors.push(FieldError::required(at("properties"), detail));
    }
}

fn types(path: &str, s: &JSONSchemaProps, level: Level, preserves: bool, errors: &mut Vec<FieldError>) {
    let at = |field: &str| format!("{path}.{field}");
    if s.x_kubernetes_embedded_resource && s.type_ != "object" {
        let detail = "must be object if x-kubernetes-embedded-resource is true";
        errors.push(match s.type_.as_str() {
            "" => FieldError::required(at("type"), detail),
            other => FieldError::invalid(at("type"), other, detail),
        });
    } else if s.type_.is_empty() && !s.x_kubernetes_int_or_string && !preserves {
        let detail = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        errors.push(FieldError::required(at("type"), detail));
    }
    if s.x_kubernetes_embedded_resource && s.additional_properties.is_some() {
        let detail = "must not be used if x-kubernetes-embedded-resource is set";
        errors.push(FieldError::forbidden(at("additionalProperties"), detail));
    }
    if level == Level::Root && !s.type_.is_empty() && s.type_ != "object" {
        errors.push(FieldError::invalid(at("type"), &s.type_, "must be object at the root"));
    }
}

/// A resource's own fields may be restricted only in part.
fn metadata(path: &str, s: &JSONSchemaProps, level: Level, errors: &mut Vec<FieldError>) {
    let of_resource = level == Level::Root || s.x_kubernetes_embedded_resource;
    for name in ["kind", "apiVersion"] {
        if let Some(field) = s.properties.get(name).filter(|f| of_resource && f.type_ != "string") {
            let place = format!("{path}.properties[{name}].type");
            errors.push(FieldError::invalid(place, &field.type_, "must be string"));
        }
    }
    let Some(metadata) = s.properties.get("metadata") else { return };
    let place = format!("{path}.properties[metadata]");
    if of_resource && metadata.type_ != "object" {
        errors.push(FieldError::invalid(format!("{place}.type"), &metadata.type_, "must be object"));
    }
    if level == Level::Root {
        let mut rest = metadata.clone();
        if rest.properties.keys().all(|name| matches!(name.as_str(), "name" | "generateName")) {
            rest.properties.clear();
        }
        rest.type_.clear();
        rest.default_ = None;
        rest.external_docs = None;
        rest.example = None;
        if rest != JSONSchemaProps::default() {
            let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
            errors.push(FieldError::forbidden(place, detail));
        }
    }
}

/// The one composition in which types may stand: integer or string.
fn is_int_or_string(list: &[JSONSchemaProps]) -> bool {
    let only = |s: &JSONSchemaProps, type_: &str| {
        s.type_ == type_
            && JSONSchemaProps { type_: String::new(), ..s.clone() } == JSONSchemaProps::default()
    };
    matches!(list, [first, second] if only(first, "integer") && only(second, "string"))
}

/// The schemas in value validations, with their places.
fn compositions<'a>(
    path: &str,
    s: &'a JSONSchemaProps,
) -> impl Iterator<Item = (String, &'a JSONSchemaProps)> {
    let listed = [("allOf", &s.all_of), ("anyOf", &s.any_of), ("oneOf", &s.one_of)];
    let mut all: Vec<(String, &JSONSchemaProps)> = Vec::new();
    all.extend(s.not.as_deref().map(|not| (format!("{path}.not"), not)));
    for (name, list) in listed {
        all.extend(list.iter().enumerate().map(|(n, s)| (format!("{path}.{name}[{n}]"), s)));
    }
    all.into_iter()
}

fn value_validation(
    path: &str,
    s: &JSONSchemaProps,
    skip_any: bool,
    skip_first_any: bool,
    errors: &mut Vec<FieldError>,
) {
    for (n, any) in s.any_of.iter().enumerate().filter(|_| !skip_any) {
        nested(&format!("{path}.anyOf[{n}]"), any, false, errors);
    }
    for (n, all) in s.all_of.iter().enumerate() {
        nested(&format!("{path}.allOf[{n}]"), all, skip_first_any && n == 0, errors);
    }
    for (n, one) in s.one_of.iter().enumerate() {
        nested(&format!("{path}.oneOf[{n}]"), one, false, errors);
    }
    if let Some(not) = &s.not {
        nested(&format!("{path}.not"), not, false, errors);
    }
    if !s.pattern.is_empty()
        && let Err(why) = check_pattern(&s.pattern)
    {
        let detail = format!("must be a valid regular expression, but isn't: {why}");
        errors.push(FieldError::invalid(format!("{path}.pattern"), &s.pattern, detail));
    }
}

fn nested(path: &str, s: &JSONSchemaProps, skip_any: bool, errors: &mut Vec<FieldError>) {
    value_validation(path, s, skip_any, false, errors);
    if let Some(items) = s.items.as_ref().and_then(|i| i.schema.as_deref()) {
        nested(&format!("{path}.items"), items, false, errors);
    }
    for (name, property) in &s.properties {
        nested(&format!("{path}.properties[{name}]"), property, false, errors);
    }
    let additional = s.additional_properties.as_ref().is_some_and(|a| a.schema.is_some() || a.allows);
    for (has, field, what) in [
        (!s.type_.is_empty(), "type", "empty"),
        (additional, "additionalProperties", "undefined"),
        (s.default_.is_some(), "default", "undefined"),
        (!s.title.is_empty(), "title", "empty"),
        (!s.description.is_empty(), "description", "empty"),
        (s.nullable, "nullable", "false"),
        (
            s.x_kubernetes_preserve_unknown_fields == Some(true),
            "x-kubernetes-preserve-unknown-fields",
            "false",
        ),
        (s.x_kubernetes_embedded_resource, "x-kubernetes-embedded-resource", "false"),
        (s.x_kubernetes_int_or_string, "x-kubernetes-int-or-string", "false"),
        (!s.x_kubernetes_list_map_keys.is_empty(), "x-kubernetes-list-map-keys", "empty"),
        (s.x_kubernetes_list_type.is_some(), "x-kubernetes-list-type", "undefined"),
        (s.x_kubernetes_map_type.is_some(), "x-kubernetes-map-type", "undefined"),
        (!s.x_kubernetes_validations.is_empty(), "x-kubernetes-validations", "empty"),
    ] {
        if has {
            let detail = format!("must be {what} to be structural");
            errors.push(FieldError::forbidden(format!("{path}.{field}"), detail));
        }
    }
    if s.properties.contains_key("metadata") {
        let place = format!("{path}.properties[metadata]");
        errors.push(FieldError::forbidden(place, "must not be specified in a nested context"));
    }
}

/// Whether all that a value validation speaks of is specified outside of it.
fn complete(
    place: &str,
    v: &JSONSchemaProps,
    spath: &str,
    s: Option<&JSONSchemaProps>,
    errors: &mut Vec<FieldError>,
) {
    let Some(s) = s else {
        errors.push(FieldError::required(spath, format!("because it is defined in {place}")));
        return;
    };
    for (inner, nested) in compositions(place, v) {
        complete(&inner, nested, spath, Some(s), errors);
    }
    if let Some(items) = v.items.as_ref().and_then(|i| i.schema.as_deref()) {
        let structural = s.items.as_ref().and_then(|i| i.schema.as_deref());
        complete(&format!("{place}.items"), items, &format!("{spath}.items"), structural, errors);
    }
    for (name, property) in &v.properties {
        let (place, spath) = (format!("{place}.properties[{name}]"), format!("{spath}.properties[{name}]"));
        complete(&place, property, &spath, s.properties.get(name), errors);
    }
}
