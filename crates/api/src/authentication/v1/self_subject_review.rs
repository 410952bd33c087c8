use crate::Api;
use crate::Items;
use crate::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "authentication.v1")]
#[kind(
    group = "authentication.k8s.io",
    version = "v1",
    plural = "selfsubjectreviews",
    cluster,
    verbs = "create"
)]
pub struct SelfSubjectReview {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub status: SelfSubjectReviewStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "authentication.v1")]
pub struct SelfSubjectReviewStatus {
    #[api(tag = 1, omitempty)]
    pub user_info: UserInfo,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "authentication.v1")]
pub struct UserInfo {
    #[api(tag = 1, omitempty)]
    pub username: String,
    #[api(tag = 2, omitempty)]
    pub uid: String,
    #[api(tag = 3, omitempty)]
    pub groups: Vec<String>,
    #[api(tag = 4, omitempty)]
    pub extra: BTreeMap<String, Items>,
}
