//! Validation of `metadata`, the same for all kinds (k8s.io/apimachinery `api/validation`).

use crate::names;
use crate::reflection;
use crate::rules::Rules;
use corten_api::Reflect;
use corten_api::meta::v1::{ManagedFieldsEntry, ObjectMeta, OwnerReference};
use corten_semantics::field::FieldError;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

/// The most bytes that keys and values of all annotations may have.
pub const MOST_ANNOTATIONS: usize = 256 << 10;
/// The detail of a changed field that may not change.
pub const IMMUTABLE: &str = "field is immutable";

/// Finalizers that need no domain.
const STANDARD_FINALIZERS: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];

/// Each message as an invalid value of the field.
pub(crate) fn invalid_each(
    path: &str,
    value: impl Debug,
    messages: Vec<String>,
) -> impl Iterator<Item = FieldError> {
    messages.into_iter().map(move |m| FieldError::invalid(path, &value, m))
}

/// Checks the metadata of a new object: the name as the kind wants it, then what is common.
pub fn validate(meta: &ObjectMeta, namespaced: bool, rules: &Rules) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if !meta.generate_name.is_empty() {
        let wrong = (rules.name)(&meta.generate_name, true);
        errors.extend(invalid_each("metadata.generateName", &meta.generate_name, wrong));
    }
    if meta.name.is_empty() {
        errors.push(FieldError::required("metadata.name", "name or generateName is required"));
    } else {
        errors.extend(invalid_each("metadata.name", &meta.name, (rules.name)(&meta.name, false)));
    }
    errors.extend(validate_parts(meta, namespaced));
    errors.extend(standard_finalizers(meta, rules));
    errors
}

/// Checks what holds for every object's metadata, whatever its kind wants of names.
pub fn validate_common(meta: &ObjectMeta, namespaced: bool) -> Vec<FieldError> {
    let rules = Rules { name: names::path_segment, ..Rules::ANY_FINALIZERS };
    validate(meta, namespaced, &rules)
}

fn validate_parts(meta: &ObjectMeta, namespaced: bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    match (namespaced, meta.namespace.is_empty()) {
        (true, true) => errors.push(FieldError::required("metadata.namespace", "")),
        (true, false) => {
            let wrong = names::dns_label(&meta.namespace);
            errors.extend(invalid_each("metadata.namespace", &meta.namespace, wrong));
        }
        (false, false) => {
            errors.push(FieldError::forbidden("metadata.namespace", "not allowed on this type"))
        }
        (false, true) => {}
    }
    if meta.generation < 0 {
        errors.push(FieldError::invalid("metadata.generation", meta.generation, NOT_NEGATIVE));
    }
    errors.extend(labels(&meta.labels, "metadata.labels"));
    errors.extend(annotations(&meta.annotations, "metadata.annotations"));
    errors.extend(owners(&meta.owner_references, "metadata.ownerReferences"));
    errors.extend(finalizers(&meta.finalizers, "metadata.finalizers"));
    errors.extend(managed_fields(&meta.managed_fields, "metadata.managedFields"));
    errors
}

/// The detail of a number below zero.
pub(crate) const NOT_NEGATIVE: &str = "must be greater than or equal to 0";

/// Checks keys and values of labels.
pub fn labels(labels: &BTreeMap<String, String>, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (key, value) in labels {
        errors.extend(invalid_each(path, key, names::qualified_name(key)));
        errors.extend(invalid_each(path, value, names::label_value(value)));
    }
    errors
}

/// Checks keys and total size of annotations.
pub fn annotations(annotations: &BTreeMap<String, String>, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for key in annotations.keys() {
        errors.extend(invalid_each(path, key, names::qualified_name(&key.to_lowercase())));
    }
    let size: usize = annotations.iter().map(|(k, v)| k.len() + v.len()).sum();
    if size > MOST_ANNOTATIONS {
        errors.push(FieldError::too_long(path, MOST_ANNOTATIONS));
    }
    errors
}

fn owners(owners: &[OwnerReference], path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut controller = String::new();
    for owner in owners {
        // What is no group and version has none.
        let version = match owner.api_version.matches('/').count() {
            0 | 1 => owner.api_version.rsplit('/').next().unwrap_or_default(),
            _ => "",
        };
        if version.is_empty() {
            let at = format!("{path}.apiVersion");
            errors.push(FieldError::invalid(at, &owner.api_version, "version must not be empty"));
        }
        for (name, value) in [("kind", &owner.kind), ("name", &owner.name), ("uid", &owner.uid)] {
            if value.is_empty() {
                errors.push(FieldError::invalid(format!("{path}.{name}"), value, "must not be empty"));
            }
        }
        if (owner.api_version.as_str(), owner.kind.as_str()) == ("v1", "Event") {
            let shown = Shown(owner_json(owner).to_string());
            let detail = "/v1, Kind=Event is disallowed from being an owner";
            errors.push(FieldError::invalid(path, shown, detail));
        }
        if owner.controller == Some(true) {
            let this = format!("{}/{}", owner.kind, owner.name);
            if controller.is_empty() {
                controller = this;
            } else {
                let list: Vec<_> = owners.iter().map(owner_json).collect();
                let shown = Shown(serde_json::Value::Array(list).to_string());
                let detail = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {controller} and {this}"
                );
                errors.push(FieldError::invalid(path, shown, detail));
            }
        }
    }
    errors
}

/// A value shown in a message as it is, without quotes.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shown(pub String);

impl Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value as JSON, for a message.
pub(crate) fn shown(value: &dyn Reflect) -> Shown {
    Shown(reflection::json(value).to_string())
}

/// A list of texts as JSON, for a message.
pub(crate) fn strings(list: &[String]) -> Shown {
    Shown(serde_json::Value::from(list).to_string())
}

fn owner_json(owner: &OwnerReference) -> serde_json::Value {
    let mut out = serde_json::Map::new();
    for (key, value) in [
        ("apiVersion", &owner.api_version),
        ("kind", &owner.kind),
        ("name", &owner.name),
        ("uid", &owner.uid),
    ] {
        out.insert(key.into(), value.as_str().into());
    }
    for (key, value) in [("controller", owner.controller), ("blockOwnerDeletion", owner.block_owner_deletion)]
    {
        if let Some(value) = value {
            out.insert(key.into(), value.into());
        }
    }
    out.into()
}

fn finalizers(list: &[String], path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for name in list {
        errors.extend(invalid_each(path, name, names::qualified_name(name)));
    }
    let has = |name: &str| list.iter().any(|f| f == name);
    if has("orphan") && has("foregroundDeletion") {
        let detail = "finalizer orphan and foregroundDeletion cannot be both set";
        errors.push(FieldError::invalid(path, list, detail));
    }
    errors
}

fn standard_finalizers(meta: &ObjectMeta, rules: &Rules) -> Vec<FieldError> {
    let strange = |f: &str| !f.contains('/') && !STANDARD_FINALIZERS.contains(&f);
    let list = meta.finalizers.iter().enumerate().filter(|(_, f)| rules.standard_finalizers && strange(f));
    list.map(|(i, f)| {
        let detail = "name is neither a standard finalizer name nor is it fully qualified";
        FieldError::invalid(format!("metadata.finalizers[{i}]"), f, detail)
    })
    .collect()
}

fn managed_fields(list: &[ManagedFieldsEntry], path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (i, entry) in list.iter().enumerate() {
        let at = |field: &str| format!("{path}[{i}].{field}");
        if entry.operation != "Apply" && entry.operation != "Update" {
            errors.push(FieldError::invalid(
                at("operation"),
                &entry.operation,
                "must be `Apply` or `Update`",
            ));
        }
        if !entry.fields_type.is_empty() && entry.fields_type != "FieldsV1" {
            errors.push(FieldError::invalid(at("fieldsType"), &entry.fields_type, "must be `FieldsV1`"));
        }
        errors.extend(field_manager(&entry.manager, &at("manager")));
        if entry.subresource.len() > 256 {
            errors.push(FieldError::too_long(at("subresource"), 256));
        }
    }
    errors
}

/// Checks the name of a field manager: at most 128 bytes, all printable.
pub fn field_manager(name: &str, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if name.len() > 128 {
        errors.push(FieldError::too_long(path, 128));
    }
    for (at, c) in name.char_indices().filter(|(_, c)| c.is_control()) {
        let detail = format!("invalid character U+{:04X} (at position {at})", c as u32);
        errors.push(FieldError::invalid(path, name, detail));
    }
    errors
}

/// Checks what an update does to the metadata.
pub fn validate_update(new: &ObjectMeta, old: &ObjectMeta, rules: &Rules) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if old.deletion_timestamp.is_some() {
        let had: BTreeSet<&String> = old.finalizers.iter().collect();
        let added: BTreeSet<&String> = new.finalizers.iter().filter(|f| !had.contains(f)).collect();
        if !added.is_empty() {
            let list: Vec<String> = added.iter().map(|f| format!("{f:?}")).collect();
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                list.join(", ")
            );
            errors.push(FieldError::forbidden("metadata.finalizers", detail));
        }
    }
    if new.resource_version.is_empty() {
        let detail = "must be specified for an update";
        errors.push(FieldError::invalid("metadata.resourceVersion", "", detail));
    }
    if new.generation < old.generation {
        let detail = "must not be decremented";
        errors.push(FieldError::invalid("metadata.generation", new.generation, detail));
    }
    for (path, new, old) in [
        ("metadata.name", &new.name, &old.name),
        ("metadata.namespace", &new.namespace, &old.namespace),
        ("metadata.uid", &new.uid, &old.uid),
    ] {
        errors.extend(immutable(path, new, old));
    }
    let shown = |t: Option<corten_api::Time>| t.map_or(Shown("null".into()), |t| Shown(format!("\"{t}\"")));
    for (path, new, old) in [
        ("metadata.creationTimestamp", new.creation_timestamp, old.creation_timestamp),
        ("metadata.deletionTimestamp", new.deletion_timestamp, old.deletion_timestamp),
    ] {
        if new != old {
            errors.push(FieldError::invalid(path, shown(new), IMMUTABLE));
        }
    }
    let seconds = |s: Option<i64>| Shown(s.map_or("null".into(), |s| s.to_string()));
    if new.deletion_grace_period_seconds != old.deletion_grace_period_seconds {
        let value = seconds(new.deletion_grace_period_seconds);
        errors.push(FieldError::invalid("metadata.deletionGracePeriodSeconds", value, IMMUTABLE));
    }
    errors.extend(standard_finalizers(new, rules));
    errors
}

/// An error when the values differ.
pub(crate) fn immutable<T: PartialEq + Debug + ?Sized>(path: &str, new: &T, old: &T) -> Option<FieldError> {
    (new != old).then(|| FieldError::invalid(path, new, IMMUTABLE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named() -> ObjectMeta {
        ObjectMeta { name: "web".into(), namespace: "default".into(), ..ObjectMeta::default() }
    }

    #[test]
    fn bad_metadata_is_told_as_upstream_tells_it() {
        type Change = fn(&mut ObjectMeta);
        let rows: &[(Change, &str)] = &[
            (|_| {}, ""),
            (|m| m.name.clear(), "metadata.name: Required value: name or generateName is required"),
            (|m| m.namespace.clear(), "metadata.namespace: Required value"),
            (
                |m| m.finalizers = vec!["nodomain".into()],
                "metadata.finalizers[0]: Invalid value: \"nodomain\": name is neither a standard finalizer name nor is it fully qualified",
            ),
            (
                |m| drop(m.labels.insert("/a".into(), "b".into())),
                "metadata.labels: Invalid value: \"/a\": prefix part must be non-empty",
            ),
            (
                |m| drop(m.annotations.insert("a".into(), "x".repeat(MOST_ANNOTATIONS))),
                "metadata.annotations: Too long: may not be more than 262144 bytes",
            ),
            (
                |m| {
                    m.owner_references.push(OwnerReference {
                        api_version: "v1".into(),
                        kind: "Pod".into(),
                        name: "p".into(),
                        ..OwnerReference::default()
                    })
                },
                "metadata.ownerReferences.uid: Invalid value: \"\": must not be empty",
            ),
        ];
        let rules = Rules::USUAL;
        for (change, want) in rows {
            let mut meta = named();
            change(&mut meta);
            let told: Vec<String> = validate(&meta, true, &rules).iter().map(ToString::to_string).collect();
            assert_eq!(told.join("; "), *want);
        }
    }

    #[test]
    fn a_dying_object_gets_no_new_finalizers() {
        let mut old = named();
        old.deletion_timestamp = Some(corten_api::Time::default());
        old.resource_version = "1".into();
        let mut new = old.clone();
        new.finalizers.push("a.b/c".into());
        let told = validate_update(&new, &old, &Rules::USUAL);
        assert_eq!(
            told[0].to_string(),
            "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"a.b/c\"}"
        );
    }
}
