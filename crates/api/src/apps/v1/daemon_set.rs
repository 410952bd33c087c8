use crate::Api;
use crate::IntOrString;
use crate::Time;
use crate::core::v1::PodTemplateSpec;
use crate::meta::v1::LabelSelector;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apps.v1")]
#[kind(
    group = "apps",
    version = "v1",
    plural = "daemonsets",
    short = "ds",
    categories = "all",
    subresources = "status"
)]
pub struct DaemonSet {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: DaemonSetSpec,
    #[api(tag = 3, omitempty)]
    pub status: DaemonSetStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apps.v1")]
pub struct DaemonSetSpec {
    #[api(tag = 1, required)]
    pub selector: Option<Box<LabelSelector>>,
    #[api(tag = 2, required)]
    pub template: PodTemplateSpec,
    #[api(tag = 3, omitempty)]
    pub update_strategy: DaemonSetUpdateStrategy,
    #[api(tag = 4, omitempty)]
    pub min_ready_seconds: i32,
    #[api(tag = 6)]
    pub revision_history_limit: Option<i32>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apps.v1")]
pub struct DaemonSetUpdateStrategy {
    #[api(tag = 1, omitempty)]
    pub type_: String,
    #[api(tag = 2)]
    pub rolling_update: Option<Box<RollingUpdateDaemonSet>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apps.v1")]
pub struct RollingUpdateDaemonSet {
    #[api(tag = 1)]
    pub max_unavailable: Option<IntOrString>,
    #[api(tag = 2)]
    pub max_surge: Option<IntOrString>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apps.v1")]
pub struct DaemonSetStatus {
    #[api(tag = 1, required)]
    pub current_number_scheduled: i32,
    #[api(tag = 2, required)]
    pub number_misscheduled: i32,
    #[api(tag = 3, required)]
    pub desired_number_scheduled: i32,
    #[api(tag = 4, required)]
    pub number_ready: i32,
    #[api(tag = 5, omitempty)]
    pub observed_generation: i64,
    #[api(tag = 6, omitempty)]
    pub updated_number_scheduled: i32,
    #[api(tag = 7, omitempty)]
    pub number_available: i32,
    #[api(tag = 8, omitempty)]
    pub number_unavailable: i32,
    #[api(tag = 9)]
    pub collision_count: Option<i32>,
    #[api(tag = 10, omitempty, list = "map", keys = "type", patch = "merge", key = "type")]
    pub conditions: Vec<DaemonSetCondition>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apps.v1")]
pub struct DaemonSetCondition {
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
