use crate::Api;
use crate::Quantity;
use crate::Time;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct NodeStatus {
    #[api(tag = 1, omitempty)]
    pub capacity: BTreeMap<String, Quantity>,
    #[api(tag = 2, omitempty)]
    pub allocatable: BTreeMap<String, Quantity>,
    #[api(tag = 3, omitempty)]
    pub phase: String,
    #[api(tag = 4, omitempty, list = "map", keys = "type", patch = "merge", key = "type")]
    pub conditions: Vec<NodeCondition>,
    #[api(tag = 5, omitempty, list = "map", keys = "type", patch = "merge", key = "type")]
    pub addresses: Vec<NodeAddress>,
    #[api(tag = 6, omitempty)]
    pub daemon_endpoints: NodeDaemonEndpoints,
    #[api(tag = 7, omitempty)]
    pub node_info: NodeSystemInfo,
    #[api(tag = 8, omitempty)]
    pub images: Vec<ContainerImage>,
    #[api(tag = 9, omitempty)]
    pub volumes_in_use: Vec<String>,
    #[api(tag = 10, omitempty)]
    pub volumes_attached: Vec<AttachedVolume>,
    #[api(tag = 11)]
    pub config: Option<Box<NodeConfigStatus>>,
    #[api(tag = 12, omitempty)]
    pub runtime_handlers: Vec<NodeRuntimeHandler>,
    #[api(tag = 13)]
    pub features: Option<Box<NodeFeatures>>,
    #[api(tag = 14, omitempty)]
    pub declared_features: Vec<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct NodeCondition {
    #[api(tag = 1, required)]
    pub type_: String,
    #[api(tag = 2, required)]
    pub status: String,
    #[api(tag = 3, omitempty, nullable)]
    pub last_heartbeat_time: Option<Time>,
    #[api(tag = 4, omitempty, nullable)]
    pub last_transition_time: Option<Time>,
    #[api(tag = 5, omitempty)]
    pub reason: String,
    #[api(tag = 6, omitempty)]
    pub message: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct NodeAddress {
    #[api(tag = 1, required)]
    pub type_: String,
    #[api(tag = 2, required)]
    pub address: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct NodeDaemonEndpoints {
    #[api(tag = 1, omitempty)]
    pub kubelet_endpoint: DaemonEndpoint,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct DaemonEndpoint {
    #[api(tag = 1, json = "Port", required)]
    pub port: i32,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct NodeSystemInfo {
    #[api(tag = 1, json = "machineID", required)]
    pub machine_id: String,
    #[api(tag = 2, json = "systemUUID", required)]
    pub system_uuid: String,
    #[api(tag = 3, json = "bootID", required)]
    pub boot_id: String,
    #[api(tag = 4, required)]
    pub kernel_version: String,
    #[api(tag = 5, required)]
    pub os_image: String,
    #[api(tag = 6, required)]
    pub container_runtime_version: String,
    #[api(tag = 7, required)]
    pub kubelet_version: String,
    #[api(tag = 8, required)]
    pub kube_proxy_version: String,
    #[api(tag = 9, required)]
    pub operating_system: String,
    #[api(tag = 10, required)]
    pub architecture: String,
    #[api(tag = 11)]
    pub swap: Option<Box<NodeSwapStatus>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct NodeSwapStatus {
    #[api(tag = 1)]
    pub capacity: Option<i64>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ContainerImage {
    #[api(tag = 1)]
    pub names: Vec<String>,
    #[api(tag = 2, omitempty)]
    pub size_bytes: i64,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct AttachedVolume {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, required)]
    pub device_path: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct NodeConfigStatus {
    #[api(tag = 1)]
    pub assigned: Option<Box<NodeConfigSource>>,
    #[api(tag = 2)]
    pub active: Option<Box<NodeConfigSource>>,
    #[api(tag = 3)]
    pub last_known_good: Option<Box<NodeConfigSource>>,
    #[api(tag = 4, omitempty)]
    pub error: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct NodeConfigSource {
    #[api(tag = 2)]
    pub config_map: Option<Box<ConfigMapNodeConfigSource>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ConfigMapNodeConfigSource {
    #[api(tag = 1, required)]
    pub namespace: String,
    #[api(tag = 2, required)]
    pub name: String,
    #[api(tag = 3, omitempty)]
    pub uid: String,
    #[api(tag = 4, omitempty)]
    pub resource_version: String,
    #[api(tag = 5, required)]
    pub kubelet_config_key: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct NodeRuntimeHandler {
    #[api(tag = 1)]
    pub name: String,
    #[api(tag = 2)]
    pub features: Option<Box<NodeRuntimeHandlerFeatures>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct NodeRuntimeHandlerFeatures {
    #[api(tag = 1)]
    pub recursive_read_only_mounts: Option<bool>,
    #[api(tag = 2)]
    pub user_namespaces: Option<bool>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct NodeFeatures {
    #[api(tag = 1)]
    pub supplemental_groups_policy: Option<bool>,
}
