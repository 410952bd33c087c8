use super::*;
use crate::Api;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "rbac.v1")]
#[kind(group = "rbac.authorization.k8s.io", version = "v1", plural = "roles")]
pub struct Role {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2)]
    pub rules: Vec<PolicyRule>,
}
