use crate::Api;
use crate::IntOrString;
use crate::Time;
use crate::core::v1::PersistentVolumeClaim;
use crate::core::v1::PodTemplateSpec;
use crate::meta::v1::LabelSelector;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apps.v1")]
#[kind(
    group = "apps",
    version = "v1",
    plural = "statefulsets",
    short = "sts",
    categories = "all",
    subresources = "scale,status"
)]
pub struct StatefulSet {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: StatefulSetSpec,
    #[api(tag = 3, omitempty)]
    pub status: StatefulSetStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apps.v1")]
pub struct StatefulSetSpec {
    #[api(tag = 1)]
    pub replicas: Option<i32>,
    #[api(tag = 2, required)]
    pub selector: Option<Box<LabelSelector>>,
    #[api(tag = 3, required)]
    pub template: PodTemplateSpec,
    #[api(tag = 4, omitempty)]
    pub volume_claim_templates: Vec<PersistentVolumeClaim>,
    #[api(tag = 5)]
    pub service_name: String,
    #[api(tag = 6, omitempty)]
    pub pod_management_policy: String,
    #[api(tag = 7, omitempty)]
    pub update_strategy: StatefulSetUpdateStrategy,
    #[api(tag = 8)]
    pub revision_history_limit: Option<i32>,
    #[api(tag = 9, omitempty)]
    pub min_ready_seconds: i32,
    #[api(tag = 10)]
    pub persistent_volume_claim_retention_policy:
        Option<Box<StatefulSetPersistentVolumeClaimRetentionPolicy>>,
    #[api(tag = 11)]
    pub ordinals: Option<Box<StatefulSetOrdinals>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apps.v1")]
pub struct StatefulSetUpdateStrategy {
    #[api(tag = 1, omitempty)]
    pub type_: String,
    #[api(tag = 2)]
    pub rolling_update: Option<Box<RollingUpdateStatefulSetStrategy>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apps.v1")]
pub struct RollingUpdateStatefulSetStrategy {
    #[api(tag = 1)]
    pub partition: Option<i32>,
    #[api(tag = 2)]
    pub max_unavailable: Option<IntOrString>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apps.v1")]
pub struct StatefulSetPersistentVolumeClaimRetentionPolicy {
    #[api(tag = 1, omitempty)]
    pub when_deleted: String,
    #[api(tag = 2, omitempty)]
    pub when_scaled: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apps.v1")]
pub struct StatefulSetOrdinals {
    #[api(tag = 1)]
    pub start: i32,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apps.v1")]
pub struct StatefulSetStatus {
    #[api(tag = 1, omitempty)]
    pub observed_generation: i64,
    #[api(tag = 2, required)]
    pub replicas: i32,
    #[api(tag = 3, omitempty)]
    pub ready_replicas: i32,
    #[api(tag = 4, omitempty)]
    pub current_replicas: i32,
    #[api(tag = 5, omitempty)]
    pub updated_replicas: i32,
    #[api(tag = 6, omitempty)]
    pub current_revision: String,
    #[api(tag = 7, omitempty)]
    pub update_revision: String,
    #[api(tag = 9)]
    pub collision_count: Option<i32>,
    #[api(tag = 10, omitempty, list = "map", keys = "type", patch = "merge", key = "type")]
    pub conditions: Vec<StatefulSetCondition>,
    #[api(tag = 11)]
    pub available_replicas: i32,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apps.v1")]
pub struct StatefulSetCondition {
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
