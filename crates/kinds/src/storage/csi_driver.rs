//! What is wrong with CSIDrivers, CSINodes and VolumeAttachments.

use crate::core::access_mode_names;
use crate::errors::Errors;
use crate::metadata::shown;
use crate::names;
use crate::reflection;
use corten_api::core::v1::PersistentVolumeSpec;
use corten_api::storage::v1::{CSIDriverSpec, CSINodeDriver, CSINodeSpec, VolumeAttachmentSpec};
use std::collections::BTreeSet;

const IMMUTABLE: &str = crate::metadata::IMMUTABLE;

/// The name of a driver: a DNS name, capitals allowed, of at most 63 bytes.
pub(crate) fn driver_name(errors: &mut Errors, path: &str, name: &str) {
    if name.is_empty() {
        errors.required(path, "");
    }
    if name.len() > 63 {
        errors.too_long(path, 63);
    }
    for message in names::dns_subdomain(&name.to_lowercase()).into_iter().filter(|_| !name.is_empty()) {
        errors.invalid(path, name, message);
    }
}

/// A driver's specification.
pub(super) fn driver(errors: &mut Errors, spec: &CSIDriverSpec) {
    if let Some(policy) = spec.fs_group_policy.as_deref() {
        errors.supported("spec.fsGroupPolicy", policy, &["File", "None", "ReadWriteOnceWithFSType"]);
    }
    let mut audiences = BTreeSet::new();
    for (i, request) in spec.token_requests.iter().enumerate() {
        let at = |field: &str| format!("spec.tokenRequests[{i}].{field}");
        if !audiences.insert(&request.audience) {
            errors.duplicate(at("audience"), &request.audience);
        }
        match request.expiration_seconds {
            Some(..600) => {
                let detail = "may not specify a duration less than 10 minutes";
                errors.invalid(at("expirationSeconds"), request.expiration_seconds.unwrap_or(0), detail);
            }
            Some(seconds @ 4294967297..) => {
                let detail = "may not specify a duration larger than 2^32 seconds";
                errors.invalid(at("expirationSeconds"), seconds, detail);
            }
            _ => {}
        }
    }
    if let Some(told) = spec.service_account_token_in_secrets.filter(|_| spec.token_requests.is_empty()) {
        let detail = "serviceAccountTokenInSecrets is set but no tokenRequests are specified";
        errors.invalid("spec.serviceAccountTokenInSecrets", told, detail);
    }
    for mode in &spec.volume_lifecycle_modes {
        errors.supported("spec.volumeLifecycleModes", mode, &["Persistent", "Ephemeral"]);
    }
    if let Some(seconds) = spec.node_allocatable_update_period_seconds.filter(|s| *s < 10) {
        let detail = "must be greater than or equal to 10 seconds";
        errors.invalid("spec.nodeAllocatableUpdatePeriodSeconds", seconds, detail);
    }
}

/// A volume that stands in its attachment: one of a driver, with nothing that claims are matched by.
fn inline(errors: &mut Errors, spec: &PersistentVolumeSpec) {
    let at = |field: &str| format!("spec.source.inlineVolumeSpec.{field}");
    let context = "in the context of inline volumes";
    for (field, set) in [
        ("claimRef", spec.claim_ref.is_some()),
        ("capacity", !spec.capacity.is_empty()),
        ("nodeAffinity", spec.node_affinity.is_some()),
        ("storageClassName", !spec.storage_class_name.is_empty()),
    ] {
        if set {
            errors.forbidden(at(field), format!("may not be specified {context}"));
        }
    }
    if spec.persistent_volume_source.csi.is_none() {
        errors.required(at("csi"), &format!("has to be specified {context}"));
    }
    if spec.access_modes.is_empty() {
        errors.required(at("accessModes"), "");
    }
    access_mode_names(errors, &spec.access_modes, &at("accessModes"));
    if !["", "Retain"].contains(&spec.persistent_volume_reclaim_policy.as_str()) {
        errors.forbidden(at("persistentVolumeReclaimPolicy"), format!("may only be Retain {context}"));
    }
    if spec.volume_mode.as_deref().is_some_and(|mode| mode != "Filesystem") {
        let detail = format!("may not specify volumeMode other than Filesystem {context}");
        errors.forbidden(at("volumeMode"), detail);
    }
}

/// What of a driver never changes.
pub(super) fn driver_update(errors: &mut Errors, new: &CSIDriverSpec, old: &CSIDriverSpec) {
    if new.attach_required != old.attach_required {
        errors.invalid("spec.attachedRequired", shown(&new.attach_required), IMMUTABLE);
    }
    if new.volume_lifecycle_modes != old.volume_lifecycle_modes {
        errors.invalid("spec.volumeLifecycleModes", shown(&new.volume_lifecycle_modes), IMMUTABLE);
    }
}

/// The drivers of a node.
pub(super) fn node(errors: &mut Errors, spec: &CSINodeSpec) {
    let mut seen = BTreeSet::new();
    for (i, driver) in spec.drivers.iter().enumerate() {
        let at = |field: &str| format!("spec.drivers[{i}].{field}");
        driver_name(errors, &at("name"), &driver.name);
        if driver.node_id.is_empty() {
            errors.required(at("nodeID"), "");
        }
        if driver.node_id.len() > 192 {
            errors.invalid(at("nodeID"), &driver.node_id, "must be 192 characters or less");
        }
        if let Some(count) = driver.allocatable.as_ref().and_then(|a| a.count) {
            errors.not_negative(at("allocatable.count"), count);
        }
        if !seen.insert(&driver.name) {
            errors.duplicate(at("name"), &driver.name);
        }
        let mut keys = BTreeSet::new();
        for key in &driver.topology_keys {
            if key.is_empty() {
                errors.required(at("topologyKeys"), key);
            }
            if !keys.insert(key) {
                errors.duplicate(at("topologyKeys"), key);
            }
            errors.format(&at("topologyKeys"), key, names::qualified_name);
        }
    }
}

/// A driver that is on a node stays as it is, but for how many volumes it takes.
pub(super) fn node_update(errors: &mut Errors, new: &CSINodeSpec, old: &CSINodeSpec) {
    for had in &old.drivers {
        let Some(has) = new.drivers.iter().find(|d| d.name == had.name) else { continue };
        let had = CSINodeDriver { allocatable: has.allocatable.clone(), ..had.clone() };
        if !reflection::equal(has, &had) {
            errors.invalid("spec.drivers", shown(has), IMMUTABLE);
        }
    }
}

/// What is to be attached where.
pub(super) fn attachment(errors: &mut Errors, spec: &VolumeAttachmentSpec) {
    if spec.attacher.is_empty() {
        errors.required("spec.attacher", "");
    } else {
        driver_name(errors, "spec.attacher", &spec.attacher);
    }
    let (source, detail) =
        (&spec.source, "must specify exactly one of inlineVolumeSpec and persistentVolumeName");
    match (source.inline_volume_spec.is_some(), source.persistent_volume_name.as_deref()) {
        (false, None) => errors.required("spec.source", detail),
        (true, Some(_)) => errors.forbidden("spec.source", detail),
        (false, Some("")) => {
            let detail = "must specify non empty persistentVolumeName";
            errors.required("spec.source.persistentVolumeName", detail);
        }
        (false, Some(name)) => {
            for message in names::dns_subdomain(name) {
                errors.invalid("spec.source.persistentVolumeName", name, message);
            }
        }
        (true, None) => {
            source.inline_volume_spec.iter().for_each(|spec| inline(errors, spec));
        }
    }
    errors.format("spec.nodeName", &spec.node_name, names::dns_subdomain);
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::CSIPersistentVolumeSource;

    #[test]
    fn volumes_in_attachments_are_of_drivers_alone() {
        let mut spec =
            PersistentVolumeSpec { access_modes: vec!["ReadWriteOnce".into()], ..Default::default() };
        spec.persistent_volume_source.csi = Some(Box::new(CSIPersistentVolumeSource::default()));
        let told = |spec: &PersistentVolumeSpec| -> Vec<String> {
            let mut errors = Errors::default();
            inline(&mut errors, spec);
            errors.into_vec().iter().map(ToString::to_string).collect()
        };
        let fine: [String; 0] = [];
        assert_eq!(told(&spec), fine);
        spec.persistent_volume_source.csi = None;
        spec.storage_class_name = "fast".into();
        spec.persistent_volume_reclaim_policy = "Delete".into();
        let at = "spec.source.inlineVolumeSpec";
        assert_eq!(
            told(&spec),
            [
                format!(
                    "{at}.storageClassName: Forbidden: may not be specified in the context of inline volumes"
                ),
                format!("{at}.csi: Required value: has to be specified in the context of inline volumes"),
                format!(
                    "{at}.persistentVolumeReclaimPolicy: Forbidden: may only be Retain in the context of inline volumes"
                ),
            ]
        );
    }

    #[test]
    fn tokens_in_secrets_need_requests() {
        let mut errors = Errors::default();
        driver(
            &mut errors,
            &CSIDriverSpec { service_account_token_in_secrets: Some(true), ..Default::default() },
        );
        let told: Vec<String> = errors.into_vec().iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "spec.serviceAccountTokenInSecrets: Invalid value: true: serviceAccountTokenInSecrets is set but no tokenRequests are specified"
            ]
        );
    }
}
