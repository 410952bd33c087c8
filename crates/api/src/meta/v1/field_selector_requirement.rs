use crate::Api;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
pub struct FieldSelectorRequirement {
    #[api(tag = 1, required)]
    pub key: String,
    #[api(tag = 2, required)]
    pub operator: String,
    #[api(tag = 3, omitempty)]
    pub values: Vec<String>,
}
