//! An image's record, and how the image is put together from it.

use crate::images::config::ImageDocument;
use crate::images::digest::{Digest, chain_ids};
use crate::images::error::{Error, Result};
use crate::images::{Image, Layer};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What `images/<hex>.json` holds. The file's name is the ID's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::images) struct Record {
    /// The digest of the configuration.
    pub id: Digest,
    /// The digest of the manifest, if it came with one.
    pub manifest: Option<Digest>,
    /// Complete names with a tag.
    pub tags: Vec<String>,
    /// Complete names with a digest.
    pub digests: Vec<String>,
    /// Grows with every record written; of two records that claim a tag, the later is right.
    pub sequence: u64,
}

/// The image that a record, its configuration and its layers make.
pub(super) fn image(
    record: &Record,
    raw_config: &[u8],
    pinned: &[String],
    layer: impl Fn(&Digest) -> Option<(Layer, u64)>,
) -> Result<Image> {
    let document = parse_document(raw_config)?;
    let mut size = raw_config.len() as u64;
    let mut layers = Vec::new();
    for chain in chain_ids(&document.rootfs.diff_ids) {
        let (layer, bytes) = layer(&chain)
            .ok_or_else(|| Error::NotFound { what: format!("layer {chain} of image {}", record.id) })?;
        size += bytes;
        layers.push(layer);
    }
    let raw_config =
        std::str::from_utf8(raw_config).map_err(|_| Error::invalid("the configuration is not UTF-8"))?;
    Ok(Image {
        id: record.id.to_string(),
        tags: record.tags.clone(),
        digests: record.digests.clone(),
        size,
        config: document.config,
        architecture: document.architecture,
        layers,
        pinned: record.tags.iter().chain(&record.digests).any(|name| pinned.contains(name)),
        raw_config: Arc::from(raw_config),
        manifest: record.manifest.clone(),
    })
}

/// Reads a configuration blob.
pub(in crate::images) fn parse_document(raw: &[u8]) -> Result<ImageDocument> {
    serde_json::from_slice(raw)
        .map_err(|error| Error::invalid(format!("the image's configuration is malformed: {error}")))
}
