use crate::Api;
use crate::Quantity;
use crate::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
#[kind(group = "", version = "v1", plural = "limitranges", short = "limits")]
pub struct LimitRange {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: LimitRangeSpec,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct LimitRangeSpec {
    #[api(tag = 1, required)]
    pub limits: Vec<LimitRangeItem>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct LimitRangeItem {
    #[api(tag = 1, required)]
    pub type_: String,
    #[api(tag = 2, omitempty)]
    pub max: BTreeMap<String, Quantity>,
    #[api(tag = 3, omitempty)]
    pub min: BTreeMap<String, Quantity>,
    #[api(tag = 4, omitempty)]
    pub default_: BTreeMap<String, Quantity>,
    #[api(tag = 5, omitempty)]
    pub default_request: BTreeMap<String, Quantity>,
    #[api(tag = 6, omitempty)]
    pub max_limit_request_ratio: BTreeMap<String, Quantity>,
}
