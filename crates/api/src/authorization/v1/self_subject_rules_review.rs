use crate::Api;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "authorization.v1")]
#[kind(
    group = "authorization.k8s.io",
    version = "v1",
    plural = "selfsubjectrulesreviews",
    cluster,
    verbs = "create"
)]
pub struct SelfSubjectRulesReview {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, required)]
    pub spec: SelfSubjectRulesReviewSpec,
    #[api(tag = 3, omitempty)]
    pub status: SubjectRulesReviewStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "authorization.v1")]
pub struct SelfSubjectRulesReviewSpec {
    #[api(tag = 1, omitempty)]
    pub namespace: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "authorization.v1")]
pub struct SubjectRulesReviewStatus {
    #[api(tag = 1, required)]
    pub resource_rules: Vec<ResourceRule>,
    #[api(tag = 2, required)]
    pub non_resource_rules: Vec<NonResourceRule>,
    #[api(tag = 3, required)]
    pub incomplete: bool,
    #[api(tag = 4, omitempty)]
    pub evaluation_error: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "authorization.v1")]
pub struct ResourceRule {
    #[api(tag = 1, required)]
    pub verbs: Vec<String>,
    #[api(tag = 2, omitempty)]
    pub api_groups: Vec<String>,
    #[api(tag = 3, omitempty)]
    pub resources: Vec<String>,
    #[api(tag = 4, omitempty)]
    pub resource_names: Vec<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "authorization.v1")]
pub struct NonResourceRule {
    #[api(tag = 1, required)]
    pub verbs: Vec<String>,
    #[api(tag = 2, json = "nonResourceURLs", omitempty)]
    pub non_resource_urls: Vec<String>,
}
