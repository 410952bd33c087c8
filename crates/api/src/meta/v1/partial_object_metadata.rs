use super::*;
use crate::Api;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
#[kind(group = "meta.k8s.io", version = "v1")]
pub struct PartialObjectMetadata {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
}
