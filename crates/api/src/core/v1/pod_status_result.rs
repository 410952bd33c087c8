use super::*;
use crate::Api;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
#[kind(group = "", version = "v1")]
pub struct PodStatusResult {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub status: PodStatus,
}
