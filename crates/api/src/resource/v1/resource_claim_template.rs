use super::*;
use crate::Api;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
#[kind(group = "resource.k8s.io", version = "v1", plural = "resourceclaimtemplates")]
pub struct ResourceClaimTemplate {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, required)]
    pub spec: ResourceClaimTemplateSpec,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct ResourceClaimTemplateSpec {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, required)]
    pub spec: ResourceClaimSpec,
}
