//! Volumes of CSI drivers: staged once on the node, published to each pod, and taken away by what lies on the
//! disk. The paths and the contents of `vol_data.json` are upstream's, so that drivers find what they know.

mod attach;
mod block;
mod data;
mod driver;
mod drivers;
mod mount;
mod node_object;
mod request;
mod spec;
mod tear_down;

pub(super) use driver::{Driver, RpcError};
pub use drivers::CsiPlugins;
pub(super) use spec::Spec;
pub(super) use tear_down::{let_go_unused, tear_down};

use super::{Place, Trouble, VolumeKind, Volumes};
use async_trait::async_trait;
use corten_api::core::v1::{CSIPersistentVolumeSource, CSIVolumeSource};
use corten_client::Client;
use drivers::Drivers;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

/// Names the directories in which they lie.
pub(super) const PLUGIN: &str = "kubernetes.io~csi";

/// The drivers on this node.
pub(super) struct Csi(Arc<Drivers>);

impl Csi {
    /// None yet.
    pub fn new(client: Client, node_name: &str) -> Self {
        Csi(Arc::new(Drivers::new(client, node_name)))
    }

    /// What the registration of plugins tells of them.
    pub fn plugins(&self) -> CsiPlugins {
        CsiPlugins::of(self.0.clone())
    }

    /// The driver of this name, if it is registered.
    pub fn driver(&self, name: &str) -> Result<Arc<Driver>, String> {
        self.0.get(name)
    }
}

#[async_trait]
impl VolumeKind for CSIVolumeSource {
    fn plugin(&self) -> &'static str {
        PLUGIN
    }

    async fn set_up(&self, place: &Place<'_>) -> Result<PathBuf, Trouble> {
        Box::pin(mount::set_up(place, &Spec::inline(self, place))).await
    }

    fn refreshes(&self) -> bool {
        true
    }
}

#[async_trait]
impl VolumeKind for CSIPersistentVolumeSource {
    fn plugin(&self) -> &'static str {
        PLUGIN
    }

    async fn set_up(&self, place: &Place<'_>) -> Result<PathBuf, Trouble> {
        let spec = Spec::persistent(self, place);
        match place.is_block() {
            true => Box::pin(block::set_up(place, &spec)).await,
            false => Box::pin(mount::set_up(place, &spec)).await,
        }
    }
}

/// A message as upstream's plugin writes it.
fn told(message: impl std::fmt::Display) -> String {
    format!("kubernetes.io/csi: {message}")
}

fn sha256(text: &str) -> String {
    let mut out = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// The directory of a volume that is staged on the node; the volume is at `globalmount` in it.
fn stage_dir(volumes: &Volumes, driver: &str, handle: &str) -> PathBuf {
    volumes.plugin_dir("kubernetes.io/csi").join(driver).join(sha256(handle))
}

/// What is staged and published one at a time.
fn lock_name(driver: &str, handle: &str) -> String {
    format!("csi/{driver}^{handle}")
}
