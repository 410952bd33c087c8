use crate::Api;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "scheduling.v1")]
#[kind(group = "scheduling.k8s.io", version = "v1", plural = "priorityclasses", short = "pc", cluster)]
pub struct PriorityClass {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, required)]
    pub value: i32,
    #[api(tag = 3, omitempty)]
    pub global_default: bool,
    #[api(tag = 4, omitempty)]
    pub description: String,
    #[api(tag = 5)]
    pub preemption_policy: Option<String>,
}
