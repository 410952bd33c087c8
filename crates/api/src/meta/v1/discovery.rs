use crate::Api;
use crate::Items;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
#[kind(group = "", version = "v1", bare)]
pub struct APIVersions {
    #[api(tag = 1, required)]
    pub versions: Vec<String>,
    #[api(tag = 2, json = "serverAddressByClientCIDRs", required)]
    pub server_address_by_client_cidrs: Vec<ServerAddressByClientCIDR>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
pub struct ServerAddressByClientCIDR {
    #[api(tag = 1, json = "clientCIDR", required)]
    pub client_cidr: String,
    #[api(tag = 2, required)]
    pub server_address: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
#[kind(group = "", version = "v1", bare)]
pub struct APIGroup {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, required)]
    pub versions: Vec<GroupVersionForDiscovery>,
    #[api(tag = 3, omitempty)]
    pub preferred_version: GroupVersionForDiscovery,
    #[api(tag = 4, json = "serverAddressByClientCIDRs", omitempty)]
    pub server_address_by_client_cidrs: Vec<ServerAddressByClientCIDR>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
pub struct GroupVersionForDiscovery {
    #[api(tag = 1, required)]
    pub group_version: String,
    #[api(tag = 2, required)]
    pub version: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
#[kind(group = "", version = "v1", bare)]
pub struct APIGroupList {
    #[api(tag = 1, required)]
    pub groups: Vec<APIGroup>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
#[kind(group = "", version = "v1", bare)]
pub struct APIResourceList {
    #[api(tag = 1, required)]
    pub group_version: String,
    #[api(tag = 2, required)]
    pub resources: Vec<APIResource>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
pub struct APIResource {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 6, required)]
    pub singular_name: String,
    #[api(tag = 2, required)]
    pub namespaced: bool,
    #[api(tag = 8, omitempty)]
    pub group: String,
    #[api(tag = 9, omitempty)]
    pub version: String,
    #[api(tag = 3, required)]
    pub kind: String,
    #[api(tag = 4, required)]
    pub verbs: Items,
    #[api(tag = 5, omitempty)]
    pub short_names: Vec<String>,
    #[api(tag = 7, omitempty)]
    pub categories: Vec<String>,
    #[api(tag = 10, omitempty)]
    pub storage_version_hash: String,
}
