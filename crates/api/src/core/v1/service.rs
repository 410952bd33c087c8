use crate::Api;
use crate::IntOrString;
use crate::meta::v1::Condition;
use crate::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
#[kind(
    group = "",
    version = "v1",
    plural = "services",
    storage = "services/specs",
    short = "svc",
    categories = "all",
    subresources = "proxy,status"
)]
pub struct Service {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: ServiceSpec,
    #[api(tag = 3, omitempty)]
    pub status: ServiceStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ServiceSpec {
    #[api(tag = 1, omitempty, list = "map", keys = "port,protocol", patch = "merge", key = "port")]
    pub ports: Vec<ServicePort>,
    #[api(tag = 2, omitempty, atomic)]
    pub selector: BTreeMap<String, String>,
    #[api(tag = 3, json = "clusterIP", omitempty)]
    pub cluster_ip: String,
    #[api(tag = 18, json = "clusterIPs", omitempty)]
    pub cluster_ips: Vec<String>,
    #[api(tag = 4, omitempty)]
    pub type_: String,
    #[api(tag = 5, json = "externalIPs", omitempty)]
    pub external_ips: Vec<String>,
    #[api(tag = 7, omitempty)]
    pub session_affinity: String,
    #[api(tag = 8, json = "loadBalancerIP", omitempty)]
    pub load_balancer_ip: String,
    #[api(tag = 9, omitempty)]
    pub load_balancer_source_ranges: Vec<String>,
    #[api(tag = 10, omitempty)]
    pub external_name: String,
    #[api(tag = 11, omitempty)]
    pub external_traffic_policy: String,
    #[api(tag = 12, omitempty)]
    pub health_check_node_port: i32,
    #[api(tag = 13, omitempty)]
    pub publish_not_ready_addresses: bool,
    #[api(tag = 14)]
    pub session_affinity_config: Option<Box<SessionAffinityConfig>>,
    #[api(tag = 19, omitempty)]
    pub ip_families: Vec<String>,
    #[api(tag = 17)]
    pub ip_family_policy: Option<String>,
    #[api(tag = 20)]
    pub allocate_load_balancer_node_ports: Option<bool>,
    #[api(tag = 21)]
    pub load_balancer_class: Option<String>,
    #[api(tag = 22)]
    pub internal_traffic_policy: Option<String>,
    #[api(tag = 23)]
    pub traffic_distribution: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ServicePort {
    #[api(tag = 1, omitempty)]
    pub name: String,
    #[api(tag = 2, omitempty, default = "\"TCP\"")]
    pub protocol: String,
    #[api(tag = 6)]
    pub app_protocol: Option<String>,
    #[api(tag = 3, required)]
    pub port: i32,
    #[api(tag = 4, omitempty)]
    pub target_port: IntOrString,
    #[api(tag = 5, omitempty)]
    pub node_port: i32,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct SessionAffinityConfig {
    #[api(tag = 1, json = "clientIP")]
    pub client_ip: Option<Box<ClientIPConfig>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ClientIPConfig {
    #[api(tag = 1)]
    pub timeout_seconds: Option<i32>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ServiceStatus {
    #[api(tag = 1, omitempty)]
    pub load_balancer: LoadBalancerStatus,
    #[api(tag = 2, omitempty, list = "map", keys = "type", patch = "merge", key = "type")]
    pub conditions: Vec<Condition>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct LoadBalancerStatus {
    #[api(tag = 1, omitempty)]
    pub ingress: Vec<LoadBalancerIngress>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct LoadBalancerIngress {
    #[api(tag = 1, omitempty)]
    pub ip: String,
    #[api(tag = 2, omitempty)]
    pub hostname: String,
    #[api(tag = 3)]
    pub ip_mode: Option<String>,
    #[api(tag = 4, omitempty)]
    pub ports: Vec<PortStatus>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PortStatus {
    #[api(tag = 1, required)]
    pub port: i32,
    #[api(tag = 2, required)]
    pub protocol: String,
    #[api(tag = 3)]
    pub error: Option<String>,
}
