use crate::Api;
use crate::Time;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
#[kind(
    group = "",
    version = "v1",
    plural = "namespaces",
    short = "ns",
    cluster,
    subresources = "finalize,status",
    verbs = "-deletecollection"
)]
pub struct Namespace {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: NamespaceSpec,
    #[api(tag = 3, omitempty)]
    pub status: NamespaceStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct NamespaceSpec {
    #[api(tag = 1, omitempty)]
    pub finalizers: Vec<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct NamespaceStatus {
    #[api(tag = 1, omitempty)]
    pub phase: String,
    #[api(tag = 2, omitempty, list = "map", keys = "type", patch = "merge", key = "type")]
    pub conditions: Vec<NamespaceCondition>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct NamespaceCondition {
    #[api(tag = 1, required)]
    pub type_: String,
    #[api(tag = 2, required)]
    pub status: String,
    #[api(tag = 4, omitempty, nullable)]
    pub last_transition_time: Option<Time>,
    #[api(tag = 5, omitempty)]
    pub reason: String,
    #[api(tag = 6, omitempty)]
    pub message: String,
}
