use crate::Api;
use crate::meta::v1::{GroupVersionKind, ObjectMeta};

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apidiscovery.v2")]
#[kind(group = "apidiscovery.k8s.io", version = "v2")]
pub struct APIGroupDiscovery {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty, list = "map", keys = "version")]
    pub versions: Vec<APIVersionDiscovery>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apidiscovery.v2")]
pub struct APIVersionDiscovery {
    #[api(tag = 1, required)]
    pub version: String,
    #[api(tag = 2, omitempty, list = "map", keys = "resource")]
    pub resources: Vec<APIResourceDiscovery>,
    #[api(tag = 3, omitempty)]
    pub freshness: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apidiscovery.v2")]
pub struct APIResourceDiscovery {
    #[api(tag = 1, required)]
    pub resource: String,
    #[api(tag = 2)]
    pub response_kind: Option<Box<GroupVersionKind>>,
    #[api(tag = 3, required)]
    pub scope: String,
    #[api(tag = 4, required)]
    pub singular_resource: String,
    #[api(tag = 5, required, list = "set")]
    pub verbs: Vec<String>,
    #[api(tag = 6, omitempty, list = "set")]
    pub short_names: Vec<String>,
    #[api(tag = 7, omitempty, list = "set")]
    pub categories: Vec<String>,
    #[api(tag = 8, omitempty, list = "map", keys = "subresource")]
    pub subresources: Vec<APISubresourceDiscovery>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apidiscovery.v2")]
pub struct APISubresourceDiscovery {
    #[api(tag = 1, required)]
    pub subresource: String,
    #[api(tag = 2)]
    pub response_kind: Option<Box<GroupVersionKind>>,
    #[api(tag = 3, omitempty, list = "map", keys = "group,version,kind")]
    pub accepted_types: Vec<GroupVersionKind>,
    #[api(tag = 4, required, list = "set")]
    pub verbs: Vec<String>,
}
