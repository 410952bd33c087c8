use crate::Api;
use crate::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
#[kind(group = "", version = "v1", plural = "secrets")]
pub struct Secret {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 5)]
    pub immutable: Option<bool>,
    #[api(tag = 2, omitempty)]
    pub data: BTreeMap<String, Vec<u8>>,
    #[api(tag = 4, omitempty)]
    pub string_data: BTreeMap<String, String>,
    #[api(tag = 3, omitempty)]
    pub type_: String,
}
