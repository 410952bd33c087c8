use crate::Api;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
pub struct LabelSelector {
    #[api(tag = 1, omitempty)]
    pub match_labels: BTreeMap<String, String>,
    #[api(tag = 2, omitempty)]
    pub match_expressions: Vec<LabelSelectorRequirement>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
pub struct LabelSelectorRequirement {
    #[api(tag = 1, required)]
    pub key: String,
    #[api(tag = 2, required)]
    pub operator: String,
    #[api(tag = 3, omitempty)]
    pub values: Vec<String>,
}
