//! A definition as a whole: group, names, versions, subresources, columns, conversion.

use super::versions::{before, check_shared, check_versions, schema_of};
use super::{authority, field_path, openapi, rules, structural, suggested};
use corten_api::Raw;
use corten_api::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, CustomResourceDefinitionNames,
    CustomResourceDefinitionVersion, CustomResourceSubresourceScale, JSONSchemaProps, ValidationRule,
};
use corten_kinds::apiextensions::conversion;
use corten_kinds::names;
use corten_semantics::field::{FieldError, Mistake};

/// How many fields selectors may name.
const MOST_SELECTABLE: usize = 8;
const APPROVAL: &str = "api-approved.kubernetes.io";

/// What is wrong with a definition; `old` is what it was before an update.
pub fn check(crd: &CustomResourceDefinition, old: Option<&CustomResourceDefinition>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let spec = &crd.spec;
    let wanted = format!("{}.{}", spec.names.plural, spec.group);
    if old.is_none() && crd.metadata.name != wanted {
        let detail = "must be spec.names.plural+\".\"+spec.group";
        errors.push(FieldError::invalid("metadata.name", &crd.metadata.name, detail));
    }
    let group = names::dns_subdomain(&spec.group);
    if spec.group.is_empty() {
        errors.push(FieldError::required("spec.group", ""));
    } else if !group.is_empty() {
        errors.push(FieldError::invalid("spec.group", &spec.group, group.join(",")));
    } else if !spec.group.contains('.') {
        let detail = "should be a domain with at least one dot";
        errors.push(FieldError::invalid("spec.group", &spec.group, detail));
    }
    match spec.scope.as_str() {
        "Cluster" | "Namespaced" => {}
        "" => errors.push(FieldError::required("spec.scope", "")),
        other => errors.push(FieldError::not_supported("spec.scope", other, &["Cluster", "Namespaced"])),
    }
    check_versions(crd, old, &mut errors);
    for (field, value) in [
        ("plural", &spec.names.plural),
        ("singular", &spec.names.singular),
        ("kind", &spec.names.kind),
        ("listKind", &spec.names.list_kind),
    ] {
        if value.is_empty() {
            errors.push(FieldError::required(format!("spec.names.{field}"), ""));
        }
    }
    errors.extend(check_names(&spec.names, "spec.names"));
    check_shared(crd, old, &mut errors);
    if let Some(given) = &spec.conversion {
        let before = old.and_then(|old| old.spec.conversion.as_ref()?.webhook.as_ref());
        let versions = before.map(|w| &w.conversion_review_versions).filter(|v| !v.is_empty());
        let recognized = versions.is_none_or(|v| v.iter().any(|v| conversion::is_known(v)));
        errors.extend(conversion::validate(given, recognized));
    }
    if let Some(old) = old {
        errors.extend(authority::check(crd, old));
        check_immutable(crd, old, &mut errors);
    }
    check_stored(crd, &mut errors);
    check_approval(crd, old, &mut errors);
    if spec.preserve_unknown_fields && old.is_none_or(|old| !old.spec.preserve_unknown_fields) {
        let detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        errors.push(FieldError::invalid("spec.preserveUnknownFields", true, detail));
    }
    errors
}

fn check_immutable(
    new: &CustomResourceDefinition,
    old: &CustomResourceDefinition,
    errors: &mut Vec<FieldError>,
) {
    let mut same = |path: &str, new: &str, old: &str| {
        if new != old {
            errors.push(FieldError::invalid(path, new, "field is immutable"));
        }
    };
    let established = old.status.conditions.iter().any(|c| c.type_ == "Established" && c.status == "True");
    if established {
        same("spec.scope", &new.spec.scope, &old.spec.scope);
        same("spec.names.kind", &new.spec.names.kind, &old.spec.names.kind);
    }
    same("spec.group", &new.spec.group, &old.spec.group);
    same("spec.names.plural", &new.spec.names.plural, &old.spec.names.plural);
}

fn invalid_list(path: String, list: &[String], detail: String) -> FieldError {
    let shown: Vec<String> = list.iter().map(|v| format!("{v:?}")).collect();
    FieldError { path, mistake: Mistake::Invalid, value: format!("[{}]", shown.join(",")), detail }
}

/// Versions that were ever stored must stay.
fn check_stored(crd: &CustomResourceDefinition, errors: &mut Vec<FieldError>) {
    let (path, stored) = ("status.storedVersions", &crd.status.stored_versions);
    if stored.is_empty() {
        errors.push(invalid_list(path.into(), stored, "must have at least one stored version".into()));
        return;
    }
    for version in crd.spec.versions.iter().filter(|v| v.storage && !stored.contains(&v.name)) {
        let detail = format!("must have the storage version {}", version.name);
        errors.push(invalid_list(path.into(), stored, detail));
    }
    for (i, name) in stored.iter().enumerate() {
        if crd.spec.versions.iter().all(|v| v.name != *name) {
            let detail = format!(
                "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in {name} and removes {name} from status.storedVersions"
            );
            errors.push(FieldError::invalid(format!("{path}[{i}]"), name, detail));
        }
    }
}

#[derive(PartialEq)]
enum Approval {
    Missing,
    Bypassed,
    Approved,
    Invalid,
}

fn approval(crd: &CustomResourceDefinition) -> Approval {
    let told = crd.metadata.annotations.get(APPROVAL).map_or("", String::as_str);
    let is_url = told.split_once("://").is_some_and(|(s, rest)| !s.is_empty() && !rest.is_empty());
    match told {
        "" => Approval::Missing,
        told if told.starts_with("unapproved") => Approval::Bypassed,
        _ if is_url => Approval::Approved,
        _ => Approval::Invalid,
    }
}

/// Groups of the community need somebody's approval.
fn check_approval(
    crd: &CustomResourceDefinition,
    old: Option<&CustomResourceDefinition>,
    errors: &mut Vec<FieldError>,
) {
    let group = crd.spec.group.as_str();
    let protected =
        ["k8s.io", "kubernetes.io"].iter().any(|g| group == *g || group.ends_with(&format!(".{g}")));
    let state = approval(crd);
    if !protected || old.is_some_and(|old| approval(old) == state) {
        return;
    }
    let path = format!("metadata.annotations[{APPROVAL}]");
    const SEE: &str = "see https://github.com/kubernetes/enhancements/pull/1111";
    match state {
        Approval::Missing => {
            let detail = format!("protected groups must have approval annotation {APPROVAL:?}, {SEE}");
            errors.push(FieldError::required(path, detail));
        }
        Approval::Invalid => {
            let detail = format!(
                "protected groups must have approval annotation {APPROVAL:?} with either a URL or a reason starting with \"unapproved\", {SEE}"
            );
            errors.push(FieldError::invalid(path, &crd.metadata.annotations[APPROVAL], detail));
        }
        Approval::Bypassed | Approval::Approved => {}
    }
}

/// Names as they must be written; those of the status may be empty.
pub fn check_names(told: &CustomResourceDefinitionNames, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut label = |path: String, value: &str, mixed: bool| {
        let lower = if mixed { value.to_lowercase() } else { value.to_string() };
        let wrong = names::dns_1035_label(&lower);
        if !value.is_empty() && !wrong.is_empty() {
            let prefix = if mixed { "may have mixed case, but should otherwise match: " } else { "" };
            errors.push(FieldError::invalid(path, value, format!("{prefix}{}", wrong.join(","))));
        }
    };
    label(format!("{path}.plural"), &told.plural, false);
    label(format!("{path}.singular"), &told.singular, false);
    label(format!("{path}.kind"), &told.kind, true);
    label(format!("{path}.listKind"), &told.list_kind, true);
    for (field, list) in [("shortNames", &told.short_names), ("categories", &told.categories)] {
        list.iter().enumerate().for_each(|(i, name)| label(format!("{path}.{field}[{i}]"), name, false));
    }
    if !told.kind.is_empty() && told.kind == told.list_kind {
        let detail = "kind and listKind may not be the same";
        errors.push(FieldError::invalid(format!("{path}.listKind"), &told.list_kind, detail));
    }
    errors
}

/// Under a status subresource the root may restrict nothing but the fields below it.
fn check_root(path: &str, schema: &JSONSchemaProps, errors: &mut Vec<FieldError>) {
    const ALLOWED: &str = "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations]";
    if !schema.type_.is_empty() && schema.type_ != "object" {
        let detail = "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        errors.push(FieldError::invalid(format!("{path}.type"), &schema.type_, detail));
        return;
    }
    let more = schema.nullable
        || schema.default_.is_some()
        || !schema.enum_.is_empty()
        || schema.max_properties.is_some()
        || schema.min_properties.is_some()
        || !schema.all_of.is_empty()
        || !schema.any_of.is_empty()
        || !schema.one_of.is_empty()
        || schema.not.is_some()
        || schema.additional_properties.is_some()
        || schema.x_kubernetes_embedded_resource
        || schema.x_kubernetes_int_or_string
        || schema.x_kubernetes_map_type.is_some()
        || schema.x_kubernetes_list_type.is_some();
    if more {
        let mut encoded = Vec::new();
        corten_codec::json::encode_value(&mut encoded, corten_api::View::Struct(schema));
        errors.push(FieldError {
            path: path.into(),
            mistake: Mistake::Invalid,
            value: String::from_utf8_lossy(&encoded).into_owned(),
            detail: format!("only {ALLOWED} fields are allowed at the root of the schema if the status subresource is enabled"),
        });
    }
}

/// A rule as messages show it: upstream's internal form of it, in JSON as Go writes it.
pub(super) fn shown_rule(rule: &ValidationRule) -> String {
    let text = |text: &str| {
        let quoted = serde_json::Value::from(text).to_string();
        quoted.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
    };
    format!(
        "{{\"Rule\":{},\"Message\":{},\"MessageExpression\":{},\"Reason\":{},\"FieldPath\":{},\"OptionalOldSelf\":{}}}",
        text(&rule.rule),
        text(&rule.message),
        text(&rule.message_expression),
        rule.reason.as_deref().map_or("null".to_string(), text),
        text(&rule.field_path),
        rule.optional_old_self.map_or("null".to_string(), |is| is.to_string()),
    )
}

pub(super) fn check_schema(
    path: &str,
    schema: &JSONSchemaProps,
    status: bool,
    kept: bool,
    (old, lenient): (Option<&CustomResourceDefinition>, openapi::Leniency),
    errors: &mut Vec<FieldError>,
) {
    let before = errors.len();
    if status {
        check_root(path, schema, errors);
    }
    if schema.nullable {
        errors.push(FieldError::forbidden(format!("{path}.nullable"), "nullable cannot be true at the root"));
    }
    let unsupported = structural::unsupported(schema);
    let mut structural = unsupported.is_none();
    if structural {
        let mut wrong = structural::check(path, schema);
        if wrong.is_empty() {
            wrong = suggested::check(path, schema, pruned_before(old));
        }
        structural = wrong.is_empty();
        errors.extend(wrong);
    }
    let wrong = openapi::check(path, schema, lenient);
    let of_rules = if structural { rules::check(path, schema, &wrong, kept) } else { Vec::new() };
    errors.extend(wrong.into_iter().chain(of_rules));
    if let Some(why) = unsupported.filter(|_| errors.len() == before) {
        errors.push(FieldError::invalid(path, "", why));
    }
}

/// Whether an older definition had nothing in its defaults that its schemas do not know.
fn pruned_before(old: Option<&CustomResourceDefinition>) -> bool {
    let Some(old) = old else { return true };
    !openapi::any(old, |s| {
        let Some(default) = s.default_.as_ref().and_then(Raw::to_value) else { return false };
        let mut builder = crate::schema::Builder::default();
        let root = builder.add(s);
        let table = builder.finish();
        table.at(root).is_some_and(|root| crate::value::pruned(&default, root) != default)
    })
}

/// A path in dots alone.
fn simple_path(path: &str, text: &str, errors: &mut Vec<FieldError>) -> bool {
    if !text.starts_with('.') {
        errors.push(FieldError::invalid(path, text, "must be a simple json path starting with ."));
        return false;
    }
    true
}

pub(super) fn check_scale(path: &str, scale: &CustomResourceSubresourceScale, errors: &mut Vec<FieldError>) {
    for (field, text, below, why) in [
        ("specReplicasPath", &scale.spec_replicas_path, ".spec.", "should be a json path under .spec"),
        (
            "statusReplicasPath",
            &scale.status_replicas_path,
            ".status.",
            "should be a json path under .status",
        ),
    ] {
        let place = format!("{path}.scale.{field}");
        if text.is_empty() {
            errors.push(FieldError::required(place, ""));
        } else if simple_path(&place, text, errors) && !text.starts_with(below) {
            errors.push(FieldError::invalid(place, text, why));
        }
    }
    if let Some(text) = scale.label_selector_path.as_deref().filter(|t| !t.is_empty()) {
        let place = format!("{path}.scale.labelSelectorPath");
        let below = text.starts_with(".spec.") || text.starts_with(".status.");
        if simple_path(&place, text, errors) && !below {
            let why = "should be a json path under either .spec or .status";
            errors.push(FieldError::invalid(place, text, why));
        }
    }
}

pub(super) fn check_column(
    path: &str,
    column: &CustomResourceColumnDefinition,
    errors: &mut Vec<FieldError>,
) {
    const TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
    const FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
    if column.name.is_empty() {
        errors.push(FieldError::required(format!("{path}.name"), ""));
    }
    let types = format!("must be one of {}", TYPES.join(","));
    match column.type_.as_str() {
        "" => errors.push(FieldError::required(format!("{path}.type"), types)),
        other if !TYPES.contains(&other) => {
            errors.push(FieldError::invalid(format!("{path}.type"), other, types));
        }
        _ => {}
    }
    if !column.format.is_empty() && !FORMATS.contains(&column.format.as_str()) {
        let detail = format!("must be one of {}", FORMATS.join(","));
        errors.push(FieldError::invalid(format!("{path}.format"), &column.format, detail));
    }
    let place = format!("{path}.JSONPath");
    if column.json_path.is_empty() {
        errors.push(FieldError::required(place, ""));
    } else {
        simple_path(&place, &column.json_path, errors);
    }
}

pub(super) fn check_selectable(
    path: &str,
    version: &CustomResourceDefinitionVersion,
    old: Option<&CustomResourceDefinition>,
    errors: &mut Vec<FieldError>,
) {
    if version.selectable_fields.is_empty() {
        return;
    }
    let kept = before(version, old).is_some_and(|b| b.selectable_fields == version.selectable_fields);
    let Some(schema) = schema_of(version) else {
        let detail = "may only be set when `version.schema.openAPIV3Schema` is not included";
        errors.push(FieldError::invalid(path, "", detail));
        return;
    };
    let mut seen: Vec<Vec<String>> = Vec::new();
    for (n, field) in version.selectable_fields.iter().enumerate() {
        let place = format!("{path}[{n}].jsonPath");
        let text = &field.json_path;
        if text.is_empty() {
            errors.push(FieldError::required(place, ""));
            continue;
        }
        let (steps, found) = match field_path::resolve(text, schema, false) {
            Ok(found) => found,
            Err(why) => {
                errors.push(FieldError::invalid(place, text, format!("is an invalid path: {why}")));
                continue;
            }
        };
        if steps.first().is_some_and(|s| s == "metadata") {
            errors.push(FieldError::invalid(&place, text, "must not point to fields in metadata"));
        }
        if !matches!(found.type_.as_str(), "string" | "boolean" | "integer") {
            let detail = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
            errors.push(FieldError::invalid(&place, text, detail));
        }
        if seen.contains(&steps) {
            errors.push(FieldError::duplicate(place, text));
        } else {
            seen.push(steps);
        }
    }
    if seen.len() > MOST_SELECTABLE && !kept {
        errors.push(FieldError::too_many(path, seen.len(), MOST_SELECTABLE));
    }
}
