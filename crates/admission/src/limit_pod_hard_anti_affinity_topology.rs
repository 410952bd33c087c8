//! LimitPodHardAntiAffinityTopology: a pod may keep others off its node, not off a whole zone. Off unless
//! enabled.

use crate::check::{Check, Context, Operation};
use async_trait::async_trait;
use corten_api::core::v1::Pod;
use corten_api::{Kind, Object};
use corten_semantics::{ApiError, ApiResult};

const HOST: &str = "kubernetes.io/hostname";

pub(crate) struct LimitPodHardAntiAffinityTopology;

#[async_trait]
impl Check for LimitPodHardAntiAffinityTopology {
    fn name(&self) -> &'static str {
        "LimitPodHardAntiAffinityTopology"
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        matches!(context.operation, Operation::Create | Operation::Update) && context.is_whole::<Pod>()
    }

    async fn validate(&self, _: &Context<'_>, object: &dyn Object) -> ApiResult<()> {
        let Some(pod) = object.downcast_ref::<Pod>() else { return Ok(()) };
        let terms = pod.spec.affinity.iter().flat_map(|a| &a.pod_anti_affinity);
        let mut required = terms.flat_map(|a| &a.required_during_scheduling_ignored_during_execution);
        match required.find(|term| term.topology_key != HOST) {
            Some(term) => {
                let key = &term.topology_key;
                let why = format!(
                    "affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey {key} but only key {HOST} is allowed"
                );
                Err(ApiError::forbidden(Pod::INFO, &pod.metadata.name, &why))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{self, Request};
    use corten_api::core::v1::{Affinity, PodAffinityTerm, PodAntiAffinity};

    #[tokio::test]
    async fn only_nodes_may_be_kept_to_oneself() {
        for (key, allowed) in [(HOST, true), ("topology.kubernetes.io/zone", false)] {
            let mut pod = sample::pod("p");
            let term = PodAffinityTerm { topology_key: key.into(), ..PodAffinityTerm::default() };
            let anti = PodAntiAffinity {
                required_during_scheduling_ignored_during_execution: vec![term],
                ..PodAntiAffinity::default()
            };
            let affinity = Affinity { pod_anti_affinity: Some(Box::new(anti)), ..Affinity::default() };
            pod.spec.affinity = Some(Box::new(affinity));
            let request = Request::of::<Pod>(Operation::Create, "ns", "p");
            let found = request.validate(&LimitPodHardAntiAffinityTopology, &pod).await;
            assert_eq!(found.is_ok(), allowed, "{key}: {found:?}");
        }
    }
}
