use super::*;
use crate::Api;
use crate::Items;
use crate::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "authorization.v1")]
#[kind(
    group = "authorization.k8s.io",
    version = "v1",
    plural = "localsubjectaccessreviews",
    verbs = "create"
)]
pub struct LocalSubjectAccessReview {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, required)]
    pub spec: SubjectAccessReviewSpec,
    #[api(tag = 3, omitempty)]
    pub status: SubjectAccessReviewStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "authorization.v1")]
pub struct SubjectAccessReviewSpec {
    #[api(tag = 1)]
    pub resource_attributes: Option<Box<ResourceAttributes>>,
    #[api(tag = 2)]
    pub non_resource_attributes: Option<Box<NonResourceAttributes>>,
    #[api(tag = 3, omitempty)]
    pub user: String,
    #[api(tag = 4, omitempty)]
    pub groups: Vec<String>,
    #[api(tag = 5, omitempty)]
    pub extra: BTreeMap<String, Items>,
    #[api(tag = 6, omitempty)]
    pub uid: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "authorization.v1")]
pub struct SubjectAccessReviewStatus {
    #[api(tag = 1, required)]
    pub allowed: bool,
    #[api(tag = 4, omitempty)]
    pub denied: bool,
    #[api(tag = 2, omitempty)]
    pub reason: String,
    #[api(tag = 3, omitempty)]
    pub evaluation_error: String,
}
