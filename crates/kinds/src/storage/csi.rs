//! CSIDrivers, CSINodes, CSIStorageCapacities and VolumeAttachments.

use super::csi_driver;
use crate::columns::{self, AGE, Column, NAME, or_none, row};
use crate::core::persistent_volume::default_spec;
use crate::errors::Errors;
use crate::metadata::{IMMUTABLE, shown};
use crate::names;
use crate::reflection;
use crate::rules::{Rules, StatusMetadata};
use crate::selectors;
use crate::strategy::KindStrategy;
use corten_api::storage::v1::{CSIDriver, CSINode, CSIStorageCapacity, VolumeAttachment};
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;

const RULES: Rules = Rules { unconditional_update: false, ..Rules::USUAL };

/// CSIDrivers.
pub struct CSIDriverStrategy;

impl KindStrategy for CSIDriverStrategy {
    type Kind = CSIDriver;
    const RULES: Rules = RULES;
    const COLUMNS: &'static [Column] = &[
        NAME,
        Column { type_: "boolean", ..Column::text("AttachRequired") },
        Column { type_: "boolean", ..Column::text("PodInfoOnMount") },
        Column { type_: "boolean", ..Column::text("StorageCapacity") },
        Column::text("TokenRequests"),
        Column { type_: "boolean", ..Column::text("RequiresRepublish") },
        Column::text("Modes"),
        AGE,
    ];

    fn default(&self, driver: &mut CSIDriver) {
        let spec = &mut driver.spec;
        spec.attach_required.get_or_insert(true);
        spec.pod_info_on_mount.get_or_insert(false);
        spec.storage_capacity.get_or_insert(false);
        spec.fs_group_policy.get_or_insert_with(|| "ReadWriteOnceWithFSType".into());
        if spec.volume_lifecycle_modes.is_empty() {
            spec.volume_lifecycle_modes.push("Persistent".into());
        }
        spec.requires_republish.get_or_insert(false);
        spec.se_linux_mount.get_or_insert(false);
    }

    fn prepare_update(&self, new: &mut CSIDriver, old: &CSIDriver) {
        if !reflection::equal(&new.spec, &old.spec) {
            new.metadata.generation = old.metadata.generation + 1;
        }
    }

    fn warnings(&self, new: &CSIDriver, old: Option<&CSIDriver>) -> Vec<String> {
        let requests = &new.spec.token_requests;
        let changed = old.is_none_or(|old| old.spec.token_requests != *requests);
        if requests.is_empty() || !changed || new.spec.service_account_token_in_secrets.is_some() {
            return Vec::new();
        }
        let told = "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes";
        vec![told.into()]
    }

    fn validate(&self, driver: &CSIDriver) -> Vec<FieldError> {
        let mut errors = Errors::default();
        // Also a name that fits elsewhere is too long for a driver.
        if driver.metadata.name.len() > 63 {
            errors.too_long("metadata.name", 63);
        }
        csi_driver::driver(&mut errors, &driver.spec);
        errors.into_vec()
    }

    fn validate_update(&self, new: &CSIDriver, old: &CSIDriver) -> Vec<FieldError> {
        let mut errors = Errors::default();
        csi_driver::driver(&mut errors, &new.spec);
        csi_driver::driver_update(&mut errors, &new.spec, &old.spec);
        errors.into_vec()
    }

    fn row(&self, driver: &CSIDriver, now: Timestamp) -> Vec<Value> {
        let spec = &driver.spec;
        let audiences: Vec<&str> = spec.token_requests.iter().map(|t| t.audience.as_str()).collect();
        row![
            driver.metadata.name.as_str(),
            spec.attach_required.unwrap_or(true),
            spec.pod_info_on_mount.unwrap_or(false),
            spec.storage_capacity.unwrap_or(false),
            if audiences.is_empty() { "<unset>".to_string() } else { audiences.join(",") },
            spec.requires_republish.unwrap_or(false),
            or_none(spec.volume_lifecycle_modes.join(",")),
            columns::age(driver.metadata.creation_timestamp, now),
        ]
    }
}

/// CSINodes.
pub struct CSINodeStrategy;

impl KindStrategy for CSINodeStrategy {
    type Kind = CSINode;
    const RULES: Rules = RULES;
    const COLUMNS: &'static [Column] = &[NAME, Column::number("Drivers"), AGE];

    fn validate(&self, node: &CSINode) -> Vec<FieldError> {
        let mut errors = Errors::default();
        csi_driver::node(&mut errors, &node.spec);
        errors.into_vec()
    }

    fn validate_update(&self, new: &CSINode, old: &CSINode) -> Vec<FieldError> {
        let mut errors = Errors::default();
        csi_driver::node(&mut errors, &new.spec);
        csi_driver::node_update(&mut errors, &new.spec, &old.spec);
        errors.into_vec()
    }

    fn row(&self, node: &CSINode, now: Timestamp) -> Vec<Value> {
        row![
            node.metadata.name.as_str(),
            node.spec.drivers.len(),
            columns::age(node.metadata.creation_timestamp, now)
        ]
    }
}

/// CSIStorageCapacities.
pub struct CSIStorageCapacityStrategy;

impl KindStrategy for CSIStorageCapacityStrategy {
    type Kind = CSIStorageCapacity;
    const RULES: Rules = RULES;
    const COLUMNS: &'static [Column] = &[NAME, Column::text("StorageClassName"), Column::text("Capacity")];

    fn validate(&self, capacity: &CSIStorageCapacity) -> Vec<FieldError> {
        let mut errors = Errors::default();
        if let Some(selector) = &capacity.node_topology {
            errors.extend(selectors::validate(selector, "nodeTopology"));
        }
        errors.format("storageClassName", &capacity.storage_class_name, names::dns_subdomain);
        for (name, amount) in
            [("capacity", &capacity.capacity), ("maximumVolumeSize", &capacity.maximum_volume_size)]
        {
            if let Some(amount) = amount.filter(|a| a.is_negative()) {
                errors.invalid(name, amount.to_string(), crate::metadata::NOT_NEGATIVE);
            }
        }
        errors.into_vec()
    }

    fn validate_update(&self, new: &CSIStorageCapacity, old: &CSIStorageCapacity) -> Vec<FieldError> {
        let mut errors = Errors::default();
        errors.extend(KindStrategy::validate(self, new));
        if !reflection::equal(&new.node_topology, &old.node_topology) {
            errors.invalid("nodeTopology", shown(&new.node_topology), IMMUTABLE);
        }
        if new.storage_class_name != old.storage_class_name {
            errors.invalid("storageClassName", &new.storage_class_name, IMMUTABLE);
        }
        errors.into_vec()
    }

    fn row(&self, capacity: &CSIStorageCapacity, _now: Timestamp) -> Vec<Value> {
        row![
            capacity.metadata.name.as_str(),
            capacity.storage_class_name.as_str(),
            capacity.capacity.map_or("<unset>".into(), |c| c.to_string()),
        ]
    }
}

/// VolumeAttachments.
pub struct VolumeAttachmentStrategy;

impl KindStrategy for VolumeAttachmentStrategy {
    type Kind = VolumeAttachment;
    const RULES: Rules = Rules { status_metadata: StatusMetadata::Kept, ..RULES };
    const COLUMNS: &'static [Column] = &[
        NAME,
        Column { format: "name", ..Column::text("Attacher") },
        Column::text("PV"),
        Column::text("Node"),
        Column { type_: "boolean", ..Column::text("Attached") },
        AGE,
    ];

    fn default(&self, attachment: &mut VolumeAttachment) {
        if let Some(spec) = &mut attachment.spec.source.inline_volume_spec {
            default_spec(spec);
        }
    }

    fn validate(&self, attachment: &VolumeAttachment) -> Vec<FieldError> {
        let mut errors = Errors::default();
        csi_driver::attachment(&mut errors, &attachment.spec);
        errors.into_vec()
    }

    fn validate_update(&self, new: &VolumeAttachment, old: &VolumeAttachment) -> Vec<FieldError> {
        let mut errors = Errors::default();
        errors.extend(KindStrategy::validate(self, new));
        if !reflection::equal(&new.spec, &old.spec) {
            errors.invalid("spec", shown(&new.spec), IMMUTABLE);
        }
        errors.into_vec()
    }

    fn row(&self, attachment: &VolumeAttachment, now: Timestamp) -> Vec<Value> {
        row![
            attachment.metadata.name.as_str(),
            attachment.spec.attacher.as_str(),
            attachment.spec.source.persistent_volume_name.as_deref().unwrap_or_default(),
            attachment.spec.node_name.as_str(),
            attachment.status.attached,
            columns::age(attachment.metadata.creation_timestamp, now),
        ]
    }
}
