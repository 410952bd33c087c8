use crate::Api;
use crate::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
#[kind(group = "", version = "v1", plural = "configmaps", short = "cm")]
pub struct ConfigMap {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 4)]
    pub immutable: Option<bool>,
    #[api(tag = 2, omitempty)]
    pub data: BTreeMap<String, String>,
    #[api(tag = 3, omitempty)]
    pub binary_data: BTreeMap<String, Vec<u8>>,
}
