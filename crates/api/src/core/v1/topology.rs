use crate::Api;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct TopologySelectorTerm {
    #[api(tag = 1, omitempty)]
    pub match_label_expressions: Vec<TopologySelectorLabelRequirement>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct TopologySelectorLabelRequirement {
    #[api(tag = 1, required)]
    pub key: String,
    #[api(tag = 2, required)]
    pub values: Vec<String>,
}
