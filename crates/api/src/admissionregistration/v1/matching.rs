use crate::Api;
use crate::meta::v1::LabelSelector;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1")]
pub struct MatchResources {
    #[api(tag = 1)]
    pub namespace_selector: Option<Box<LabelSelector>>,
    #[api(tag = 2)]
    pub object_selector: Option<Box<LabelSelector>>,
    #[api(tag = 3, omitempty)]
    pub resource_rules: Vec<NamedRuleWithOperations>,
    #[api(tag = 4, omitempty)]
    pub exclude_resource_rules: Vec<NamedRuleWithOperations>,
    #[api(tag = 7)]
    pub match_policy: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1")]
pub struct NamedRuleWithOperations {
    #[api(tag = 1, omitempty)]
    pub resource_names: Vec<String>,
    #[api(tag = 2, inline)]
    pub rule_with_operations: RuleWithOperations,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1")]
pub struct RuleWithOperations {
    #[api(tag = 1, omitempty)]
    pub operations: Vec<String>,
    #[api(tag = 2, inline)]
    pub rule: Rule,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1")]
pub struct Rule {
    #[api(tag = 1, omitempty)]
    pub api_groups: Vec<String>,
    #[api(tag = 2, omitempty)]
    pub api_versions: Vec<String>,
    #[api(tag = 3, omitempty)]
    pub resources: Vec<String>,
    #[api(tag = 4)]
    pub scope: Option<String>,
}
