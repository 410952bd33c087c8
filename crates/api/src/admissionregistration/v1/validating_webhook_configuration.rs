use super::*;
use crate::Api;
use crate::meta::v1::LabelSelector;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1")]
#[kind(
    group = "admissionregistration.k8s.io",
    version = "v1",
    plural = "validatingwebhookconfigurations",
    categories = "api-extensions",
    cluster
)]
pub struct ValidatingWebhookConfiguration {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty, list = "map", keys = "name", patch = "merge", key = "name")]
    pub webhooks: Vec<ValidatingWebhook>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1")]
pub struct ValidatingWebhook {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, required)]
    pub client_config: WebhookClientConfig,
    #[api(tag = 3, omitempty)]
    pub rules: Vec<RuleWithOperations>,
    #[api(tag = 4)]
    pub failure_policy: Option<String>,
    #[api(tag = 9)]
    pub match_policy: Option<String>,
    #[api(tag = 5)]
    pub namespace_selector: Option<Box<LabelSelector>>,
    #[api(tag = 10)]
    pub object_selector: Option<Box<LabelSelector>>,
    #[api(tag = 6, required)]
    pub side_effects: Option<String>,
    #[api(tag = 7)]
    pub timeout_seconds: Option<i32>,
    #[api(tag = 8, required)]
    pub admission_review_versions: Vec<String>,
    #[api(tag = 11, omitempty, list = "map", keys = "name", patch = "merge", key = "name")]
    pub match_conditions: Vec<MatchCondition>,
}
