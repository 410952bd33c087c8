use crate::Api;
use crate::core::v1::TopologySelectorTerm;
use crate::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "storage.v1")]
#[kind(group = "storage.k8s.io", version = "v1", plural = "storageclasses", short = "sc", cluster)]
pub struct StorageClass {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, required)]
    pub provisioner: String,
    #[api(tag = 3, omitempty)]
    pub parameters: BTreeMap<String, String>,
    #[api(tag = 4)]
    pub reclaim_policy: Option<String>,
    #[api(tag = 5, omitempty)]
    pub mount_options: Vec<String>,
    #[api(tag = 6)]
    pub allow_volume_expansion: Option<bool>,
    #[api(tag = 7)]
    pub volume_binding_mode: Option<String>,
    #[api(tag = 8, omitempty)]
    pub allowed_topologies: Vec<TopologySelectorTerm>,
}
