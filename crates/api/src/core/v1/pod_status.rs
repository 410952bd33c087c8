use super::*;
use crate::Api;
use crate::Quantity;
use crate::Time;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PodStatus {
    #[api(tag = 17, omitempty)]
    pub observed_generation: i64,
    #[api(tag = 1, omitempty)]
    pub phase: String,
    #[api(tag = 2, omitempty, list = "map", keys = "type", patch = "merge", key = "type")]
    pub conditions: Vec<PodCondition>,
    #[api(tag = 3, omitempty)]
    pub message: String,
    #[api(tag = 4, omitempty)]
    pub reason: String,
    #[api(tag = 11, omitempty)]
    pub nominated_node_name: String,
    #[api(tag = 5, json = "hostIP", omitempty)]
    pub host_ip: String,
    #[api(tag = 16, json = "hostIPs", omitempty, patch = "merge", key = "ip")]
    pub host_ips: Vec<HostIP>,
    #[api(tag = 6, json = "podIP", omitempty)]
    pub pod_ip: String,
    #[api(tag = 12, json = "podIPs", omitempty, list = "map", keys = "ip", patch = "merge", key = "ip")]
    pub pod_ips: Vec<PodIP>,
    #[api(tag = 7)]
    pub start_time: Option<Time>,
    #[api(tag = 10, omitempty)]
    pub init_container_statuses: Vec<ContainerStatus>,
    #[api(tag = 8, omitempty)]
    pub container_statuses: Vec<ContainerStatus>,
    #[api(tag = 9, omitempty)]
    pub qos_class: String,
    #[api(tag = 13, omitempty)]
    pub ephemeral_container_statuses: Vec<ContainerStatus>,
    #[api(tag = 14, omitempty)]
    pub resize: String,
    #[api(tag = 15, omitempty, list = "map", keys = "name", patch = "merge,retainKeys", key = "name")]
    pub resource_claim_statuses: Vec<PodResourceClaimStatus>,
    #[api(tag = 18)]
    pub extended_resource_claim_status: Option<Box<PodExtendedResourceClaimStatus>>,
    #[api(tag = 19, omitempty)]
    pub allocated_resources: BTreeMap<String, Quantity>,
    #[api(tag = 20)]
    pub resources: Option<Box<ResourceRequirements>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PodCondition {
    #[api(tag = 1, required)]
    pub type_: String,
    #[api(tag = 7, omitempty)]
    pub observed_generation: i64,
    #[api(tag = 2, required)]
    pub status: String,
    #[api(tag = 3, omitempty, nullable)]
    pub last_probe_time: Option<Time>,
    #[api(tag = 4, omitempty, nullable)]
    pub last_transition_time: Option<Time>,
    #[api(tag = 5, omitempty)]
    pub reason: String,
    #[api(tag = 6, omitempty)]
    pub message: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct HostIP {
    #[api(tag = 1, required)]
    pub ip: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PodIP {
    #[api(tag = 1, required)]
    pub ip: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PodResourceClaimStatus {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2)]
    pub resource_claim_name: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PodExtendedResourceClaimStatus {
    #[api(tag = 1, required)]
    pub request_mappings: Vec<ContainerExtendedResourceRequest>,
    #[api(tag = 2, required)]
    pub resource_claim_name: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ContainerExtendedResourceRequest {
    #[api(tag = 1, required)]
    pub container_name: String,
    #[api(tag = 2, required)]
    pub resource_name: String,
    #[api(tag = 3, required)]
    pub request_name: String,
}
