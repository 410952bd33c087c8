//! Volumes of Secrets, which stay in memory.

use super::content::{self, DEFAULT_MODE, Files};
use super::{Place, Trouble, VolumeKind};
use async_trait::async_trait;
use corten_api::core::v1::{KeyToPath, Secret, SecretVolumeSource};
use std::path::PathBuf;

/// The files of a Secret of the pod's namespace; none when it is missing and optional.
pub async fn files(
    place: &Place<'_>,
    name: &str,
    items: &[KeyToPath],
    optional: bool,
    mode: u32,
) -> Result<Files, String> {
    let meta = &place.pod.metadata;
    let found = place.volumes.objects.get::<Secret>(&meta.uid, &meta.namespace, name).await;
    match found.map_err(|e| e.to_string())? {
        Some(secret) => content::choose(&secret.data, items, optional, mode, "secret"),
        None if optional => Ok(Files::new()),
        None => Err(format!("secret \"{name}\" not found")),
    }
}

#[async_trait]
impl VolumeKind for SecretVolumeSource {
    fn plugin(&self) -> &'static str {
        "kubernetes.io~secret"
    }

    async fn set_up(&self, place: &Place<'_>) -> Result<PathBuf, Trouble> {
        let mode = content::mode(self.default_mode, DEFAULT_MODE);
        let files = files(place, &self.secret_name, &self.items, self.optional == Some(true), mode).await?;
        Ok(content::publish(place, files, true).await?)
    }

    fn refreshes(&self) -> bool {
        true
    }
}
