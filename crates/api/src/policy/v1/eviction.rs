use crate::Api;
use crate::meta::v1::DeleteOptions;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "policy.v1")]
#[kind(group = "policy", version = "v1")]
pub struct Eviction {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2)]
    pub delete_options: Option<Box<DeleteOptions>>,
}
