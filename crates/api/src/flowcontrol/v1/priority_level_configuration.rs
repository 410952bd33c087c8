use crate::Api;
use crate::Time;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "flowcontrol.v1")]
#[kind(
    group = "flowcontrol.apiserver.k8s.io",
    version = "v1",
    plural = "prioritylevelconfigurations",
    cluster,
    subresources = "status"
)]
pub struct PriorityLevelConfiguration {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: PriorityLevelConfigurationSpec,
    #[api(tag = 3, omitempty)]
    pub status: PriorityLevelConfigurationStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "flowcontrol.v1")]
pub struct PriorityLevelConfigurationSpec {
    #[api(tag = 1, required)]
    pub type_: String,
    #[api(tag = 2)]
    pub limited: Option<Box<LimitedPriorityLevelConfiguration>>,
    #[api(tag = 3)]
    pub exempt: Option<Box<ExemptPriorityLevelConfiguration>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "flowcontrol.v1")]
pub struct LimitedPriorityLevelConfiguration {
    #[api(tag = 1)]
    pub nominal_concurrency_shares: Option<i32>,
    #[api(tag = 2, omitempty)]
    pub limit_response: LimitResponse,
    #[api(tag = 3)]
    pub lendable_percent: Option<i32>,
    #[api(tag = 4)]
    pub borrowing_limit_percent: Option<i32>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "flowcontrol.v1")]
pub struct LimitResponse {
    #[api(tag = 1, required)]
    pub type_: String,
    #[api(tag = 2)]
    pub queuing: Option<Box<QueuingConfiguration>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "flowcontrol.v1")]
pub struct QueuingConfiguration {
    #[api(tag = 1)]
    pub queues: i32,
    #[api(tag = 2)]
    pub hand_size: i32,
    #[api(tag = 3)]
    pub queue_length_limit: i32,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "flowcontrol.v1")]
pub struct ExemptPriorityLevelConfiguration {
    #[api(tag = 1)]
    pub nominal_concurrency_shares: Option<i32>,
    #[api(tag = 2)]
    pub lendable_percent: Option<i32>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "flowcontrol.v1")]
pub struct PriorityLevelConfigurationStatus {
    #[api(tag = 1, omitempty, list = "map", keys = "type", patch = "merge", key = "type")]
    pub conditions: Vec<PriorityLevelConfigurationCondition>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "flowcontrol.v1")]
pub struct PriorityLevelConfigurationCondition {
    #[api(tag = 1, omitempty)]
    pub type_: String,
    #[api(tag = 2, omitempty)]
    pub status: String,
    #[api(tag = 3, omitempty, nullable)]
    pub last_transition_time: Option<Time>,
    #[api(tag = 4, omitempty)]
    pub reason: String,
    #[api(tag = 5, omitempty)]
    pub message: String,
}
