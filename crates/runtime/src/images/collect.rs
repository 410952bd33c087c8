//! Which layers are needed.

use super::Image;
use std::collections::BTreeSet;

/// What a collection removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Layers.
    pub layers: usize,
    /// Bytes they took.
    pub bytes: u64,
}

/// The IDs of layers of images that are here, of images that are removed but held, and of containers.
pub(super) fn needed<'a>(
    images: impl Iterator<Item = &'a Image>,
    held: impl Iterator<Item = &'a Image>,
    in_use: &BTreeSet<String>,
) -> BTreeSet<String> {
    let of_images = images.chain(held).flat_map(|image| image.layers.iter().map(|layer| layer.id.clone()));
    of_images.chain(in_use.iter().cloned()).collect()
}
