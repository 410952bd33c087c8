//! StorageClasses and VolumeAttributesClasses.

use crate::columns::{self, AGE, Column, NAME, row};
use crate::metadata::immutable;
use crate::reflection;
use crate::strategy::KindStrategy;
use corten_api::storage::v1::{StorageClass, VolumeAttributesClass};
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;

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
