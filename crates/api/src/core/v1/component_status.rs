use crate::Api;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
#[kind(group = "", version = "v1", plural = "componentstatuses", short = "cs", cluster, verbs = "get,list")]
pub struct ComponentStatus {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty, list = "map", keys = "type", patch = "merge", key = "type")]
    pub conditions: Vec<ComponentCondition>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ComponentCondition {
    #[api(tag = 1, required)]
    pub type_: String,
    #[api(tag = 2, required)]
    pub status: String,
    #[api(tag = 3, omitempty)]
    pub message: String,
    #[api(tag = 4, omitempty)]
    pub error: String,
}
