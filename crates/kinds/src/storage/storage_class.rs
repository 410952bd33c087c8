//! StorageClasses and VolumeAttributesClasses.

use crate::columns::{self, AGE, Column, NAME, row};
use crate::metadata::{immutable, invalid_each};
use crate::names;
use crate::reflection;
use crate::strategy::KindStrategy;
use corten_api::storage::v1::{StorageClass, VolumeAttributesClass};
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;

/// StorageClasses.
pub struct StorageClassStrategy;

/// Marks the class of claims that name none.
const DEFAULT_CLASS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

impl KindStrategy for StorageClassStrategy {
    type Kind = StorageClass;
    const COLUMNS: &'static [Column] = &[
        NAME,
        Column::text("Provisioner"),
        Column::text("ReclaimPolicy"),
        Column::text("VolumeBindingMode"),
        Column::text("AllowVolumeExpansion"),
        AGE,
    ];

    fn default(&self, class: &mut StorageClass) {
        class.reclaim_policy.get_or_insert_with(|| "Delete".into());
        class.volume_binding_mode.get_or_insert_with(|| "Immediate".into());
    }

    fn validate(&self, class: &StorageClass) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if class.provisioner.is_empty() {
            errors.push(FieldError::required("provisioner", ""));
        } else {
            let lower = class.provisioner.to_lowercase();
            errors.extend(invalid_each("provisioner", &class.provisioner, names::qualified_name(&lower)));
        }
        if class.parameters.len() > 512 {
            errors.push(FieldError::too_long("parameters", 512));
        }
        for key in class.parameters.keys().filter(|k| k.is_empty()) {
            errors.push(FieldError::invalid("parameters", key, "field can not be empty."));
        }
        if class.parameters.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>() > 256 << 10 {
            errors.push(FieldError::too_long("parameters", 256 << 10));
        }
        for (i, term) in class.allowed_topologies.iter().enumerate() {
            let mut keys = BTreeSet::new();
            for (j, requirement) in term.match_label_expressions.iter().enumerate() {
                let at = format!("allowedTopologies[{i}].matchLabelExpressions[{j}]");
                if requirement.values.is_empty() {
                    errors.push(FieldError::required(format!("{at}.values"), ""));
                }
                let mut values = BTreeSet::new();
                for (v, value) in requirement.values.iter().enumerate().filter(|(_, v)| !values.insert(*v)) {
                    errors.push(FieldError::duplicate(format!("{at}.values[{v}]"), value));
                }
                let key = format!("{at}.key");
                errors.extend(invalid_each(&key, &requirement.key, names::qualified_name(&requirement.key)));
                if !keys.insert(&requirement.key) {
                    errors.push(FieldError::duplicate(key, &requirement.key));
                }
            }
        }
        if let Some(policy) = class.reclaim_policy.as_deref().filter(|p| !["Delete", "Retain"].contains(p)) {
            errors.push(FieldError::not_supported("reclaimPolicy", policy, &["Delete", "Retain"]));
        }
        let modes = &["Immediate", "WaitForFirstConsumer"];
        if let Some(mode) = class.volume_binding_mode.as_deref().filter(|m| !modes.contains(m)) {
            errors.push(FieldError::not_supported("volumeBindingMode", mode, modes));
        }
        errors
    }

    fn validate_update(&self, new: &StorageClass, old: &StorageClass) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if new.parameters != old.parameters {
            errors.push(FieldError::forbidden("parameters", "updates to parameters are forbidden."));
        }
        if new.provisioner != old.provisioner {
            errors.push(FieldError::forbidden("provisioner", "updates to provisioner are forbidden."));
        }
        if new.reclaim_policy != old.reclaim_policy {
            errors.push(FieldError::forbidden("reclaimPolicy", "updates to reclaimPolicy are forbidden."));
        }
        errors.extend(immutable(
            "volumeBindingMode",
            new.volume_binding_mode.as_deref().unwrap_or_default(),
            old.volume_binding_mode.as_deref().unwrap_or_default(),
        ));
        errors
    }

    fn row(&self, class: &StorageClass, now: Timestamp) -> Vec<Value> {
        let marks = &class.metadata.annotations;
        let is_default = DEFAULT_CLASS.iter().any(|k| marks.get(*k).is_some_and(|v| v == "true"));
        row![
            format!("{}{}", class.metadata.name, if is_default { " (default)" } else { "" }),
            class.provisioner.as_str(),
            class.reclaim_policy.as_deref().unwrap_or("Delete"),
            class.volume_binding_mode.as_deref().unwrap_or("Immediate"),
            class.allow_volume_expansion.unwrap_or(false),
            columns::age(class.metadata.creation_timestamp, now),
        ]
    }
}

/// VolumeAttributesClasses.
pub struct VolumeAttributesClassStrategy;

impl KindStrategy for VolumeAttributesClassStrategy {
    type Kind = VolumeAttributesClass;
    const COLUMNS: &'static [Column] = &[NAME, Column::text("DriverName"), AGE];

    fn validate(&self, class: &VolumeAttributesClass) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if class.driver_name.is_empty() {
            errors.push(FieldError::required("driverName", ""));
        }
        if class.parameters.is_empty() {
            errors.push(FieldError::required("parameters", "must contain at least one key/value pair"));
        }
        errors
    }

    fn validate_update(&self, new: &VolumeAttributesClass, old: &VolumeAttributesClass) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if new.driver_name != old.driver_name {
            errors.push(FieldError::forbidden("driverName", "updates to driverName are forbidden."));
        }
        if !reflection::equal(&new.parameters, &old.parameters) {
            errors.push(FieldError::forbidden("parameters", "updates to parameters are forbidden."));
        }
        errors
    }

    fn row(&self, class: &VolumeAttributesClass, now: Timestamp) -> Vec<Value> {
        row![
            class.metadata.name.as_str(),
            class.driver_name.as_str(),
            columns::age(class.metadata.creation_timestamp, now)
        ]
    }
}
