use crate::Api;
use crate::Time;
use crate::core::v1::PodTemplateSpec;
use crate::meta::v1::LabelSelector;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apps.v1")]
#[kind(
    group = "apps",
    version = "v1",
    plural = "replicasets",
    short = "rs",
    categories = "all",
    subresources = "scale,status"
)]
pub struct ReplicaSet {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: ReplicaSetSpec,
    #[api(tag = 3, omitempty)]
    pub status: ReplicaSetStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apps.v1")]
pub struct ReplicaSetSpec {
    #[api(tag = 1)]
    pub replicas: Option<i32>,
    #[api(tag = 4, omitempty)]
    pub min_ready_seconds: i32,
    #[api(tag = 2, required)]
    pub selector: Option<Box<LabelSelector>>,
    #[api(tag = 3, omitempty)]
    pub template: PodTemplateSpec,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apps.v1")]
pub struct ReplicaSetStatus {
    #[api(tag = 1, required)]
    pub replicas: i32,
    #[api(tag = 2, omitempty)]
    pub fully_labeled_replicas: i32,
    #[api(tag = 4, omitempty)]
    pub ready_replicas: i32,
    #[api(tag = 5, omitempty)]
    pub available_replicas: i32,
    #[api(tag = 7)]
    pub terminating_replicas: Option<i32>,
    #[api(tag = 3, omitempty)]
    pub observed_generation: i64,
    #[api(tag = 6, omitempty, list = "map", keys = "type", patch = "merge", key = "type")]
    pub conditions: Vec<ReplicaSetCondition>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apps.v1")]
pub struct ReplicaSetCondition {
    #[api(tag = 1, required)]
    pub type_: String,
    #[api(tag = 2, required)]
    pub status: String,
    #[api(tag = 3, omitempty, nullable)]
    pub last_transition_time: Option<Time>,
    #[api(tag = 4, omitempty)]
    pub reason: String,
    #[api(tag = 5, omitempty)]
    pub message: String,
}
