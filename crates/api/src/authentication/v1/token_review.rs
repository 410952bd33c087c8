use super::*;
use crate::Api;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "authentication.v1")]
#[kind(group = "authentication.k8s.io", version = "v1", plural = "tokenreviews", cluster, verbs = "create")]
pub struct TokenReview {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, required)]
    pub spec: TokenReviewSpec,
    #[api(tag = 3, omitempty)]
    pub status: TokenReviewStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "authentication.v1")]
pub struct TokenReviewSpec {
    #[api(tag = 1, omitempty)]
    pub token: String,
    #[api(tag = 2, omitempty)]
    pub audiences: Vec<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "authentication.v1")]
pub struct TokenReviewStatus {
    #[api(tag = 1, omitempty)]
    pub authenticated: bool,
    #[api(tag = 2, omitempty)]
    pub user: UserInfo,
    #[api(tag = 4, omitempty)]
    pub audiences: Vec<String>,
    #[api(tag = 3, omitempty)]
    pub error: String,
}
