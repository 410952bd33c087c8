use super::*;
use crate::Api;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "rbac.v1")]
#[kind(group = "rbac.authorization.k8s.io", version = "v1", plural = "rolebindings")]
pub struct RoleBinding {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub subjects: Vec<Subject>,
    #[api(tag = 3, required)]
    pub role_ref: RoleRef,
}
