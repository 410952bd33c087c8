//! PersistentVolumes.

use super::CORE;
use super::persistent_volume_claim::access_mode_names;
use super::pod::defaults::{amounts, azure_disk, text};
use super::pod::{scheduling, volumes};
use crate::columns::{self, AGE, Column, NAME, row};
use crate::errors::Errors;
use crate::metadata::{IMMUTABLE, shown};
use crate::names;
use crate::reflection;
use crate::rules::Rules;
use crate::storage::csi_driver::driver_name;
use crate::strategy::KindStrategy;
use corten_api::core::v1::{
    PersistentVolume, PersistentVolumeSource, PersistentVolumeSpec, PersistentVolumeStatus,
};
use corten_api::{Struct, View};
use corten_semantics::field::FieldError;
use corten_semantics::storage_class::{CLASS_ANNOTATION, class_of};
use jiff::Timestamp;
use serde_json::Value;

const OLD_ANNOTATIONS: &[(&str, &str)] = &[
    (CLASS_ANNOTATION, "deprecated since v1.8; use \"storageClassName\" attribute instead"),
    (
        "volume.beta.kubernetes.io/mount-options",
        "deprecated since v1.31; use \"mountOptions\" attribute instead",
    ),
];

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
        text(&mut pv.spec.persistent_volume_reclaim_policy, "Retain");
        pv.spec.volume_mode.get_or_insert_with(|| "Filesystem".into());
        default_spec(&mut pv.spec);
    }

    fn prepare_create(&self, pv: &mut PersistentVolume) {
        pv.status = PersistentVolumeStatus {
            phase: "Pending".into(),
            last_phase_transition_time: pv.metadata.creation_timestamp,
            ..PersistentVolumeStatus::default()
        };
    }

    fn validate(&self, pv: &PersistentVolume) -> Vec<FieldError> {
        let mut errors = Errors::default();
        validate_spec(&mut errors, &pv.spec);
        errors.into_vec()
    }

    fn validate_update(&self, new: &PersistentVolume, old: &PersistentVolume) -> Vec<FieldError> {
        let mut errors = Errors::default();
        validate_spec(&mut errors, &new.spec);
        let (mut source, before) =
            (new.spec.persistent_volume_source.clone(), &old.spec.persistent_volume_source);
        // A secret for expansion may be named once.
        if let (Some(csi), Some(had)) = (&mut source.csi, &before.csi)
            && had.controller_expand_secret_ref.is_none()
        {
            csi.controller_expand_secret_ref = None;
        }
        if !reflection::equal(&source, before) {
            let detail = "spec.persistentvolumesource is immutable after creation\n";
            errors.forbidden("spec.persistentvolumesource", detail);
        }
        if new.spec.volume_mode != old.spec.volume_mode {
            errors.invalid("volumeMode", shown(&new.spec.volume_mode), IMMUTABLE);
        }
        if old.spec.node_affinity.is_some() && new.spec.node_affinity != old.spec.node_affinity {
            let detail = format!("{IMMUTABLE}, except for updating from beta label to GA");
            errors.invalid("nodeAffinity", shown(&new.spec.node_affinity), detail);
        }
        let (class, had) = (&new.spec.volume_attributes_class_name, &old.spec.volume_attributes_class_name);
        if had.is_some() && class.is_none() {
            let detail = "update from non-nil value to nil is forbidden";
            errors.forbidden("spec.volumeAttributesClassName", detail);
        }
        errors.into_vec()
    }

    fn warnings(&self, pv: &PersistentVolume, _: Option<&PersistentVolume>) -> Vec<String> {
        let mut told = Vec::new();
        for (key, text) in OLD_ANNOTATIONS.iter().filter(|(k, _)| pv.metadata.annotations.contains_key(*k)) {
            told.push(format!("metadata.annotations[{key}]: {text}"));
        }
        let (spec, source) = (&pv.spec, &pv.spec.persistent_volume_source);
        if spec.persistent_volume_reclaim_policy == "Recycle" {
            told.push("spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.".into());
        }
        for (field, there, text) in [
            ("cephfs", source.cephfs.is_some(), "deprecated in v1.28, non-functional in v1.31+"),
            (
                "photonPersistentDisk",
                source.photon_persistent_disk.is_some(),
                "deprecated in v1.11, non-functional in v1.16+",
            ),
            ("scaleIO", source.scale_io.is_some(), "deprecated in v1.16, non-functional in v1.22+"),
            ("storageOS", source.storageos.is_some(), "deprecated in v1.22, non-functional in v1.25+"),
            ("glusterfs", source.glusterfs.is_some(), "deprecated in v1.25, non-functional in v1.26+"),
            ("rbd", source.rbd.is_some(), "deprecated in v1.28, non-functional in v1.31+"),
        ] {
            if there {
                told.push(format!("spec.{field}: {text}"));
            }
        }
        told
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
            class_of(&pv.metadata, Some(&spec.storage_class_name)),
            spec.volume_attributes_class_name.as_deref().unwrap_or("<unset>"),
            pv.status.reason.as_str(),
            columns::age(pv.metadata.creation_timestamp, now),
            spec.volume_mode.as_deref().unwrap_or("<unset>"),
        ]
    }
}

/// What volumes get wherever they are described, in VolumeAttachments too.
pub(crate) fn default_spec(spec: &mut PersistentVolumeSpec) {
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
    if let Some(disk) = &mut source.azure_disk {
        azure_disk(disk);
    }
    if let Some(scale_io) = &mut source.scale_io {
        text(&mut scale_io.storage_mode, "ThinProvisioned");
        text(&mut scale_io.fs_type, "xfs");
    }
}

fn validate_spec(errors: &mut Errors, spec: &PersistentVolumeSpec) {
    if spec.access_modes.is_empty() {
        errors.required("spec.accessModes", "");
    }
    access_mode_names(errors, &spec.access_modes, "spec.accessModes");
    if spec.capacity.is_empty() {
        errors.required("spec.capacity", "");
    }
    if !spec.capacity.contains_key("storage") || spec.capacity.len() > 1 {
        let told = shown(&spec.capacity);
        errors.extend([FieldError::not_supported("spec.capacity", told, &["storage"])]);
    }
    for (name, amount) in spec.capacity.iter().filter(|(_, a)| a.is_negative() || a.is_zero()) {
        let at = format!("spec.capacity[{name}]");
        if amount.is_negative() {
            errors.invalid(&at, amount.value(), "must be a valid resource quantity");
        }
        errors.invalid(at, amount.to_string(), "must be greater than zero");
    }
    let policy = &spec.persistent_volume_reclaim_policy;
    let policies = &["Delete", "Recycle", "Retain"];
    errors.one_of_or_empty("spec.persistentVolumeReclaimPolicy", policy, policies);
    match spec.node_affinity.as_ref().map(|a| a.required.as_ref()) {
        Some(Some(selector)) => scheduling::node_selector(errors, selector, "spec.nodeAffinity.required"),
        Some(None) => errors.required("spec.nodeAffinity.required", "must specify required node constraints"),
        None => {}
    }
    let source = &spec.persistent_volume_source;
    let fields = source.schema().fields.iter().enumerate();
    let given: Vec<&str> = fields
        .filter(|(n, _)| !matches!(source.field(*n).view(), View::Null))
        .map(|(_, field)| field.name)
        .collect();
    for more in given.iter().skip(1) {
        errors.forbidden(format!("spec.{more}"), "may not specify more than 1 volume type");
    }
    if given.is_empty() {
        errors.required("spec", "must specify a volume type");
    }
    if let Some(host) = &source.host_path {
        volumes::host_path(errors, host, "spec.hostPath");
        if host.path.trim_end_matches('/').is_empty()
            && !host.path.is_empty()
            && spec.persistent_volume_reclaim_policy == "Recycle"
        {
            let detail = "may not be 'recycle' for a hostPath mount of '/'";
            errors.forbidden("spec.persistentVolumeReclaimPolicy", detail);
        }
    }
    sources(errors, source);
    if let Some(class) = spec.volume_attributes_class_name.as_deref() {
        let at = "spec.volumeAttributesClassName";
        if class.is_empty() {
            errors.required(at, "an empty string is disallowed");
        } else {
            errors.format(at, class, names::dns_subdomain);
        }
        if source.csi.is_none() {
            errors.required("spec.csi", "has to be specified when using volumeAttributesClassName");
        }
    }
    if source.local.is_some() && spec.node_affinity.is_none() {
        errors.required("spec.nodeAffinity", "Local volume requires node affinity");
    }
    if !spec.storage_class_name.is_empty() {
        errors.format("spec.storageClassName", &spec.storage_class_name, names::dns_subdomain);
    }
    if let Some(mode) = spec.volume_mode.as_deref() {
        errors.supported("spec.volumeMode", mode, &["Block", "Filesystem"]);
    }
}

/// The sources that have something to check beyond being alone.
fn sources(errors: &mut Errors, source: &PersistentVolumeSource) {
    if let Some(csi) = &source.csi {
        driver_name(errors, "spec.csi.driver", &csi.driver);
        if csi.volume_handle.is_empty() {
            errors.required("spec.csi.volumeHandle", "");
        }
        for (name, secret) in [
            ("controllerPublishSecretRef", &csi.controller_publish_secret_ref),
            ("controllerExpandSecretRef", &csi.controller_expand_secret_ref),
            ("nodePublishSecretRef", &csi.node_publish_secret_ref),
            ("nodeExpandSecretRef", &csi.node_expand_secret_ref),
        ] {
            let Some(secret) = secret else { continue };
            for (part, value) in [("name", &secret.name), ("namespace", &secret.namespace)] {
                let at = format!("spec.csi.{name}.{part}");
                if value.is_empty() {
                    errors.required(at, "");
                } else if part == "name" {
                    errors.format(&at, value, names::dns_subdomain);
                } else {
                    errors.format(&at, value, names::dns_label);
                }
            }
        }
    }
    if let Some(nfs) = &source.nfs {
        volumes::nfs(errors, nfs, "spec.nfs");
    }
    if source.local.as_ref().is_some_and(|local| local.path.is_empty()) {
        errors.required("spec.local.path", "");
    } else if source.local.as_ref().is_some_and(|local| local.path.split('/').any(|part| part == "..")) {
        let told = source.local.as_ref().map_or("", |local| local.path.as_str());
        errors.invalid("spec.local.path", told, "must not contain '..'");
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
