use super::*;
use crate::Api;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
#[kind(
    group = "",
    version = "v1",
    plural = "pods",
    short = "po",
    categories = "all",
    subresources = "attach,binding,ephemeralcontainers,eviction,exec,log,portforward,proxy,resize,status"
)]
pub struct Pod {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: PodSpec,
    #[api(tag = 3, omitempty)]
    pub status: PodStatus,
}
