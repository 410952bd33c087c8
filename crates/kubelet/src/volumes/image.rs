//! Volumes that show the files of an image. The runtime mounts them; there is nothing for this node's side
//! to prepare, and no directory.

use super::{Place, Trouble, VolumeKind};
use async_trait::async_trait;
use corten_api::core::v1::ImageVolumeSource;
use std::path::PathBuf;

#[async_trait]
impl VolumeKind for ImageVolumeSource {
    fn plugin(&self) -> &'static str {
        "kubernetes.io~image"
    }

    async fn set_up(&self, _: &Place<'_>) -> Result<PathBuf, Trouble> {
        Ok(PathBuf::new())
    }
}
