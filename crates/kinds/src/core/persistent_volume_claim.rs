//! PersistentVolumeClaims.

use super::CORE;
use super::persistent_volume::access_modes;
use super::pod::defaults::{amounts, text};
use crate::columns::{self, AGE, Column, NAME, row};
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeClaimStatus, TypedLocalObjectReference,
    TypedObjectReference,
};
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
        same_sources(&mut claim.spec);
    }

    fn prepare_update(&self, new: &mut PersistentVolumeClaim, old: &PersistentVolumeClaim) {
        new.status = old.status.clone();
        same_sources(&mut new.spec);
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
            spec.storage_class_name.as_deref().unwrap_or_default(),
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
