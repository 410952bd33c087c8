use crate::Api;
use crate::core::v1::ObjectReference;
use crate::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "discovery.v1")]
#[kind(group = "discovery.k8s.io", version = "v1", plural = "endpointslices")]
pub struct EndpointSlice {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 4, required)]
    pub address_type: String,
    #[api(tag = 2, required)]
    pub endpoints: Vec<Endpoint>,
    #[api(tag = 3)]
    pub ports: Vec<EndpointPort>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "discovery.v1")]
pub struct Endpoint {
    #[api(tag = 1, required, list = "set")]
    pub addresses: Vec<String>,
    #[api(tag = 2, omitempty)]
    pub conditions: EndpointConditions,
    #[api(tag = 3)]
    pub hostname: Option<String>,
    #[api(tag = 4)]
    pub target_ref: Option<Box<ObjectReference>>,
    #[api(tag = 5, omitempty)]
    pub deprecated_topology: BTreeMap<String, String>,
    #[api(tag = 6)]
    pub node_name: Option<String>,
    #[api(tag = 7)]
    pub zone: Option<String>,
    #[api(tag = 8)]
    pub hints: Option<Box<EndpointHints>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "discovery.v1")]
pub struct EndpointConditions {
    #[api(tag = 1)]
    pub ready: Option<bool>,
    #[api(tag = 2)]
    pub serving: Option<bool>,
    #[api(tag = 3)]
    pub terminating: Option<bool>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "discovery.v1")]
pub struct EndpointHints {
    #[api(tag = 1, omitempty)]
    pub for_zones: Vec<ForZone>,
    #[api(tag = 2, omitempty)]
    pub for_nodes: Vec<ForNode>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "discovery.v1")]
pub struct ForZone {
    #[api(tag = 1, required)]
    pub name: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "discovery.v1")]
pub struct ForNode {
    #[api(tag = 1, required)]
    pub name: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "discovery.v1")]
pub struct EndpointPort {
    #[api(tag = 1)]
    pub name: Option<String>,
    #[api(tag = 2)]
    pub protocol: Option<String>,
    #[api(tag = 3)]
    pub port: Option<i32>,
    #[api(tag = 4)]
    pub app_protocol: Option<String>,
}
