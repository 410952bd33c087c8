use crate::Api;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "rbac.v1")]
#[kind(group = "rbac.authorization.k8s.io", version = "v1", plural = "clusterrolebindings", cluster)]
pub struct ClusterRoleBinding {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub subjects: Vec<Subject>,
    #[api(tag = 3, required)]
    pub role_ref: RoleRef,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "rbac.v1")]
pub struct Subject {
    #[api(tag = 1, required)]
    pub kind: String,
    #[api(tag = 2, omitempty)]
    pub api_group: String,
    #[api(tag = 3, required)]
    pub name: String,
    #[api(tag = 4, omitempty)]
    pub namespace: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "rbac.v1")]
pub struct RoleRef {
    #[api(tag = 1, required)]
    pub api_group: String,
    #[api(tag = 2, required)]
    pub kind: String,
    #[api(tag = 3, required)]
    pub name: String,
}
