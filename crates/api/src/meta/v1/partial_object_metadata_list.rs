use super::*;
use crate::Api;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
#[kind(group = "meta.k8s.io", version = "v1", bare)]
pub struct PartialObjectMetadataList {
    #[api(tag = 1, omitempty)]
    pub metadata: ListMeta,
    #[api(tag = 2, required)]
    pub items: Vec<PartialObjectMetadata>,
}
