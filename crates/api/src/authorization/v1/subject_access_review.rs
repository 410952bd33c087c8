use super::*;
use crate::Api;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "authorization.v1")]
#[kind(
    group = "authorization.k8s.io",
    version = "v1",
    plural = "subjectaccessreviews",
    cluster,
    verbs = "create"
)]
pub struct SubjectAccessReview {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, required)]
    pub spec: SubjectAccessReviewSpec,
    #[api(tag = 3, omitempty)]
    pub status: SubjectAccessReviewStatus,
}
