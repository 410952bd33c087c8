//! Volumes of storage that has drivers of its own by now: what each must name.

use super::volumes::required;
use crate::errors::Errors;
use crate::names::between;
use corten_api::core::v1::{
    AzureDiskVolumeSource, FCVolumeSource, FlockerVolumeSource, ISCSIVolumeSource, QuobyteVolumeSource,
    VolumeSource,
};

/// Checks a volume of the `kind` that counts.
pub(super) fn source(errors: &mut Errors, source: &VolumeSource, kind: &str, path: &str) {
    let at = format!("{path}.{kind}");
    for (field, value) in texts(source, kind) {
        required(errors, format!("{at}.{field}"), value);
    }
    let partition = match kind {
        "gcePersistentDisk" => source.gce_persistent_disk.as_ref().map(|v| v.partition),
        "awsElasticBlockStore" => source.aws_elastic_block_store.as_ref().map(|v| v.partition),
        _ => None,
    };
    if let Some(partition) = partition.filter(|p| !(0..=255).contains(p)) {
        errors.invalid(format!("{at}.partition"), partition, between(1, 255));
    }
    match kind {
        "iscsi" => source.iscsi.iter().for_each(|v| iscsi(errors, v, &at)),
        "fc" => source.fc.iter().for_each(|v| fc(errors, v, &at)),
        "quobyte" => source.quobyte.iter().for_each(|v| quobyte(errors, v, &at)),
        "flocker" => source.flocker.iter().for_each(|v| flocker(errors, v, &at)),
        "flexVolume" => {
            for key in source.flex_volume.iter().flat_map(|v| v.options.keys()).filter(|key| is_reserved(key))
            {
                let detail = "kubernetes.io and k8s.io namespaces are reserved";
                errors.invalid(format!("{at}.options[{key}]"), key, detail);
            }
        }
        "azureDisk" => source.azure_disk.iter().for_each(|v| azure_disk(errors, v, &at)),
        "cinder" => {
            let secret = source.cinder.as_ref().and_then(|v| v.secret_ref.as_ref());
            secret.iter().for_each(|secret| required(errors, format!("{at}.secretRef.name"), &secret.name));
        }
        "rbd" if source.rbd.as_ref().is_some_and(|v| v.monitors.is_empty()) => {
            errors.required(format!("{at}.monitors"), "");
        }
        "cephFS" if source.cephfs.as_ref().is_some_and(|v| v.monitors.is_empty()) => {
            errors.required(format!("{path}.cephfs.monitors"), "");
        }
        _ => {}
    }
}

/// Texts that must not be empty.
fn texts<'a>(source: &'a VolumeSource, kind: &str) -> Vec<(&'static str, &'a str)> {
    let one = |name, value: Option<&'a String>| value.map(|v| (name, v.as_str())).into_iter().collect();
    match kind {
        "gitRepo" => one("repository", source.git_repo.as_ref().map(|v| &v.repository)),
        "gcePersistentDisk" => one("pdName", source.gce_persistent_disk.as_ref().map(|v| &v.pd_name)),
        "awsElasticBlockStore" => {
            one("volumeID", source.aws_elastic_block_store.as_ref().map(|v| &v.volume_id))
        }
        "rbd" => one("image", source.rbd.as_ref().map(|v| &v.image)),
        "cinder" => one("volumeID", source.cinder.as_ref().map(|v| &v.volume_id)),
        "flexVolume" => one("driver", source.flex_volume.as_ref().map(|v| &v.driver)),
        "vsphereVolume" => one("volumePath", source.vsphere_volume.as_ref().map(|v| &v.volume_path)),
        "photonPersistentDisk" => one("pdID", source.photon_persistent_disk.as_ref().map(|v| &v.pd_id)),
        "portworxVolume" => one("volumeID", source.portworx_volume.as_ref().map(|v| &v.volume_id)),
        "storageos" => one("volumeName", source.storageos.as_ref().map(|v| &v.volume_name)),
        "glusterfs" => source
            .glusterfs
            .iter()
            .flat_map(|v| [("endpoints", v.endpoints.as_str()), ("path", v.path.as_str())])
            .collect(),
        "azureFile" => source
            .azure_file
            .iter()
            .flat_map(|v| [("secretName", v.secret_name.as_str()), ("shareName", v.share_name.as_str())])
            .collect(),
        "azureDisk" => source
            .azure_disk
            .iter()
            .flat_map(|v| [("diskName", v.disk_name.as_str()), ("diskURI", v.disk_uri.as_str())])
            .collect(),
        "scaleIO" => source
            .scale_io
            .iter()
            .flat_map(|v| {
                [
                    ("gateway", v.gateway.as_str()),
                    ("system", v.system.as_str()),
                    ("volumeName", v.volume_name.as_str()),
                ]
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Whether an option is of a namespace that is not for users.
fn is_reserved(key: &str) -> bool {
    let namespace = key.split('/').next().unwrap_or(key).to_lowercase();
    ["kubernetes.io", "k8s.io"]
        .iter()
        .any(|own| namespace.strip_suffix(own).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// Where the disk is depends on its kind.
fn azure_disk(errors: &mut Errors, v: &AzureDiskVolumeSource, path: &str) {
    if let Some(mode) = &v.caching_mode {
        errors.supported(format!("{path}.cachingMode"), mode, &["None", "ReadOnly", "ReadWrite"]);
    }
    let Some(kind) = v.kind.as_deref() else { return };
    errors.supported(format!("{path}.kind"), kind, &["Dedicated", "Managed", "Shared"]);
    let (start, form) = if kind == "Managed" {
        let form =
            "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}";
        ("/subscriptions/", form)
    } else {
        ("https://", "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd")
    };
    if !v.disk_uri.starts_with(start) {
        errors.supported(format!("{path}.diskURI"), &v.disk_uri, &[form]);
    }
}

fn quobyte(errors: &mut Errors, v: &QuobyteVolumeSource, path: &str) {
    let at = format!("{path}.registry");
    let pairs = "must be a host:port pair or multiple pairs separated by commas";
    if v.registry.is_empty() {
        errors.required(at, pairs);
    } else if v.tenant.len() > 64 {
        let detail = "must be a UUID and may not exceed a length of 64 characters";
        errors.required(format!("{path}.tenant"), detail);
    } else {
        let is_pair = |pair: &str| {
            let host = pair.rsplit_once(':').map(|(host, _)| host);
            host.is_some_and(|host| !host.contains(':') || host.starts_with('[') && host.ends_with(']'))
        };
        for _ in v.registry.split(',').filter(|pair| !is_pair(pair)) {
            errors.invalid(&at, &v.registry, pairs);
        }
    }
    required(errors, format!("{path}.volume"), &v.volume);
}

fn flocker(errors: &mut Errors, v: &FlockerVolumeSource, path: &str) {
    match (v.dataset_name.is_empty(), v.dataset_uuid.is_empty()) {
        (true, true) => errors.required(path, "one of datasetName and datasetUUID is required"),
        (false, false) => {
            let detail = "datasetName and datasetUUID can not be specified simultaneously";
            errors.invalid(path, "resource", detail);
        }
        _ => {}
    }
    if v.dataset_name.contains('/') {
        errors.invalid(format!("{path}.datasetName"), &v.dataset_name, "must not contain '/'");
    }
}

fn iscsi(errors: &mut Errors, v: &ISCSIVolumeSource, path: &str) {
    required(errors, format!("{path}.targetPortal"), &v.target_portal);
    let at = format!("{path}.iqn");
    if v.iqn.is_empty() {
        errors.required(at, "");
    } else if !["iqn", "eui", "naa"].iter().any(|start| v.iqn.starts_with(start)) {
        errors.invalid(at, &v.iqn, "must be valid format starting with iqn, eui, or naa");
    }
    if !(0..=255).contains(&v.lun) {
        errors.invalid(format!("{path}.lun"), v.lun, between(0, 255));
    }
    if (v.chap_auth_discovery || v.chap_auth_session) && v.secret_ref.is_none() {
        errors.required(format!("{path}.secretRef"), "");
    }
}

fn fc(errors: &mut Errors, v: &FCVolumeSource, path: &str) {
    let at = format!("{path}.targetWWNs");
    match (v.target_wwns.is_empty(), v.wwids.is_empty()) {
        (true, true) => errors.required(at, "must specify either targetWWNs or wwids, but not both"),
        (false, false) => {
            let told = crate::metadata::strings(&v.target_wwns);
            errors.invalid(at, told, "targetWWNs and wwids can not be specified simultaneously");
        }
        (false, true) => match v.lun {
            None => errors.required(format!("{path}.lun"), "lun is required if targetWWNs is specified"),
            Some(lun) if !(0..=255).contains(&lun) => {
                errors.invalid(format!("{path}.lun"), lun, between(0, 255));
            }
            Some(_) => {}
        },
        (true, false) => {}
    }
}
