use crate::Api;
use crate::Quantity;
use crate::meta::v1::LabelSelector;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v2")]
pub struct MetricSpec {
    #[api(tag = 1, required)]
    pub type_: String,
    #[api(tag = 2)]
    pub object: Option<Box<ObjectMetricSource>>,
    #[api(tag = 3)]
    pub pods: Option<Box<PodsMetricSource>>,
    #[api(tag = 4)]
    pub resource: Option<Box<ResourceMetricSource>>,
    #[api(tag = 7)]
    pub container_resource: Option<Box<ContainerResourceMetricSource>>,
    #[api(tag = 5)]
    pub external: Option<Box<ExternalMetricSource>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v2")]
pub struct ObjectMetricSource {
    #[api(tag = 1, required)]
    pub described_object: CrossVersionObjectReference,
    #[api(tag = 2, required)]
    pub target: MetricTarget,
    #[api(tag = 3, required)]
    pub metric: MetricIdentifier,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v2")]
pub struct CrossVersionObjectReference {
    #[api(tag = 1, required)]
    pub kind: String,
    #[api(tag = 2, required)]
    pub name: String,
    #[api(tag = 3, omitempty)]
    pub api_version: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v2")]
pub struct MetricTarget {
    #[api(tag = 1, required)]
    pub type_: String,
    #[api(tag = 2)]
    pub value: Option<Quantity>,
    #[api(tag = 3)]
    pub average_value: Option<Quantity>,
    #[api(tag = 4)]
    pub average_utilization: Option<i32>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v2")]
pub struct MetricIdentifier {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2)]
    pub selector: Option<Box<LabelSelector>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v2")]
pub struct PodsMetricSource {
    #[api(tag = 1, required)]
    pub metric: MetricIdentifier,
    #[api(tag = 2, required)]
    pub target: MetricTarget,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v2")]
pub struct ResourceMetricSource {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, required)]
    pub target: MetricTarget,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v2")]
pub struct ContainerResourceMetricSource {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, required)]
    pub target: MetricTarget,
    #[api(tag = 3, required)]
    pub container: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v2")]
pub struct ExternalMetricSource {
    #[api(tag = 1, required)]
    pub metric: MetricIdentifier,
    #[api(tag = 2, required)]
    pub target: MetricTarget,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v2")]
pub struct MetricStatus {
    #[api(tag = 1, required)]
    pub type_: String,
    #[api(tag = 2)]
    pub object: Option<Box<ObjectMetricStatus>>,
    #[api(tag = 3)]
    pub pods: Option<Box<PodsMetricStatus>>,
    #[api(tag = 4)]
    pub resource: Option<Box<ResourceMetricStatus>>,
    #[api(tag = 7)]
    pub container_resource: Option<Box<ContainerResourceMetricStatus>>,
    #[api(tag = 5)]
    pub external: Option<Box<ExternalMetricStatus>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v2")]
pub struct ObjectMetricStatus {
    #[api(tag = 1, required)]
    pub metric: MetricIdentifier,
    #[api(tag = 2, required)]
    pub current: MetricValueStatus,
    #[api(tag = 3, required)]
    pub described_object: CrossVersionObjectReference,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v2")]
pub struct MetricValueStatus {
    #[api(tag = 1)]
    pub value: Option<Quantity>,
    #[api(tag = 2)]
    pub average_value: Option<Quantity>,
    #[api(tag = 3)]
    pub average_utilization: Option<i32>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v2")]
pub struct PodsMetricStatus {
    #[api(tag = 1, required)]
    pub metric: MetricIdentifier,
    #[api(tag = 2, required)]
    pub current: MetricValueStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v2")]
pub struct ResourceMetricStatus {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, required)]
    pub current: MetricValueStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v2")]
pub struct ContainerResourceMetricStatus {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, required)]
    pub current: MetricValueStatus,
    #[api(tag = 3, required)]
    pub container: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v2")]
pub struct ExternalMetricStatus {
    #[api(tag = 1, required)]
    pub metric: MetricIdentifier,
    #[api(tag = 2, required)]
    pub current: MetricValueStatus,
}
