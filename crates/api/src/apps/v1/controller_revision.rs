use crate::Api;
use crate::Raw;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apps.v1")]
#[kind(group = "apps", version = "v1", plural = "controllerrevisions")]
pub struct ControllerRevision {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub data: Raw,
    #[api(tag = 3, required)]
    pub revision: i64,
}
