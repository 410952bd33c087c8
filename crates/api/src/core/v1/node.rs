use super::*;
use crate::Api;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
#[kind(
    group = "",
    version = "v1",
    plural = "nodes",
    storage = "minions",
    short = "no",
    cluster,
    subresources = "proxy,status"
)]
pub struct Node {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: NodeSpec,
    #[api(tag = 3, omitempty)]
    pub status: NodeStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct NodeSpec {
    #[api(tag = 1, json = "podCIDR", omitempty)]
    pub pod_cidr: String,
    #[api(tag = 7, json = "podCIDRs", omitempty, list = "set", patch = "merge")]
    pub pod_cidrs: Vec<String>,
    #[api(tag = 3, json = "providerID", omitempty)]
    pub provider_id: String,
    #[api(tag = 4, omitempty)]
    pub unschedulable: bool,
    #[api(tag = 5, omitempty)]
    pub taints: Vec<Taint>,
    #[api(tag = 6)]
    pub config_source: Option<Box<NodeConfigSource>>,
    #[api(tag = 2, json = "externalID", omitempty)]
    pub external_id: String,
}
