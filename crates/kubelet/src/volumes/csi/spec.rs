//! What is asked of a driver: a volume as a pod or a PersistentVolume describes it.

use super::super::Place;
use super::driver::{RpcError, text};
use super::{Driver, block, data::VolumeData, request, sha256, stage_dir};
use corten_api::Quantity;
use corten_api::core::v1::{CSIPersistentVolumeSource, CSIVolumeSource, PersistentVolume, SecretReference};
use corten_node_api::csi::{CapacityRange, NodeExpandVolumeRequest};
use std::collections::BTreeMap;
use std::path::Path;

/// A volume of a driver.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::volumes) struct Spec {
    pub driver: String,
    /// What the driver calls the volume.
    pub handle: String,
    pub fs_type: String,
    pub attributes: BTreeMap<String, String>,
    pub read_only: bool,
    pub access_modes: Vec<String>,
    pub mount_options: Vec<String>,
    pub stage_secret: Option<SecretReference>,
    pub publish_secret: Option<SecretReference>,
    pub expand_secret: Option<SecretReference>,
    /// It is made for one pod, by what that pod's spec says.
    pub ephemeral: bool,
}

impl Spec {
    /// Of a volume in a pod's spec. Its handle is made of the pod and the name.
    pub fn inline(source: &CSIVolumeSource, place: &Place<'_>) -> Self {
        let meta = &place.pod.metadata;
        let secret = source.node_publish_secret_ref.as_ref();
        Spec {
            driver: source.driver.clone(),
            handle: Spec::handle_of(&meta.uid, place.name),
            fs_type: source.fs_type.clone().unwrap_or_default(),
            attributes: source.volume_attributes.clone(),
            read_only: source.read_only == Some(true),
            publish_secret: secret
                .map(|s| SecretReference { name: s.name.clone(), namespace: meta.namespace.clone() }),
            ephemeral: true,
            ..Spec::default()
        }
    }

    /// The handle of the volume `name` in the spec of the pod of this UID.
    pub fn handle_of(uid: &str, name: &str) -> String {
        format!("csi-{}", sha256(&format!("{uid}{name}")))
    }

    /// Of a PersistentVolume.
    pub fn persistent(source: &CSIPersistentVolumeSource, place: &Place<'_>) -> Self {
        let volume = place.bound.map(|bound| &*bound.volume);
        Spec { read_only: place.read_only, ..Spec::of_volume(source, volume) }
    }

    fn of_volume(source: &CSIPersistentVolumeSource, volume: Option<&PersistentVolume>) -> Self {
        Spec {
            driver: source.driver.clone(),
            handle: source.volume_handle.clone(),
            fs_type: source.fs_type.clone(),
            attributes: source.volume_attributes.clone(),
            read_only: false,
            access_modes: volume.map(|v| v.spec.access_modes.clone()).unwrap_or_default(),
            mount_options: volume.map(|v| v.spec.mount_options.clone()).unwrap_or_default(),
            stage_secret: source.node_stage_secret_ref.as_deref().cloned(),
            publish_secret: source.node_publish_secret_ref.as_deref().cloned(),
            expand_secret: source.node_expand_secret_ref.as_deref().cloned(),
            ephemeral: false,
        }
    }

    /// The request that lets the volume, which is at `at`, grow to `size`; or why it cannot be made.
    pub async fn growth(
        &self,
        place: &Place<'_>,
        driver: &Driver,
        size: Quantity,
        at: &Path,
    ) -> Result<Result<NodeExpandVolumeRequest, String>, RpcError> {
        let reference = self.expand_secret.as_ref();
        let secrets = request::secrets(&place.volumes.client, reference, "NodeExpandSecretRef").await;
        let secrets = match secrets {
            Ok(secrets) => secrets,
            Err(why) => return Ok(Err(why)),
        };
        let staged = match driver.stages().await? {
            true if place.is_block() => text(&block::staging(place.volumes, place.known_as)),
            true => text(&stage_dir(place.volumes, &self.driver, &self.handle).join("globalmount")),
            false => String::new(),
        };
        Ok(Ok(NodeExpandVolumeRequest {
            volume_id: self.handle.clone(),
            volume_path: text(at),
            capacity_range: Some(CapacityRange { required_bytes: size.value(), limit_bytes: 0 }),
            staging_target_path: staged,
            volume_capability: Some(request::capability(driver, self, place.is_block(), None).await?),
            secrets,
        }))
    }

    /// What is remembered of it on the disk.
    pub fn data(&self, place: &Place<'_>) -> VolumeData {
        let node = place.volumes.config.node_name.clone();
        VolumeData {
            spec_name: place.known_as.to_string(),
            handle: self.handle.clone(),
            driver: self.driver.clone(),
            attachment: self.attachment(&node),
            node,
            ephemeral: self.ephemeral,
        }
    }

    /// The name of the VolumeAttachment that brings it to the node.
    pub fn attachment(&self, node: &str) -> String {
        format!("csi-{}", sha256(&format!("{}{}{node}", self.handle, self.driver)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attachments_are_named_as_upstreams() {
        let spec = Spec { driver: "d".into(), handle: "h".into(), ..Spec::default() };
        // printf hdn | sha256sum
        assert_eq!(spec.attachment("n"), format!("csi-{}", sha256("hdn")));
        assert_eq!(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
