//! PersistentVolumeClaims.

use super::CORE;
use super::persistent_volume::access_modes;
use super::pod::defaults::{amounts, text};
use super::pod::warnings;
use crate::columns::{self, AGE, Column, NAME, row};
use crate::errors::Errors;
use crate::names;
use crate::reflection;
use crate::rules::Rules;
use crate::selectors;
use crate::strategy::KindStrategy;
use corten_api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeClaimStatus, TypedLocalObjectReference,
    TypedObjectReference,
};
use corten_semantics::field::FieldError;
use corten_semantics::storage_class::{CLASS_ANNOTATION, class_of};
use jiff::Timestamp;
use serde_json::Value;

/// PersistentVolumeClaims.
pub struct PersistentVolumeClaimStrategy;

impl KindStrategy for PersistentVolumeClaimStrategy {
    type Kind = PersistentVolumeClaim;
    const RULES: Rules = CORE;
    const COLUMNS: &'static [Column] = &[
        NAME,
        Column::text("Status"),
        Column::text("Volume"),
        Column::text("Capacity"),
        Column::text("Access Modes"),
        Column::text("StorageClass"),
        Column::text("VolumeAttributesClass"),
        AGE,
        Column::text("VolumeMode").wide(),
    ];

    fn default(&self, claim: &mut PersistentVolumeClaim) {
        default_claim(claim);
    }

    fn prepare_create(&self, claim: &mut PersistentVolumeClaim) {
        claim.status =
            PersistentVolumeClaimStatus { phase: "Pending".into(), ..PersistentVolumeClaimStatus::default() };
        drop_elsewhere(&mut claim.spec, None);
        drop_strange_source(&mut claim.spec);
        same_sources(&mut claim.spec);
    }

    fn prepare_update(&self, new: &mut PersistentVolumeClaim, old: &PersistentVolumeClaim) {
        new.status = old.status.clone();
        drop_elsewhere(&mut new.spec, Some(&old.spec));
        if old.spec.data_source.is_none() && old.spec.data_source_ref.is_none() {
            drop_strange_source(&mut new.spec);
        }
        same_sources(&mut new.spec);
    }

    fn validate(&self, claim: &PersistentVolumeClaim) -> Vec<FieldError> {
        let mut errors = Errors::default();
        claim_spec(&mut errors, &claim.spec, "spec");
        errors.into_vec()
    }

    fn validate_update(&self, new: &PersistentVolumeClaim, old: &PersistentVolumeClaim) -> Vec<FieldError> {
        let mut errors = Errors::default();
        claim_spec(&mut errors, &new.spec, "spec");
        claim_update(&mut errors, new, old);
        errors.into_vec()
    }

    fn validate_status_update(
        &self,
        new: &PersistentVolumeClaim,
        _old: &PersistentVolumeClaim,
    ) -> Vec<FieldError> {
        let mut errors = Errors::default();
        for (list, amounts) in
            [("capacity", &new.status.capacity), ("allocatedResources", &new.status.allocated_resources)]
        {
            for (name, amount) in amounts.iter().filter(|(_, a)| a.is_negative()) {
                let at = format!("status.{list}[{name}]");
                errors.invalid(at, amount.to_string(), crate::metadata::NOT_NEGATIVE);
            }
        }
        errors.into_vec()
    }

    fn warnings(&self, claim: &PersistentVolumeClaim, _: Option<&PersistentVolumeClaim>) -> Vec<String> {
        let mut told = Vec::new();
        if claim.metadata.annotations.contains_key(CLASS_ANNOTATION) {
            told.push(format!(
                "metadata.annotations[{CLASS_ANNOTATION}]: deprecated since v1.8; use \"storageClassName\" attribute instead"
            ));
        }
        told.extend(warnings::of_claim(&claim.spec, "spec"));
        told
    }

    fn row(&self, claim: &PersistentVolumeClaim, now: Timestamp) -> Vec<Value> {
        let (spec, status) = (&claim.spec, &claim.status);
        let bound = !spec.volume_name.is_empty();
        let capacity = status.capacity.get("storage").copied().unwrap_or_default();
        row![
            claim.metadata.name.as_str(),
            if claim.metadata.deletion_timestamp.is_some() { "Terminating" } else { status.phase.as_str() },
            spec.volume_name.as_str(),
            if bound { capacity.to_string() } else { String::new() },
            if bound { access_modes(&status.access_modes) } else { String::new() },
            class_of(&claim.metadata, spec.storage_class_name.as_deref()).unwrap_or_default(),
            spec.volume_attributes_class_name.as_deref().unwrap_or("<unset>"),
            columns::age(claim.metadata.creation_timestamp, now),
            spec.volume_mode.as_deref().unwrap_or("<unset>"),
        ]
    }
}

/// Defaults of a claim, also of the templates in a StatefulSet.
pub(crate) fn default_claim(claim: &mut PersistentVolumeClaim) {
    text(&mut claim.status.phase, "Pending");
    claim.spec.volume_mode.get_or_insert_with(|| "Filesystem".into());
    amounts(&mut claim.spec.resources.limits);
    amounts(&mut claim.spec.resources.requests);
    amounts(&mut claim.status.capacity);
    amounts(&mut claim.status.allocated_resources);
}

/// Mistakes of a claim's specification, also of the templates in pods and StatefulSets.
pub(crate) fn claim_spec(errors: &mut Errors, spec: &PersistentVolumeClaimSpec, path: &str) {
    let at = |field: &str| format!("{path}.{field}");
    if spec.access_modes.is_empty() {
        errors.required(at("accessModes"), "at least 1 access mode is required");
    }
    if let Some(selector) = &spec.selector {
        errors.extend(selectors::validate(selector, &at("selector")));
    }
    access_mode_names(errors, &spec.access_modes, &at("accessModes"));
    let storage = at("resources[storage]");
    match spec.resources.requests.get("storage") {
        None => errors.required(storage, ""),
        Some(size) if size.is_zero() || size.is_negative() => {
            errors.invalid(storage, size.to_string(), "must be greater than zero");
        }
        Some(_) => {}
    }
    for (name, class) in [
        ("storageClassName", &spec.storage_class_name),
        ("volumeAttributesClassName", &spec.volume_attributes_class_name),
    ] {
        let class = class.as_deref().unwrap_or_default();
        if !class.is_empty() {
            errors.format(&at(name), class, names::dns_subdomain);
        }
    }
    sources(errors, spec, path);
    if let Some(mode) = spec.volume_mode.as_deref() {
        errors.supported(at("volumeMode"), mode, &["Block", "Filesystem"]);
    }
}

/// What the volume is filled from.
fn sources(errors: &mut Errors, spec: &PersistentVolumeClaimSpec, path: &str) {
    let of = |errors: &mut Errors, field: &str, group: Option<&str>, kind: &str, name: &str| {
        let at = format!("{path}.{field}");
        if name.is_empty() {
            errors.required(format!("{at}.name"), "");
        }
        if kind.is_empty() {
            errors.required(format!("{at}.kind"), "");
        }
        let group = group.unwrap_or_default();
        if group.is_empty() && kind != "PersistentVolumeClaim" {
            let detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
            errors.invalid(&at, kind, detail);
        }
        if !group.is_empty() {
            errors.format(&format!("{at}.apiGroup"), group, names::dns_subdomain);
        }
    };
    if let Some(s) = &spec.data_source {
        of(errors, "dataSource", s.api_group.as_deref(), &s.kind, &s.name);
    }
    let Some(s) = &spec.data_source_ref else { return };
    of(errors, "dataSourceRef", s.api_group.as_deref(), &s.kind, &s.name);
    let elsewhere = s.namespace.as_deref().unwrap_or_default();
    if !elsewhere.is_empty() {
        errors.format(&format!("{path}.dataSourceRef.namespace"), elsewhere, names::dns_label);
    }
    let Some(other) = &spec.data_source else { return };
    let shown = crate::metadata::Shown(format!("\"{path}.dataSource\""));
    if !elsewhere.is_empty() {
        let detail = "may not be specified when dataSourceRef.namespace is specified";
        errors.invalid(path, shown, detail);
    } else if (&other.api_group, &other.kind, &other.name) != (&s.api_group, &s.kind, &s.name) {
        errors.invalid(path, shown, "must match dataSourceRef");
    }
}

/// Mistakes of a list of access modes.
pub(crate) fn access_mode_names(errors: &mut Errors, modes: &[String], path: &str) {
    let known = &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
    for mode in modes {
        errors.supported(path, mode, known);
    }
    let alone = modes.iter().any(|m| m == "ReadWriteOncePod");
    if alone && modes.iter().any(|m| m != "ReadWriteOncePod" && known.contains(&m.as_str())) {
        errors.forbidden(path, "may not use ReadWriteOncePod with other access modes");
    }
}

/// Only the size asked for, and the class, may change, and only of bound claims.
fn claim_update(errors: &mut Errors, new: &PersistentVolumeClaim, old: &PersistentVolumeClaim) {
    let (mut left, mut had) = (new.spec.clone(), old.spec.clone());
    if had.volume_name.is_empty() {
        had.volume_name.clone_from(&left.volume_name);
    }
    if had.storage_class_name.is_none() {
        left.storage_class_name = None;
    }
    let size = |spec: &PersistentVolumeClaimSpec| spec.resources.requests.get("storage").copied();
    if new.status.phase == "Bound" {
        if let Some(before) = size(&had) {
            left.resources.requests.insert("storage".into(), before);
        }
        left.volume_attributes_class_name.clone_from(&had.volume_attributes_class_name);
    }
    if !reflection::equal(&left, &had) {
        let detail = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n";
        errors.forbidden("spec", detail);
    }
    let have = old.status.capacity.get("storage").copied().unwrap_or_default();
    let asked = size(&new.spec).unwrap_or_default();
    if asked < size(&old.spec).unwrap_or_default() && asked <= have {
        errors.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity");
    }
    if new.spec.volume_mode != old.spec.volume_mode {
        let mode = new.spec.volume_mode.as_deref().unwrap_or_default();
        errors.invalid("volumeMode", mode, crate::metadata::IMMUTABLE);
    }
    let class = new.spec.volume_attributes_class_name.as_deref();
    let applied = old.status.current_volume_attributes_class_name.is_some();
    if applied && class != old.spec.volume_attributes_class_name.as_deref() {
        let to = match class {
            None => "nil",
            Some("") => "empty string",
            Some(_) => return,
        };
        let detail =
            format!("update to {to} is forbidden when status.currentVolumeAttributesClassName is not nil");
        errors.forbidden("spec.volumeAttributesClassName", detail);
    }
}

/// Sources in other namespaces wait for a gate that is shut: they are left out, unless they were there before.
fn drop_elsewhere(spec: &mut PersistentVolumeClaimSpec, old: Option<&PersistentVolumeClaimSpec>) {
    let source = spec.data_source_ref.as_deref();
    let elsewhere =
        source.and_then(|s| s.namespace.as_deref()).is_some_and(|namespace| !namespace.is_empty());
    if elsewhere && old.is_none_or(|old| old.data_source_ref.is_none()) {
        spec.data_source_ref = None;
    }
}

/// The older field names claims and snapshots alone; anything else is left out without a word, as it always was.
fn drop_strange_source(spec: &mut PersistentVolumeClaimSpec) {
    let known = |source: &TypedLocalObjectReference| match (source.kind.as_str(), source.api_group.as_deref())
    {
        ("PersistentVolumeClaim", group) => group.unwrap_or_default().is_empty(),
        ("VolumeSnapshot", group) => group == Some("snapshot.storage.k8s.io"),
        _ => false,
    };
    if spec.data_source_ref.is_none() && !spec.data_source.as_deref().is_some_and(known) {
        spec.data_source = None;
    }
}

/// `dataSource` and `dataSourceRef` say the same where only one is given.
fn same_sources(spec: &mut PersistentVolumeClaimSpec) {
    match (&spec.data_source, &spec.data_source_ref) {
        (Some(source), None) => {
            spec.data_source_ref = Some(Box::new(TypedObjectReference {
                api_group: source.api_group.clone(),
                kind: source.kind.clone(),
                name: source.name.clone(),
                namespace: None,
            }));
        }
        (None, Some(source)) if source.namespace.as_deref().unwrap_or_default().is_empty() => {
            spec.data_source = Some(Box::new(TypedLocalObjectReference {
                api_group: source.api_group.clone(),
                kind: source.kind.clone(),
                name: source.name.clone(),
            }));
        }
        _ => {}
    }
}
