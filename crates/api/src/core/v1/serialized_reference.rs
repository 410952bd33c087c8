use super::*;
use crate::Api;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
#[kind(group = "", version = "v1", bare)]
pub struct SerializedReference {
    #[api(tag = 1, omitempty)]
    pub reference: ObjectReference,
}
