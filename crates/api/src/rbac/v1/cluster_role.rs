use crate::Api;
use crate::meta::v1::LabelSelector;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "rbac.v1")]
#[kind(group = "rbac.authorization.k8s.io", version = "v1", plural = "clusterroles", cluster)]
pub struct ClusterRole {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2)]
    pub rules: Vec<PolicyRule>,
    #[api(tag = 3)]
    pub aggregation_rule: Option<Box<AggregationRule>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "rbac.v1")]
pub struct PolicyRule {
    #[api(tag = 1, required)]
    pub verbs: Vec<String>,
    #[api(tag = 2, omitempty)]
    pub api_groups: Vec<String>,
    #[api(tag = 3, omitempty)]
    pub resources: Vec<String>,
    #[api(tag = 4, omitempty)]
    pub resource_names: Vec<String>,
    #[api(tag = 5, json = "nonResourceURLs", omitempty)]
    pub non_resource_urls: Vec<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "rbac.v1")]
pub struct AggregationRule {
    #[api(tag = 1, omitempty)]
    pub cluster_role_selectors: Vec<LabelSelector>,
}
