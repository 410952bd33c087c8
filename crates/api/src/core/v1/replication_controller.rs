use super::*;
use crate::Api;
use crate::Time;
use crate::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
#[kind(
    group = "",
    version = "v1",
    plural = "replicationcontrollers",
    storage = "controllers",
    short = "rc",
    categories = "all",
    subresources = "scale,status"
)]
pub struct ReplicationController {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: ReplicationControllerSpec,
    #[api(tag = 3, omitempty)]
    pub status: ReplicationControllerStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ReplicationControllerSpec {
    #[api(tag = 1, default = "1")]
    pub replicas: Option<i32>,
    #[api(tag = 4, omitempty, default = "0")]
    pub min_ready_seconds: i32,
    #[api(tag = 2, omitempty, atomic)]
    pub selector: BTreeMap<String, String>,
    #[api(tag = 3)]
    pub template: Option<Box<PodTemplateSpec>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ReplicationControllerStatus {
    #[api(tag = 1, required)]
    pub replicas: i32,
    #[api(tag = 2, omitempty)]
    pub fully_labeled_replicas: i32,
    #[api(tag = 4, omitempty)]
    pub ready_replicas: i32,
    #[api(tag = 5, omitempty)]
    pub available_replicas: i32,
    #[api(tag = 3, omitempty)]
    pub observed_generation: i64,
    #[api(tag = 6, omitempty, list = "map", keys = "type", patch = "merge", key = "type")]
    pub conditions: Vec<ReplicationControllerCondition>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ReplicationControllerCondition {
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
