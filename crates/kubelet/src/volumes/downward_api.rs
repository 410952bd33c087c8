//! Volumes that tell a pod about itself.

use super::content::{self, DEFAULT_MODE, File, Files};
use super::{Place, Trouble, VolumeKind};
use crate::downward;
use async_trait::async_trait;
use corten_api::core::v1::{DownwardAPIVolumeFile, DownwardAPIVolumeSource};
use std::path::PathBuf;

/// One file for each item.
pub fn files(place: &Place<'_>, items: &[DownwardAPIVolumeFile], mode: u32) -> Result<Files, String> {
    let mut files = Files::new();
    for item in items {
        let value = if let Some(field) = &item.field_ref {
            downward::field(place.pod, &field.field_path)?
        } else if let Some(resource) = &item.resource_field_ref {
            let allocatable = &place.volumes.config.allocatable;
            downward::resource(place.pod, &resource.container_name, resource, allocatable)?
        } else {
            continue;
        };
        files.insert(item.path.clone(), File::new(value, content::mode(item.mode, mode)));
    }
    Ok(files)
}

#[async_trait]
impl VolumeKind for DownwardAPIVolumeSource {
    fn plugin(&self) -> &'static str {
        "kubernetes.io~downward-api"
    }

    async fn set_up(&self, place: &Place<'_>) -> Result<PathBuf, Trouble> {
        let mode = content::mode(self.default_mode, DEFAULT_MODE);
        Ok(content::publish(place, files(place, &self.items, mode)?, true).await?)
    }

    fn refreshes(&self) -> bool {
        true
    }
}
