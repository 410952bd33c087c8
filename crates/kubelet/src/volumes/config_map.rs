//! Volumes of ConfigMaps.

use super::content::{self, DEFAULT_MODE, Files};
use super::{Place, Trouble, VolumeKind};
use async_trait::async_trait;
use corten_api::core::v1::{ConfigMap, ConfigMapVolumeSource, KeyToPath};
use std::path::PathBuf;

/// The files of a ConfigMap of the pod's namespace; none when it is missing and optional.
pub async fn files(
    place: &Place<'_>,
    name: &str,
    items: &[KeyToPath],
    optional: bool,
    mode: u32,
) -> Result<Files, String> {
    let meta = &place.pod.metadata;
    let found = place.volumes.objects.get::<ConfigMap>(&meta.uid, &meta.namespace, name).await;
    match found.map_err(|e| e.to_string())? {
        Some(map) => {
            let text = map.data.iter().map(|(key, value)| (key.clone(), value.clone().into_bytes()));
            let all = text.chain(map.binary_data.clone()).collect();
            content::choose(&all, items, optional, mode, "config")
        }
        None if optional => Ok(Files::new()),
        None => Err(format!("configmap \"{name}\" not found")),
    }
}

#[async_trait]
impl VolumeKind for ConfigMapVolumeSource {
    fn plugin(&self) -> &'static str {
        "kubernetes.io~configmap"
    }

    async fn set_up(&self, place: &Place<'_>) -> Result<PathBuf, Trouble> {
        let mode = content::mode(self.default_mode, DEFAULT_MODE);
        let name = &self.local_object_reference.name;
        let files = files(place, name, &self.items, self.optional == Some(true), mode).await?;
        Ok(content::publish(place, files, false).await?)
    }

    fn refreshes(&self) -> bool {
        true
    }
}
