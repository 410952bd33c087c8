use crate::Api;
use crate::Time;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiregistration.v1")]
#[kind(
    group = "apiregistration.k8s.io",
    version = "v1",
    plural = "apiservices",
    storage = "apiregistration.k8s.io/apiservices",
    categories = "api-extensions",
    cluster,
    subresources = "status"
)]
pub struct APIService {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: APIServiceSpec,
    #[api(tag = 3, omitempty)]
    pub status: APIServiceStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiregistration.v1")]
pub struct APIServiceSpec {
    #[api(tag = 1)]
    pub service: Option<Box<ServiceReference>>,
    #[api(tag = 2, omitempty)]
    pub group: String,
    #[api(tag = 3, omitempty)]
    pub version: String,
    #[api(tag = 4, json = "insecureSkipTLSVerify", omitempty)]
    pub insecure_skip_tls_verify: bool,
    #[api(tag = 5, omitempty)]
    pub ca_bundle: Vec<u8>,
    #[api(tag = 7, required)]
    pub group_priority_minimum: i32,
    #[api(tag = 8, required)]
    pub version_priority: i32,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiregistration.v1")]
pub struct ServiceReference {
    #[api(tag = 1, omitempty)]
    pub namespace: String,
    #[api(tag = 2, omitempty)]
    pub name: String,
    #[api(tag = 3)]
    pub port: Option<i32>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiregistration.v1")]
pub struct APIServiceStatus {
    #[api(tag = 1, omitempty, list = "map", keys = "type", patch = "merge", key = "type")]
    pub conditions: Vec<APIServiceCondition>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiregistration.v1")]
pub struct APIServiceCondition {
    #[api(tag = 1, required)]
    pub type_: String,
    #[api(tag = 2, required)]
    pub status: String,
    #[api(tag = 3, omitempty, nullable)]
    pub last_transition_time: Option<Time>,
    #[api(tag = 4, omitempty)]
    pub reason: String,
    #[api(tag = 5, omitempty)]
    pub message: String,
}
