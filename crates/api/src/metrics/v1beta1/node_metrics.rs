use crate::meta::v1::ObjectMeta;
use crate::{Api, Quantity, Time};
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "metrics.v1beta1")]
#[kind(group = "metrics.k8s.io", version = "v1beta1", plural = "nodes", cluster, verbs = "get,list")]
pub struct NodeMetrics {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, required, nullable)]
    pub timestamp: Option<Time>,
    /// A duration in Go's notation; upstream's protobuf has a message here, so these kinds are served as
    /// JSON alone.
    #[api(tag = 3, required)]
    pub window: String,
    #[api(tag = 4, required)]
    pub usage: BTreeMap<String, Quantity>,
}
