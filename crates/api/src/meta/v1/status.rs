use super::*;
use crate::Api;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
#[kind(group = "", version = "v1", bare)]
pub struct Status {
    #[api(tag = 1, omitempty)]
    pub metadata: ListMeta,
    #[api(tag = 2, omitempty)]
    pub status: String,
    #[api(tag = 3, omitempty)]
    pub message: String,
    #[api(tag = 4, omitempty)]
    pub reason: String,
    #[api(tag = 5)]
    pub details: Option<Box<StatusDetails>>,
    #[api(tag = 6, omitempty)]
    pub code: i32,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
pub struct StatusDetails {
    #[api(tag = 1, omitempty)]
    pub name: String,
    #[api(tag = 2, omitempty)]
    pub group: String,
    #[api(tag = 3, omitempty)]
    pub kind: String,
    #[api(tag = 6, omitempty)]
    pub uid: String,
    #[api(tag = 4, omitempty)]
    pub causes: Vec<StatusCause>,
    #[api(tag = 5, omitempty)]
    pub retry_after_seconds: i32,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
pub struct StatusCause {
    #[api(tag = 1, omitempty)]
    pub reason: String,
    #[api(tag = 2, omitempty)]
    pub message: String,
    #[api(tag = 3, omitempty)]
    pub field: String,
}
