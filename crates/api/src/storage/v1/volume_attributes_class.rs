use crate::Api;
use crate::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "storage.v1")]
#[kind(group = "storage.k8s.io", version = "v1", plural = "volumeattributesclasses", short = "vac", cluster)]
pub struct VolumeAttributesClass {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, required)]
    pub driver_name: String,
    #[api(tag = 3, omitempty)]
    pub parameters: BTreeMap<String, String>,
}
