use super::*;
use crate::Api;
use crate::meta::v1::LabelSelector;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1")]
#[kind(
    group = "admissionregistration.k8s.io",
    version = "v1",
    plural = "mutatingwebhookconfigurations",
    categories = "api-extensions",
    cluster
)]
pub struct MutatingWebhookConfiguration {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty, list = "map", keys = "name", patch = "merge", key = "name")]
    pub webhooks: Vec<MutatingWebhook>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1")]
pub struct MutatingWebhook {
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
    #[api(tag = 11)]
    pub object_selector: Option<Box<LabelSelector>>,
    #[api(tag = 6, required)]
    pub side_effects: Option<String>,
    #[api(tag = 7)]
    pub timeout_seconds: Option<i32>,
    #[api(tag = 8, required)]
    pub admission_review_versions: Vec<String>,
    #[api(tag = 10)]
    pub reinvocation_policy: Option<String>,
    #[api(tag = 12, omitempty, list = "map", keys = "name", patch = "merge", key = "name")]
    pub match_conditions: Vec<MatchCondition>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1")]
pub struct WebhookClientConfig {
    #[api(tag = 3)]
    pub url: Option<String>,
    #[api(tag = 1)]
    pub service: Option<Box<ServiceReference>>,
    #[api(tag = 2, omitempty)]
    pub ca_bundle: Vec<u8>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1")]
pub struct ServiceReference {
    #[api(tag = 1, required)]
    pub namespace: String,
    #[api(tag = 2, required)]
    pub name: String,
    #[api(tag = 3)]
    pub path: Option<String>,
    #[api(tag = 4)]
    pub port: Option<i32>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1")]
pub struct MatchCondition {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, required)]
    pub expression: String,
}
