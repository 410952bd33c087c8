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
    plural = "deployments",
    short = "deploy",
    categories = "all",
    subresources = "scale,status"
)]
pub struct Deployment {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: DeploymentSpec,
    #[api(tag = 3, omitempty)]
    pub status: DeploymentStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apps.v1")]
pub struct DeploymentSpec {
    #[api(tag = 1)]
    pub replicas: Option<i32>,
    #[api(tag = 2, required)]
    pub selector: Option<Box<LabelSelector>>,
    #[api(tag = 3, required)]
    pub template: PodTemplateSpec,
    #[api(tag = 4, omitempty, patch = "retainKeys")]
    pub strategy: DeploymentStrategy,
    #[api(tag = 5, omitempty)]
    pub min_ready_seconds: i32,
    #[api(tag = 6)]
    pub revision_history_limit: Option<i32>,
    #[api(tag = 7, omitempty)]
    pub paused: bool,
    #[api(tag = 9)]
    pub progress_deadline_seconds: Option<i32>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apps.v1")]
pub struct DeploymentStrategy {
    #[api(tag = 1, omitempty)]
    pub type_: String,
    #[api(tag = 2)]
    pub rolling_update: Option<Box<RollingUpdateDeployment>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apps.v1")]
pub struct RollingUpdateDeployment {
    #[api(tag = 1)]
    pub max_unavailable: Option<IntOrString>,
    #[api(tag = 2)]
    pub max_surge: Option<IntOrString>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apps.v1")]
pub struct DeploymentStatus {
    #[api(tag = 1, omitempty)]
    pub observed_generation: i64,
    #[api(tag = 2, omitempty)]
    pub replicas: i32,
    #[api(tag = 3, omitempty)]
    pub updated_replicas: i32,
    #[api(tag = 7, omitempty)]
    pub ready_replicas: i32,
    #[api(tag = 4, omitempty)]
    pub available_replicas: i32,
    #[api(tag = 5, omitempty)]
    pub unavailable_replicas: i32,
    #[api(tag = 9)]
    pub terminating_replicas: Option<i32>,
    #[api(tag = 6, omitempty, list = "map", keys = "type", patch = "merge", key = "type")]
    pub conditions: Vec<DeploymentCondition>,
    #[api(tag = 8)]
    pub collision_count: Option<i32>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apps.v1")]
pub struct DeploymentCondition {
    #[api(tag = 1, required)]
    pub type_: String,
    #[api(tag = 2, required)]
    pub status: String,
    #[api(tag = 6, omitempty, nullable)]
    pub last_update_time: Option<Time>,
    #[api(tag = 7, omitempty, nullable)]
    pub last_transition_time: Option<Time>,
    #[api(tag = 4, omitempty)]
    pub reason: String,
    #[api(tag = 5, omitempty)]
    pub message: String,
}
