//! Validation of volumes and of where containers mount them.

use super::{env, legacy_volumes as legacy};
use crate::errors::Errors;
use crate::metadata;
use crate::names;
use corten_api::core::v1::{
    Container, DownwardAPIVolumeFile, HostPathVolumeSource, KeyToPath, NFSVolumeSource,
    PersistentVolumeClaimTemplate, ProjectedVolumeSource, Volume, VolumeMount, VolumeProjection,
    VolumeSource,
};
use std::collections::{BTreeMap, BTreeSet};

const FILE_MODE: &str = "must be a number between 0 and 0777 (octal), both inclusive";
const HOST_PATHS: &[&str] =
    &["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
/// Fields of the pod that a file may take.
const FILE_FIELDS: &[&str] =
    &["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];

/// Volumes by name, those without mistakes.
pub(super) type Volumes<'a> = BTreeMap<&'a str, &'a VolumeSource>;

/// Checks volumes; `pod` is the pod's name where it is known.
pub(super) fn volumes<'a>(errors: &mut Errors, list: &'a [Volume], pod: &str, path: &str) -> Volumes<'a> {
    let made: BTreeSet<String> = list
        .iter()
        .filter(|v| !pod.is_empty() && v.volume_source.ephemeral.is_some())
        .map(|v| format!("{pod}-{}", v.name))
        .collect();
    let mut good = Volumes::new();
    for (i, volume) in list.iter().enumerate() {
        let at = format!("{path}[{i}]");
        let mut wrong = Errors::default();
        source(&mut wrong, &volume.volume_source, &at);
        let name = format!("{at}.name");
        if volume.name.is_empty() {
            wrong.required(&name, "");
        } else {
            wrong.format(&name, &volume.name, names::dns_label);
        }
        if good.contains_key(volume.name.as_str()) {
            wrong.duplicate(&name, &volume.name);
        }
        let wrong = wrong.into_vec();
        if wrong.is_empty() {
            good.insert(&volume.name, &volume.volume_source);
        }
        errors.extend(wrong);
        if let Some(claim) = &volume.volume_source.persistent_volume_claim
            && made.contains(&claim.claim_name)
        {
            let detail = "must not reference a PVC that gets created for an ephemeral volume";
            errors.invalid(format!("{at}.persistentVolumeClaim.claimName"), &claim.claim_name, detail);
        }
    }
    good
}

/// Each kind of volume by its field's name, in the order in which they are looked at.
fn given(source: &VolumeSource) -> Vec<&'static str> {
    [
        ("emptyDir", source.empty_dir.is_some()),
        ("hostPath", source.host_path.is_some()),
        ("gitRepo", source.git_repo.is_some()),
        ("gcePersistentDisk", source.gce_persistent_disk.is_some()),
        ("awsElasticBlockStore", source.aws_elastic_block_store.is_some()),
        ("secret", source.secret.is_some()),
        ("nfs", source.nfs.is_some()),
        ("iscsi", source.iscsi.is_some()),
        ("glusterfs", source.glusterfs.is_some()),
        ("flocker", source.flocker.is_some()),
        ("persistentVolumeClaim", source.persistent_volume_claim.is_some()),
        ("rbd", source.rbd.is_some()),
        ("cinder", source.cinder.is_some()),
        ("cephFS", source.cephfs.is_some()),
        ("quobyte", source.quobyte.is_some()),
        ("downwarAPI", source.downward_api.is_some()),
        ("fc", source.fc.is_some()),
        ("flexVolume", source.flex_volume.is_some()),
        ("configMap", source.config_map.is_some()),
        ("azureFile", source.azure_file.is_some()),
        ("vsphereVolume", source.vsphere_volume.is_some()),
        ("photonPersistentDisk", source.photon_persistent_disk.is_some()),
        ("portworxVolume", source.portworx_volume.is_some()),
        ("azureDisk", source.azure_disk.is_some()),
        ("storageos", source.storageos.is_some()),
        ("projected", source.projected.is_some()),
        ("scaleIO", source.scale_io.is_some()),
        ("csi", source.csi.is_some()),
        ("ephemeral", source.ephemeral.is_some()),
        ("image", source.image.is_some()),
    ]
    .into_iter()
    .filter(|(_, given)| *given)
    .map(|(name, _)| name)
    .collect()
}

fn source(errors: &mut Errors, source: &VolumeSource, path: &str) {
    let given = given(source);
    for more in given.iter().skip(1) {
        errors.forbidden(format!("{path}.{more}"), "may not specify more than 1 volume type");
    }
    match given.first() {
        None => errors.required(path, "must specify a volume type"),
        Some(first) => one_source(errors, source, first, path),
    }
}

/// Checks the kind of volume that counts.
fn one_source(errors: &mut Errors, source: &VolumeSource, kind: &str, path: &str) {
    let at = |field: &str| format!("{path}.{kind}.{field}");
    match kind {
        "emptyDir" => {
            let limit = source.empty_dir.as_ref().and_then(|e| e.size_limit);
            if limit.is_some_and(|l| l.is_negative()) {
                let detail = "SizeLimit field must be a valid resource quantity";
                errors.forbidden(at("sizeLimit"), detail);
            }
        }
        "secret" => {
            let Some(secret) = &source.secret else { return };
            required(errors, at("secretName"), &secret.secret_name);
            mode(errors, at("defaultMode"), secret.default_mode);
            items(errors, &secret.items, &at("items"));
        }
        "configMap" => {
            let Some(map) = &source.config_map else { return };
            required(errors, at("name"), &map.local_object_reference.name);
            mode(errors, at("defaultMode"), map.default_mode);
            items(errors, &map.items, &at("items"));
        }
        "persistentVolumeClaim" => {
            let name = source.persistent_volume_claim.as_ref().map_or("", |c| &c.claim_name);
            required(errors, at("claimName"), name);
        }
        "nfs" => {
            if let Some(source) = &source.nfs {
                nfs(errors, source, &format!("{path}.nfs"));
            }
        }
        "hostPath" => {
            if let Some(host) = &source.host_path {
                host_path(errors, host, &format!("{path}.hostPath"));
            }
        }
        "downwarAPI" => {
            let Some(downward) = &source.downward_api else { return };
            mode(errors, format!("{path}.downwardAPI.defaultMode"), downward.default_mode);
            for file in &downward.items {
                downward_file(errors, file, &format!("{path}.downwardAPI"));
            }
        }
        "projected" => {
            if let Some(projected) = &source.projected {
                projection(errors, projected, &format!("{path}.projected"));
            }
        }
        "csi" => {
            let Some(csi) = &source.csi else { return };
            required(errors, at("driver"), &csi.driver);
            if csi.node_publish_secret_ref.as_ref().is_some_and(|s| s.name.is_empty()) {
                errors.required(at("nodePublishSecretRef.name"), "");
            }
        }
        "ephemeral" => match source.ephemeral.as_ref().and_then(|e| e.volume_claim_template.as_ref()) {
            None => errors.required(at("volumeClaimTemplate"), ""),
            Some(template) => claim_template(errors, template, &at("volumeClaimTemplate")),
        },
        "image" => {
            let Some(image) = &source.image else { return };
            required(errors, at("reference"), &image.reference);
            errors.one_of(at("pullPolicy"), &image.pull_policy, &["Always", "IfNotPresent", "Never"]);
        }
        _ => legacy::source(errors, source, kind, path),
    }
}

/// A share of an NFS server, also of a PersistentVolume.
pub(crate) fn nfs(errors: &mut Errors, nfs: &NFSVolumeSource, path: &str) {
    required(errors, format!("{path}.server"), &nfs.server);
    required(errors, format!("{path}.path"), &nfs.path);
    if !nfs.path.starts_with('/') {
        errors.invalid(format!("{path}.path"), &nfs.path, "must be an absolute path");
    }
}

pub(super) fn required(errors: &mut Errors, path: String, value: &str) {
    if value.is_empty() {
        errors.required(path, "");
    }
}

fn mode(errors: &mut Errors, path: String, mode: Option<i32>) {
    if let Some(mode) = mode.filter(|m| !(0..=0o777).contains(m)) {
        errors.invalid(path, mode, FILE_MODE);
    }
}

/// A host path, also of a PersistentVolume.
pub(crate) fn host_path(errors: &mut Errors, host: &HostPathVolumeSource, path: &str) {
    required(errors, format!("{path}.path"), &host.path);
    no_backsteps(errors, &host.path, &format!("{path}.path"));
    if let Some(kind) = host.type_.as_deref() {
        errors.supported(format!("{path}.type"), kind, HOST_PATHS);
    }
}

fn claim_template(errors: &mut Errors, template: &PersistentVolumeClaimTemplate, path: &str) {
    let meta = format!("{path}.metadata");
    errors.extend(metadata::annotations(&template.metadata.annotations, &format!("{meta}.annotations")));
    errors.extend(metadata::labels(&template.metadata.labels, &format!("{meta}.labels")));
    crate::core::claim_spec(errors, &template.spec, &format!("{path}.spec"));
}

fn items(errors: &mut Errors, items: &[KeyToPath], path: &str) {
    for (i, item) in items.iter().enumerate() {
        let at = |field: &str| format!("{path}[{i}].{field}");
        required(errors, at("key"), &item.key);
        required(errors, at("path"), &item.path);
        file_path(errors, &item.path, &at("path"));
        mode(errors, at("mode"), item.mode);
    }
}

fn downward_file(errors: &mut Errors, file: &DownwardAPIVolumeFile, path: &str) {
    required(errors, format!("{path}.path"), &file.path);
    file_path(errors, &file.path, &format!("{path}.path"));
    match (&file.field_ref, &file.resource_field_ref) {
        (Some(field), more) => {
            env::field(errors, field, FILE_FIELDS, &format!("{path}.fieldRef"));
            if more.is_some() {
                let detail = "fieldRef and resourceFieldRef can not be specified simultaneously";
                errors.invalid(path, "resource", detail);
            }
        }
        (None, Some(resource)) => {
            env::resource(errors, resource, true, &format!("{path}.resourceFieldRef"));
        }
        (None, None) => errors.required(path, "one of fieldRef and resourceFieldRef is required"),
    }
    mode(errors, format!("{path}.mode"), file.mode);
}

fn projection(errors: &mut Errors, projected: &ProjectedVolumeSource, path: &str) {
    mode(errors, format!("{path}.defaultMode"), projected.default_mode);
    let mut taken = BTreeSet::new();
    for (i, part) in projected.sources.iter().enumerate() {
        let at = format!("{path}.sources[{i}]");
        let given = [
            part.secret.is_some(),
            part.downward_api.is_some(),
            part.config_map.is_some(),
            part.service_account_token.is_some(),
            part.cluster_trust_bundle.is_some(),
            part.pod_certificate.is_some(),
        ];
        projected_part(errors, part, &mut taken, path, &at);
        if given.iter().filter(|g| **g).count() > 1 {
            errors.forbidden(at, "may not specify more than 1 volume type per source");
        }
    }
}

fn projected_part<'a>(
    errors: &mut Errors,
    part: &'a VolumeProjection,
    taken: &mut BTreeSet<&'a str>,
    path: &str,
    at: &str,
) {
    let mut take = |errors: &mut Errors, file: &'a str, named: &str| {
        if !file.is_empty() && !taken.insert(file) {
            errors.invalid(path, named, "conflicting duplicate paths");
        }
    };
    let secret = part.secret.as_ref().map(|s| ("secret", &s.local_object_reference.name, &s.items));
    let map = part.config_map.as_ref().map(|m| ("configMap", &m.local_object_reference.name, &m.items));
    for (kind, name, list) in secret.into_iter().chain(map) {
        required(errors, format!("{at}.{kind}.name"), name);
        items(errors, list, &format!("{at}.{kind}.items"));
        for item in list {
            take(errors, &item.path, name);
        }
    }
    for file in part.downward_api.iter().flat_map(|d| &d.items) {
        downward_file(errors, file, &format!("{at}.downwardAPI"));
        take(errors, &file.path, &file.path);
    }
    if let Some(token) = &part.service_account_token {
        let seconds = token.expiration_seconds.unwrap_or(3600);
        let on = format!("{at}.serviceAccountToken.expirationSeconds");
        if seconds < 600 {
            errors.invalid(on, seconds, "may not specify a duration less than 10 minutes");
        } else if seconds > 1 << 32 {
            errors.invalid(on, seconds, "may not specify a duration larger than 2^32 seconds");
        }
        required(errors, format!("{path}.path"), &token.path);
        file_path(errors, &token.path, &format!("{path}.path"));
    }
}

/// A path below a volume's root.
pub(super) fn descending_path(errors: &mut Errors, told: &str, path: &str) {
    if told.starts_with('/') {
        errors.invalid(path, told, "must be a relative path");
    }
    no_backsteps(errors, told, path);
}

fn no_backsteps(errors: &mut Errors, told: &str, path: &str) {
    if told.split('/').any(|part| part == "..") {
        errors.invalid(path, told, "must not contain '..'");
    }
}

/// A path below a volume's root that does not meet the names the kubelet uses itself.
fn file_path(errors: &mut Errors, told: &str, path: &str) {
    descending_path(errors, told, path);
    if told.starts_with("..") && !told.starts_with("../") && told != ".." {
        errors.invalid(path, told, "must not start with '..'");
    }
}

/// Where a container mounts volumes and block devices.
pub(super) fn mounts(errors: &mut Errors, c: &Container, volumes: &Volumes<'_>, path: &str) {
    let mut points = BTreeSet::new();
    for (i, mount) in c.volume_mounts.iter().enumerate() {
        let at = |field: &str| format!("{path}.volumeMounts[{i}].{field}");
        required(errors, at("name"), &mount.name);
        if !volumes.contains_key(mount.name.as_str()) {
            errors.not_found(at("name"), &mount.name);
        }
        required(errors, at("mountPath"), &mount.mount_path);
        if !points.insert(&mount.mount_path) {
            errors.invalid(at("mountPath"), &mount.mount_path, "must be unique");
        }
        if c.volume_devices.iter().any(|d| d.name == mount.name) {
            errors.invalid(at("name"), &mount.name, "must not already exist in volumeDevices");
        }
        if c.volume_devices.iter().any(|d| d.device_path == mount.mount_path) {
            let detail = "must not already exist as a path in volumeDevices";
            errors.invalid(at("mountPath"), &mount.mount_path, detail);
        }
        sub_paths(errors, mount, &format!("{path}.volumeMounts"), i);
        propagation(errors, c, mount, &format!("{path}.volumeMounts"));
    }
    devices(errors, c, volumes, path);
}

fn sub_paths(errors: &mut Errors, mount: &VolumeMount, path: &str, i: usize) {
    if !mount.sub_path.is_empty() {
        descending_path(errors, &mount.sub_path, &format!("{path}.subPath"));
    }
    if !mount.sub_path_expr.is_empty() {
        if !mount.sub_path.is_empty() {
            let detail = "subPathExpr and subPath are mutually exclusive";
            errors.invalid(format!("{path}[{i}].subPathExpr"), &mount.sub_path_expr, detail);
        }
        descending_path(errors, &mount.sub_path_expr, &format!("{path}.subPathExpr"));
    }
}

fn propagation(errors: &mut Errors, c: &Container, mount: &VolumeMount, path: &str) {
    if let Some(told) = mount.mount_propagation.as_deref() {
        let at = format!("{path}.mountPropagation");
        errors.supported(&at, told, &["Bidirectional", "HostToContainer", "None"]);
        let privileged = c.security_context.as_ref().is_some_and(|s| s.privileged == Some(true));
        if told == "Bidirectional" && !privileged {
            let detail = "Bidirectional mount propagation is available only to privileged containers";
            errors.forbidden(at, detail);
        }
    }
    let at = format!("{path}.recursiveReadOnly");
    match mount.recursive_read_only.as_deref() {
        None | Some("Disabled") => {}
        Some("Enabled" | "IfPossible") => {
            if !mount.read_only {
                errors.forbidden(&at, "may only be specified when readOnly is true");
            }
            if mount.mount_propagation.as_deref().is_some_and(|p| p != "None") {
                let detail = "may only be specified when mountPropagation is None or not specified";
                errors.forbidden(at, detail);
            }
        }
        Some(other) => errors.supported(at, other, &["Disabled", "Enabled", "IfPossible"]),
    }
}

fn devices(errors: &mut Errors, c: &Container, volumes: &Volumes<'_>, path: &str) {
    for (i, device) in c.volume_devices.iter().enumerate() {
        let at = |field: &str| format!("{path}.volumeDevices[{i}].{field}");
        let before = &c.volume_devices[..i];
        required(errors, at("name"), &device.name);
        if before.iter().any(|d| d.name == device.name) {
            errors.invalid(at("name"), &device.name, "must be unique");
        }
        match volumes.get(device.name.as_str()) {
            None => errors.not_found(at("name"), &device.name),
            Some(v) if v.persistent_volume_claim.is_none() && v.ephemeral.is_none() => {
                let detail =
                    "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                errors.invalid(at("name"), &device.name, detail);
            }
            Some(_) => {}
        }
        required(errors, at("devicePath"), &device.device_path);
        if before.iter().any(|d| d.device_path == device.device_path) {
            errors.invalid(at("devicePath"), &device.device_path, "must be unique");
        }
        if device.device_path.split('/').any(|part| part == "..") {
            errors.invalid(at("devicePath"), &device.device_path, "can not contain backsteps ('..')");
        }
        if c.volume_mounts.iter().any(|m| m.name == device.name) {
            errors.invalid(at("name"), &device.name, "must not already exist in volumeMounts");
        }
        if c.volume_mounts.iter().any(|m| m.mount_path == device.device_path) {
            let detail = "must not already exist as a path in volumeMounts";
            errors.invalid(at("devicePath"), &device.device_path, detail);
        }
    }
}
