//! The parts of requests to drivers: capabilities, secrets, what they are told of the pod.

use super::super::Place;
use super::{Driver, RpcError, Spec};
use corten_api::core::v1::{Pod, Secret, SecretReference, ServiceAccountTokenProjection};
use corten_api::storage::v1::CSIDriver;
use corten_client::Client;
use corten_node_api::csi::VolumeCapability;
use corten_node_api::csi::volume_capability::access_mode::Mode;
use corten_node_api::csi::volume_capability::{AccessMode, AccessType, BlockVolume, MountVolume};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// How the volume will be used.
pub async fn capability(
    driver: &Driver,
    spec: &Spec,
    block: bool,
    group: Option<u32>,
) -> Result<VolumeCapability, RpcError> {
    let single = driver.knows_single_writers().await?;
    let mode = spec.access_modes.first().map_or("ReadWriteOnce", String::as_str);
    let access_type = match block {
        true => AccessType::Block(BlockVolume {}),
        false => AccessType::Mount(MountVolume {
            fs_type: spec.fs_type.clone(),
            mount_flags: spec.mount_options.clone(),
            volume_mount_group: group.map(|g| g.to_string()).unwrap_or_default(),
        }),
    };
    let access_mode = Some(AccessMode { mode: access_mode(mode, single) as i32 });
    Ok(VolumeCapability { access_mode, access_type: Some(access_type) })
}

fn access_mode(mode: &str, single: bool) -> Mode {
    match (mode, single) {
        ("ReadOnlyMany", _) => Mode::MultiNodeReaderOnly,
        ("ReadWriteMany", _) => Mode::MultiNodeMultiWriter,
        ("ReadWriteOnce", true) => Mode::SingleNodeMultiWriter,
        ("ReadWriteOncePod", true) => Mode::SingleNodeSingleWriter,
        ("ReadWriteOnce" | "ReadWriteOncePod", false) => Mode::SingleNodeWriter,
        _ => Mode::Unknown,
    }
}

/// The credentials in a Secret; none when none is named.
pub async fn secrets(
    client: &Client,
    reference: Option<&SecretReference>,
    what: &str,
) -> Result<HashMap<String, String>, String> {
    let Some(SecretReference { name, namespace }) = reference else { return Ok(HashMap::new()) };
    let secret = client.namespaced::<Secret>(namespace).get(name).await.map_err(|e| {
        format!(
            "fetching {what} {namespace}/{name} failed: kubernetes.io/csi: failed to find the secret {name} in \
             the namespace {namespace} with error: {e}"
        )
    })?;
    let plain =
        |(key, value): (&String, &Vec<u8>)| (key.clone(), String::from_utf8_lossy(value).into_owned());
    Ok(secret.data.iter().map(plain).collect())
}

/// What drivers that ask for it are told of the pod.
pub fn about_pod(pod: &Pod, ephemeral: bool) -> [(String, String); 5] {
    let meta = &pod.metadata;
    [
        ("csi.storage.k8s.io/pod.name", meta.name.clone()),
        ("csi.storage.k8s.io/pod.namespace", meta.namespace.clone()),
        ("csi.storage.k8s.io/pod.uid", meta.uid.clone()),
        ("csi.storage.k8s.io/serviceAccount.name", pod.spec.service_account_name.clone()),
        ("csi.storage.k8s.io/ephemeral", ephemeral.to_string()),
    ]
    .map(|(key, value)| (key.to_string(), value))
}

/// The tokens that a driver asks for, as JSON by audience; `None` when it asks for none.
pub async fn tokens(place: &Place<'_>, driver: &CSIDriver) -> Result<Option<(String, String)>, String> {
    if driver.spec.token_requests.is_empty() {
        return Ok(None);
    }
    let mut all = Map::new();
    for wanted in &driver.spec.token_requests {
        let source = ServiceAccountTokenProjection {
            audience: wanted.audience.clone(),
            expiration_seconds: wanted.expiration_seconds,
            path: format!("token for {}", wanted.audience),
        };
        let (token, end) = place.volumes.tokens.get_with_end(place, &source).await?;
        let end = end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        all.insert(wanted.audience.clone(), json!({ "token": token, "expirationTimestamp": end }));
    }
    Ok(Some(("csi.storage.k8s.io/serviceAccount.tokens".into(), Value::from(all).to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_modes_are_told_as_far_as_drivers_know_them() {
        for (mode, plain, single) in [
            ("ReadWriteOnce", Mode::SingleNodeWriter, Mode::SingleNodeMultiWriter),
            ("ReadWriteOncePod", Mode::SingleNodeWriter, Mode::SingleNodeSingleWriter),
            ("ReadOnlyMany", Mode::MultiNodeReaderOnly, Mode::MultiNodeReaderOnly),
            ("ReadWriteMany", Mode::MultiNodeMultiWriter, Mode::MultiNodeMultiWriter),
            ("", Mode::Unknown, Mode::Unknown),
        ] {
            assert_eq!((access_mode(mode, false), access_mode(mode, true)), (plain, single), "{mode}");
        }
    }
}
