//! How much there is of each resource, near enough for metrics and for what a list will cost.

use corten_api::KindInfo;

use super::{Resource, WatchCache};

/// Objects of a resource, and the bytes of one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    pub objects: usize,
    pub bytes_each: usize,
}

impl Resource {
    /// How much there is now; one object speaks for all.
    pub(crate) fn extent(&self) -> Extent {
        let snapshot = self.snapshot();
        let bytes_each = snapshot.range(&self.prefix, "").next().map_or(0, |entry| entry.bytes());
        Extent { objects: snapshot.len(), bytes_each }
    }
}

impl WatchCache {
    /// How much there is of every resource.
    pub(crate) fn extents(&self) -> Vec<(&'static KindInfo, Extent)> {
        self.resources.load().values().map(|resource| (resource.kind, resource.extent())).collect()
    }
}
