//! Images: where they come from, and where they lie.
//!
//! [`Images`] pulls them from registries ([`registry`]) or takes them from archives ([`import`]). Every byte is
//! held against the digest that named it. A layer is unpacked while it is downloaded, into a directory that
//! nothing can be written out of ([`unpack`]), and appears among the layers only when the digests of both the
//! compressed and the uncompressed archive match.
//!
//! On disk, below the root:
//!
//! | path | is |
//! |---|---|
//! | `images/<hex>.json` | an image's record: names, digests, manifest; written whole or not at all |
//! | `blobs/sha256/<hex>` | manifests and configurations; a layer's archive is not kept once it is unpacked |
//! | `layers/<n>/fs` | a layer's files, as overlayfs wants them (whiteouts are devices 0/0) |
//! | `layers/<n>/layer.json` | the stack it ends (its chain id), its size, the boot it was written in |
//! | `tmp/` | what is half done; emptied at start |
//!
//! Layer directories have short names because overlayfs takes all of them in one page of mount options. Layers
//! are shared by all images with the same stack below; [`Images::collect`] removes those that nobody needs.

mod config;
mod digest;
mod error;
mod import;
mod manifest;
mod progress;
mod pull;
mod reference;
pub mod registry;
mod service;
mod store;
#[cfg(test)]
mod tests;
mod unpack;

pub use config::ImageConfig;
pub use digest::Digest;
pub use error::{Error, Result};
pub use progress::Progress;
pub use reference::Reference;
pub use registry::{Registries, RegistryConfig};
pub use service::ImageService;
pub use store::Usage;

use corten_node_api::cri::AuthConfig;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What [`Images::open`] wants to know.
#[derive(Clone, Debug, Default)]
pub struct ImagesConfig {
    /// The directory that holds everything; made if it is missing. It belongs to one process.
    pub root: PathBuf,
    /// Mirrors, certificates and patience.
    pub registries: Registries,
    /// Names of images that are never removed to make room.
    pub pinned: Vec<String>,
}

/// An image that is here, with all its layers.
#[derive(Clone, Debug)]
pub struct Image {
    /// The digest of its configuration, `sha256:…`.
    pub id: String,
    /// Complete names with a tag, such as `docker.io/library/busybox:latest`.
    pub tags: Vec<String>,
    /// Complete names with a digest, as the registry knows it.
    pub digests: Vec<String>,
    /// Bytes on disk, counting shared layers too.
    pub size: u64,
    /// How to run it.
    pub config: ImageConfig,
    /// `amd64` and so on; empty if the image does not say.
    pub architecture: String,
    /// Lowest first.
    pub layers: Vec<Layer>,
    /// Whether it is never removed to make room.
    pub pinned: bool,
    /// The configuration blob, as the builder wrote it.
    pub raw_config: Arc<str>,
    /// The digest of its manifest, if it came with one.
    pub manifest: Option<Digest>,
}

/// One layer of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The short name, for [`Images::collect`].
    pub id: String,
    /// The directory with its files.
    pub path: PathBuf,
}

/// What [`Images::collect`] removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Layers.
    pub layers: usize,
    /// Bytes they took.
    pub bytes: u64,
}

/// The images of this node. Clones share everything.
#[derive(Clone)]
pub struct Images {
    store: Arc<store::Store>,
    puller: Arc<pull::Puller>,
}

impl Images {
    /// Finds again what is in the root directory, and removes what was left half done. Blocks on the disk.
    pub fn open(config: ImagesConfig) -> Result<Images> {
        let store = Arc::new(store::Store::open(&config.root, &config.pinned)?);
        let puller = Arc::new(pull::Puller::new(store.clone(), config.registries));
        Ok(Images { store, puller })
    }

    /// The image of that ID (with or without `sha256:`, or an unambiguous beginning of it), tag, digest or
    /// incomplete name.
    pub fn resolve(&self, image: &str) -> Option<Arc<Image>> {
        self.store.resolve(image)
    }

    /// All images, by ID.
    pub fn list(&self) -> Vec<Arc<Image>> {
        self.store.list()
    }

    /// Fetches an image, or only looks whether the registry still means the one that is here. Whoever asks for
    /// the same image with the same credentials meanwhile shares the work; it ends when nobody waits any more.
    pub async fn pull(&self, image: &str, auth: Option<AuthConfig>) -> Result<Arc<Image>> {
        self.puller.pull(image, auth).await
    }

    /// How far the pull of this image is, if there is one.
    pub fn progress(&self, image: &str) -> Option<Progress> {
        self.puller.progress(image)
    }

    /// Takes the images of an OCI or docker archive (a tar file, perhaps compressed, or the directory of an OCI
    /// layout) and returns their names, or the IDs of those without.
    pub async fn import(&self, archive: &Path) -> Result<Vec<String>> {
        import::import(self.store.clone(), archive.to_owned()).await
    }

    /// Forgets an image, by anything that [`Images::resolve`] takes, with all its names. Returns whether it was
    /// there. Its layers stay until [`Images::collect`].
    pub fn remove(&self, image: &str) -> Result<bool> {
        self.store.remove(image)
    }

    /// Removes layers and blobs that belong to no image, are in no pull, and are not in use. An image that was
    /// removed while somebody still holds it (an `Arc<Image>`) keeps its layers. Blocks on the disk.
    pub fn collect(&self, in_use: &BTreeSet<String>) -> Result<Collected> {
        self.store.collect(|| in_use.clone())
    }

    /// The same beside others who make containers: `in_use` is called after it was looked who holds an image, so
    /// whoever holds the image until its layers are in use is safe.
    pub fn collect_beside(&self, in_use: impl FnOnce() -> BTreeSet<String>) -> Result<Collected> {
        self.store.collect(in_use)
    }

    /// What all of it takes on disk. Cheap: sizes are noted when layers are unpacked.
    pub fn usage(&self) -> Usage {
        self.store.usage()
    }

    /// The directory that holds everything.
    pub fn root(&self) -> &Path {
        self.store.root()
    }
}
