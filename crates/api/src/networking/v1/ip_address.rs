use crate::Api;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
#[kind(group = "networking.k8s.io", version = "v1", plural = "ipaddresses", short = "ip", cluster)]
pub struct IPAddress {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: IPAddressSpec,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
pub struct IPAddressSpec {
    #[api(tag = 1)]
    pub parent_ref: Option<Box<ParentReference>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
pub struct ParentReference {
    #[api(tag = 1, omitempty)]
    pub group: String,
    #[api(tag = 2, omitempty)]
    pub resource: String,
    #[api(tag = 3, omitempty)]
    pub namespace: String,
    #[api(tag = 4, omitempty)]
    pub name: String,
}
