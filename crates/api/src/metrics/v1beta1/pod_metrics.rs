use crate::meta::v1::ObjectMeta;
use crate::{Api, Quantity, Time};
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "metrics.v1beta1")]
#[kind(group = "metrics.k8s.io", version = "v1beta1", plural = "pods", verbs = "get,list")]
pub struct PodMetrics {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, required, nullable)]
    pub timestamp: Option<Time>,
    #[api(tag = 3, required)]
    pub window: String,
    #[api(tag = 4, required)]
    pub containers: Vec<ContainerMetrics>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "metrics.v1beta1")]
pub struct ContainerMetrics {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, required)]
    pub usage: BTreeMap<String, Quantity>,
}
