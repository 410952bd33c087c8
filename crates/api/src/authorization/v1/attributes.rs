use crate::Api;
use crate::meta::v1::FieldSelectorRequirement;
use crate::meta::v1::LabelSelectorRequirement;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "authorization.v1")]
pub struct ResourceAttributes {
    #[api(tag = 1, omitempty)]
    pub namespace: String,
    #[api(tag = 2, omitempty)]
    pub verb: String,
    #[api(tag = 3, omitempty)]
    pub group: String,
    #[api(tag = 4, omitempty)]
    pub version: String,
    #[api(tag = 5, omitempty)]
    pub resource: String,
    #[api(tag = 6, omitempty)]
    pub subresource: String,
    #[api(tag = 7, omitempty)]
    pub name: String,
    #[api(tag = 8)]
    pub field_selector: Option<Box<FieldSelectorAttributes>>,
    #[api(tag = 9)]
    pub label_selector: Option<Box<LabelSelectorAttributes>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "authorization.v1")]
pub struct FieldSelectorAttributes {
    #[api(tag = 1, omitempty)]
    pub raw_selector: String,
    #[api(tag = 2, omitempty)]
    pub requirements: Vec<FieldSelectorRequirement>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "authorization.v1")]
pub struct LabelSelectorAttributes {
    #[api(tag = 1, omitempty)]
    pub raw_selector: String,
    #[api(tag = 2, omitempty)]
    pub requirements: Vec<LabelSelectorRequirement>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "authorization.v1")]
pub struct NonResourceAttributes {
    #[api(tag = 1, omitempty)]
    pub path: String,
    #[api(tag = 2, omitempty)]
    pub verb: String,
}
