use crate::Api;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "storage.v1")]
#[kind(group = "storage.k8s.io", version = "v1", plural = "csinodes", cluster)]
pub struct CSINode {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, required)]
    pub spec: CSINodeSpec,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "storage.v1")]
pub struct CSINodeSpec {
    #[api(tag = 1, required, list = "map", keys = "name", patch = "merge", key = "name")]
    pub drivers: Vec<CSINodeDriver>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "storage.v1")]
pub struct CSINodeDriver {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, json = "nodeID", required)]
    pub node_id: String,
    #[api(tag = 3)]
    pub topology_keys: Vec<String>,
    #[api(tag = 4)]
    pub allocatable: Option<Box<VolumeNodeResources>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "storage.v1")]
pub struct VolumeNodeResources {
    #[api(tag = 1)]
    pub count: Option<i32>,
}
