use crate::Api;
use crate::Time;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct Toleration {
    #[api(tag = 1, omitempty)]
    pub key: String,
    #[api(tag = 2, omitempty)]
    pub operator: String,
    #[api(tag = 3, omitempty)]
    pub value: String,
    #[api(tag = 4, omitempty)]
    pub effect: String,
    #[api(tag = 5)]
    pub toleration_seconds: Option<i64>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct Taint {
    #[api(tag = 1, required)]
    pub key: String,
    #[api(tag = 2, omitempty)]
    pub value: String,
    #[api(tag = 3, required)]
    pub effect: String,
    #[api(tag = 4)]
    pub time_added: Option<Time>,
}
