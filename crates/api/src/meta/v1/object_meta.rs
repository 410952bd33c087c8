use crate::Api;
use crate::Raw;
use crate::Time;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
pub struct ObjectMeta {
    #[api(tag = 1, omitempty)]
    pub name: String,
    #[api(tag = 2, omitempty)]
    pub generate_name: String,
    #[api(tag = 3, omitempty)]
    pub namespace: String,
    #[api(tag = 4, omitempty)]
    pub self_link: String,
    #[api(tag = 5, omitempty)]
    pub uid: String,
    #[api(tag = 6, omitempty)]
    pub resource_version: String,
    #[api(tag = 7, omitempty)]
    pub generation: i64,
    #[api(tag = 8)]
    pub creation_timestamp: Option<Time>,
    #[api(tag = 9)]
    pub deletion_timestamp: Option<Time>,
    #[api(tag = 10)]
    pub deletion_grace_period_seconds: Option<i64>,
    #[api(tag = 11, omitempty)]
    pub labels: BTreeMap<String, String>,
    #[api(tag = 12, omitempty)]
    pub annotations: BTreeMap<String, String>,
    #[api(tag = 13, omitempty, list = "map", keys = "uid", patch = "merge", key = "uid")]
    pub owner_references: Vec<OwnerReference>,
    #[api(tag = 14, omitempty, list = "set", patch = "merge")]
    pub finalizers: Vec<String>,
    #[api(tag = 17, omitempty)]
    pub managed_fields: Vec<ManagedFieldsEntry>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
pub struct OwnerReference {
    #[api(tag = 5, required)]
    pub api_version: String,
    #[api(tag = 1, required)]
    pub kind: String,
    #[api(tag = 3, required)]
    pub name: String,
    #[api(tag = 4, required)]
    pub uid: String,
    #[api(tag = 6)]
    pub controller: Option<bool>,
    #[api(tag = 7)]
    pub block_owner_deletion: Option<bool>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
pub struct ManagedFieldsEntry {
    #[api(tag = 1, omitempty)]
    pub manager: String,
    #[api(tag = 2, omitempty)]
    pub operation: String,
    #[api(tag = 3, omitempty)]
    pub api_version: String,
    #[api(tag = 4)]
    pub time: Option<Time>,
    #[api(tag = 6, omitempty)]
    pub fields_type: String,
    #[api(tag = 7)]
    pub fields_v1: Option<Raw>,
    #[api(tag = 8, omitempty)]
    pub subresource: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
pub struct ListMeta {
    #[api(tag = 1, omitempty)]
    pub self_link: String,
    #[api(tag = 2, omitempty)]
    pub resource_version: String,
    #[api(tag = 3, omitempty)]
    pub continue_: String,
    #[api(tag = 4)]
    pub remaining_item_count: Option<i64>,
}
