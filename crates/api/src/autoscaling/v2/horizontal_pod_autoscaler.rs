use super::*;
use crate::Api;
use crate::Quantity;
use crate::Time;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v2")]
#[kind(
    group = "autoscaling",
    version = "v2",
    plural = "horizontalpodautoscalers",
    short = "hpa",
    categories = "all",
    subresources = "status"
)]
pub struct HorizontalPodAutoscaler {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: HorizontalPodAutoscalerSpec,
    #[api(tag = 3, omitempty)]
    pub status: HorizontalPodAutoscalerStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v2")]
pub struct HorizontalPodAutoscalerSpec {
    #[api(tag = 1, required)]
    pub scale_target_ref: CrossVersionObjectReference,
    #[api(tag = 2)]
    pub min_replicas: Option<i32>,
    #[api(tag = 3, required)]
    pub max_replicas: i32,
    #[api(tag = 4, omitempty)]
    pub metrics: Vec<MetricSpec>,
    #[api(tag = 5)]
    pub behavior: Option<Box<HorizontalPodAutoscalerBehavior>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v2")]
pub struct HorizontalPodAutoscalerBehavior {
    #[api(tag = 1)]
    pub scale_up: Option<Box<HPAScalingRules>>,
    #[api(tag = 2)]
    pub scale_down: Option<Box<HPAScalingRules>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v2")]
pub struct HPAScalingRules {
    #[api(tag = 3)]
    pub stabilization_window_seconds: Option<i32>,
    #[api(tag = 1)]
    pub select_policy: Option<String>,
    #[api(tag = 2, omitempty)]
    pub policies: Vec<HPAScalingPolicy>,
    #[api(tag = 4)]
    pub tolerance: Option<Quantity>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v2")]
pub struct HPAScalingPolicy {
    #[api(tag = 1, required)]
    pub type_: String,
    #[api(tag = 2, required)]
    pub value: i32,
    #[api(tag = 3, required)]
    pub period_seconds: i32,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v2")]
pub struct HorizontalPodAutoscalerStatus {
    #[api(tag = 1)]
    pub observed_generation: Option<i64>,
    #[api(tag = 2)]
    pub last_scale_time: Option<Time>,
    #[api(tag = 3, omitempty)]
    pub current_replicas: i32,
    #[api(tag = 4, required)]
    pub desired_replicas: i32,
    #[api(tag = 5)]
    pub current_metrics: Vec<MetricStatus>,
    #[api(tag = 6, omitempty, list = "map", keys = "type", patch = "merge", key = "type")]
    pub conditions: Vec<HorizontalPodAutoscalerCondition>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v2")]
pub struct HorizontalPodAutoscalerCondition {
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
