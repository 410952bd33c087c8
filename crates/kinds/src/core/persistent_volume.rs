//! PersistentVolumes.

use super::CORE;
use super::pod::defaults::{amounts, text};
use crate::columns::{self, AGE, Column, NAME, row};
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::core::v1::{PersistentVolume, PersistentVolumeStatus};
use jiff::Timestamp;
use serde_json::Value;

/// PersistentVolumes.
pub struct PersistentVolumeStrategy;

impl KindStrategy for PersistentVolumeStrategy {
    type Kind = PersistentVolume;
    const RULES: Rules = CORE;
    const COLUMNS: &'static [Column] = &[
        NAME,
        Column::text("Capacity"),
        Column::text("Access Modes"),
        Column::text("Reclaim Policy"),
        Column::text("Status"),
        Column::text("Claim"),
        Column::text("StorageClass"),
        Column::text("VolumeAttributesClass"),
        Column::text("Reason"),
        AGE,
        Column::text("VolumeMode").wide(),
    ];

    fn default(&self, pv: &mut PersistentVolume) {
        text(&mut pv.status.phase, "Pending");
        let spec = &mut pv.spec;
        text(&mut spec.persistent_volume_reclaim_policy, "Retain");
        spec.volume_mode.get_or_insert_with(|| "Filesystem".into());
        amounts(&mut spec.capacity);
        let source = &mut spec.persistent_volume_source;
        if let Some(path) = &mut source.host_path {
            path.type_.get_or_insert_default();
        }
        if let Some(iscsi) = &mut source.iscsi {
            text(&mut iscsi.iscsi_interface, "default");
        }
        if let Some(rbd) = &mut source.rbd {
            text(&mut rbd.pool, "rbd");
            text(&mut rbd.user, "admin");
            text(&mut rbd.keyring, "/etc/ceph/keyring");
        }
    }

    fn prepare_create(&self, pv: &mut PersistentVolume) {
        pv.status = PersistentVolumeStatus {
            phase: "Pending".into(),
            last_phase_transition_time: pv.metadata.creation_timestamp,
            ..PersistentVolumeStatus::default()
        };
    }

    fn row(&self, pv: &PersistentVolume, now: Timestamp) -> Vec<Value> {
        let spec = &pv.spec;
        let dying = pv.metadata.deletion_timestamp.is_some();
        row![
            pv.metadata.name.as_str(),
            spec.capacity.get("storage").copied().unwrap_or_default().to_string(),
            access_modes(&spec.access_modes),
            spec.persistent_volume_reclaim_policy.as_str(),
            if dying { "Terminating" } else { pv.status.phase.as_str() },
            spec.claim_ref.as_ref().map_or(String::new(), |c| format!("{}/{}", c.namespace, c.name)),
            spec.storage_class_name.as_str(),
            spec.volume_attributes_class_name.as_deref().unwrap_or("<unset>"),
            pv.status.reason.as_str(),
            columns::age(pv.metadata.creation_timestamp, now),
            spec.volume_mode.as_deref().unwrap_or("<unset>"),
        ]
    }
}

/// `RWO,ROX`: access modes in short, each once.
pub(crate) fn access_modes(modes: &[String]) -> String {
    [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ]
    .iter()
    .filter(|(mode, _)| modes.iter().any(|m| m == mode))
    .map(|(_, short)| *short)
    .collect::<Vec<_>>()
    .join(",")
}
