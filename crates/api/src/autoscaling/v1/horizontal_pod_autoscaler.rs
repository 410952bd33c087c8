use crate::Api;
use crate::Time;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v1")]
#[kind(
    group = "autoscaling",
    version = "v1",
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
#[api(package = "autoscaling.v1")]
pub struct HorizontalPodAutoscalerSpec {
    #[api(tag = 1, required)]
    pub scale_target_ref: CrossVersionObjectReference,
    #[api(tag = 2)]
    pub min_replicas: Option<i32>,
    #[api(tag = 3, required)]
    pub max_replicas: i32,
    #[api(tag = 4, json = "targetCPUUtilizationPercentage")]
    pub target_cpu_utilization_percentage: Option<i32>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v1")]
pub struct CrossVersionObjectReference {
    #[api(tag = 1, required)]
    pub kind: String,
    #[api(tag = 2, required)]
    pub name: String,
    #[api(tag = 3, omitempty)]
    pub api_version: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v1")]
pub struct HorizontalPodAutoscalerStatus {
    #[api(tag = 1)]
    pub observed_generation: Option<i64>,
    #[api(tag = 2)]
    pub last_scale_time: Option<Time>,
    #[api(tag = 3, required)]
    pub current_replicas: i32,
    #[api(tag = 4, required)]
    pub desired_replicas: i32,
    #[api(tag = 5, json = "currentCPUUtilizationPercentage")]
    pub current_cpu_utilization_percentage: Option<i32>,
}
