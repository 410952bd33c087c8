use crate::Api;
use crate::meta::v1::Condition;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
#[kind(
    group = "networking.k8s.io",
    version = "v1",
    plural = "servicecidrs",
    cluster,
    subresources = "status"
)]
pub struct ServiceCIDR {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: ServiceCIDRSpec,
    #[api(tag = 3, omitempty)]
    pub status: ServiceCIDRStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
pub struct ServiceCIDRSpec {
    #[api(tag = 1, omitempty)]
    pub cidrs: Vec<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
pub struct ServiceCIDRStatus {
    #[api(tag = 1, omitempty, list = "map", keys = "type", patch = "merge", key = "type")]
    pub conditions: Vec<Condition>,
}
