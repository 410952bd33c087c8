//! Resource claims (KEP-4381). Devices are not allocated yet: a pod with claims waits, rather than run
//! without what it needs.

use crate::cluster::Cluster;
use crate::framework::{Failed, Plugin, PostFilter, PostFilterResult, PreFilter, PreFilterResult, Rejection};
use crate::pod_info::PodInfo;

/// The plugin.
pub struct DynamicResources;

impl Plugin for DynamicResources {
    fn name(&self) -> &'static str {
        "DynamicResources"
    }
    fn pre_filter(&self) -> Option<&dyn PreFilter> {
        Some(self)
    }
    fn post_filter(&self) -> Option<&dyn PostFilter> {
        Some(self)
    }
}

impl PreFilter for DynamicResources {
    fn pre_filter(&self, pod: &PodInfo, _: &Cluster) -> Result<PreFilterResult, Rejection> {
        if pod.pod.spec.resource_claims.is_empty() {
            return Ok(PreFilterResult::Skip);
        }
        Err(Rejection::unresolvable("cannot allocate all claims"))
    }
}

impl PostFilter for DynamicResources {
    fn post_filter(&self, _: &Failed<'_>) -> PostFilterResult {
        PostFilterResult::Nothing("no new claims to deallocate".into())
    }
}
