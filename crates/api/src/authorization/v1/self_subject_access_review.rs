use super::*;
use crate::Api;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "authorization.v1")]
#[kind(
    group = "authorization.k8s.io",
    version = "v1",
    plural = "selfsubjectaccessreviews",
    cluster,
    verbs = "create"
)]
pub struct SelfSubjectAccessReview {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, required)]
    pub spec: SelfSubjectAccessReviewSpec,
    #[api(tag = 3, omitempty)]
    pub status: SubjectAccessReviewStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "authorization.v1")]
pub struct SelfSubjectAccessReviewSpec {
    #[api(tag = 1)]
    pub resource_attributes: Option<Box<ResourceAttributes>>,
    #[api(tag = 2)]
    pub non_resource_attributes: Option<Box<NonResourceAttributes>>,
}
