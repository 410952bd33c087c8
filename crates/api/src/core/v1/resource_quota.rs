use crate::Api;
use crate::Quantity;
use crate::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
#[kind(group = "", version = "v1", plural = "resourcequotas", short = "quota", subresources = "status")]
pub struct ResourceQuota {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: ResourceQuotaSpec,
    #[api(tag = 3, omitempty)]
    pub status: ResourceQuotaStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ResourceQuotaSpec {
    #[api(tag = 1, omitempty)]
    pub hard: BTreeMap<String, Quantity>,
    #[api(tag = 2, omitempty)]
    pub scopes: Vec<String>,
    #[api(tag = 3)]
    pub scope_selector: Option<Box<ScopeSelector>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ScopeSelector {
    #[api(tag = 1, omitempty)]
    pub match_expressions: Vec<ScopedResourceSelectorRequirement>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ScopedResourceSelectorRequirement {
    #[api(tag = 1, required)]
    pub scope_name: String,
    #[api(tag = 2, required)]
    pub operator: String,
    #[api(tag = 3, omitempty)]
    pub values: Vec<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ResourceQuotaStatus {
    #[api(tag = 1, omitempty)]
    pub hard: BTreeMap<String, Quantity>,
    #[api(tag = 2, omitempty)]
    pub used: BTreeMap<String, Quantity>,
}
