use super::*;
use crate::Api;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
#[kind(group = "", version = "v1", plural = "endpoints", storage = "services/endpoints", short = "ep")]
pub struct Endpoints {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub subsets: Vec<EndpointSubset>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct EndpointSubset {
    #[api(tag = 1, omitempty)]
    pub addresses: Vec<EndpointAddress>,
    #[api(tag = 2, omitempty)]
    pub not_ready_addresses: Vec<EndpointAddress>,
    #[api(tag = 3, omitempty)]
    pub ports: Vec<EndpointPort>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct EndpointAddress {
    #[api(tag = 1, required)]
    pub ip: String,
    #[api(tag = 3, omitempty)]
    pub hostname: String,
    #[api(tag = 4)]
    pub node_name: Option<String>,
    #[api(tag = 2)]
    pub target_ref: Option<Box<ObjectReference>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct EndpointPort {
    #[api(tag = 1, omitempty)]
    pub name: String,
    #[api(tag = 2, required)]
    pub port: i32,
    #[api(tag = 3, omitempty)]
    pub protocol: String,
    #[api(tag = 4)]
    pub app_protocol: Option<String>,
}
