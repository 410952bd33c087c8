//! The group `storage.k8s.io`.

mod csi;
pub(crate) mod csi_driver;
mod storage_class;

pub use csi::{CSIDriverStrategy, CSINodeStrategy, CSIStorageCapacityStrategy, VolumeAttachmentStrategy};
pub use storage_class::{StorageClassStrategy, VolumeAttributesClassStrategy};
