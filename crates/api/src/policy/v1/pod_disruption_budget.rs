use crate::Api;
use crate::IntOrString;
use crate::Time;
use crate::meta::v1::Condition;
use crate::meta::v1::LabelSelector;
use crate::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "policy.v1")]
#[kind(
    group = "policy",
    version = "v1",
    plural = "poddisruptionbudgets",
    short = "pdb",
    subresources = "status"
)]
pub struct PodDisruptionBudget {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: PodDisruptionBudgetSpec,
    #[api(tag = 3, omitempty)]
    pub status: PodDisruptionBudgetStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "policy.v1")]
pub struct PodDisruptionBudgetSpec {
    #[api(tag = 1)]
    pub min_available: Option<IntOrString>,
    #[api(tag = 2, patch = "replace")]
    pub selector: Option<Box<LabelSelector>>,
    #[api(tag = 3)]
    pub max_unavailable: Option<IntOrString>,
    #[api(tag = 4)]
    pub unhealthy_pod_eviction_policy: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "policy.v1")]
pub struct PodDisruptionBudgetStatus {
    #[api(tag = 1, omitempty)]
    pub observed_generation: i64,
    #[api(tag = 2, omitempty)]
    pub disrupted_pods: BTreeMap<String, Option<Time>>,
    #[api(tag = 3, required)]
    pub disruptions_allowed: i32,
    #[api(tag = 4, required)]
    pub current_healthy: i32,
    #[api(tag = 5, required)]
    pub desired_healthy: i32,
    #[api(tag = 6, required)]
    pub expected_pods: i32,
    #[api(tag = 7, omitempty, list = "map", keys = "type", patch = "merge", key = "type")]
    pub conditions: Vec<Condition>,
}
