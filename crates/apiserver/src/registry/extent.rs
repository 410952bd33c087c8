//! How much there is of each kind.

use corten_api::KindInfo;

use super::{Registry, place};
use crate::cache::Extent;

impl Registry {
    /// How much there is of every stored kind.
    pub fn extents(&self) -> Vec<(&'static KindInfo, Extent)> {
        self.cache.extents()
    }

    /// How much there is of the kind served under these names.
    pub fn extent(&self, group: &str, version: &str, plural: &str) -> Extent {
        let kind = self.kind(group, version, plural).map(place::stored_as);
        kind.and_then(|kind| self.cache.resource(kind).map(|r| r.extent())).unwrap_or_default()
    }
}
