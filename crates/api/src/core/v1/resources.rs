use crate::Api;
use crate::Quantity;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ResourceRequirements {
    #[api(tag = 1, omitempty)]
    pub limits: BTreeMap<String, Quantity>,
    #[api(tag = 2, omitempty)]
    pub requests: BTreeMap<String, Quantity>,
    #[api(tag = 3, omitempty, list = "map", keys = "name")]
    pub claims: Vec<ResourceClaim>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ResourceClaim {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, omitempty)]
    pub request: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct VolumeResourceRequirements {
    #[api(tag = 1, omitempty)]
    pub limits: BTreeMap<String, Quantity>,
    #[api(tag = 2, omitempty)]
    pub requests: BTreeMap<String, Quantity>,
}
