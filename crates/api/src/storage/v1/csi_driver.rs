use crate::Api;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "storage.v1")]
#[kind(group = "storage.k8s.io", version = "v1", plural = "csidrivers", cluster)]
pub struct CSIDriver {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, required)]
    pub spec: CSIDriverSpec,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "storage.v1")]
pub struct CSIDriverSpec {
    #[api(tag = 1)]
    pub attach_required: Option<bool>,
    #[api(tag = 2)]
    pub pod_info_on_mount: Option<bool>,
    #[api(tag = 3, omitempty, list = "set")]
    pub volume_lifecycle_modes: Vec<String>,
    #[api(tag = 4)]
    pub storage_capacity: Option<bool>,
    #[api(tag = 5)]
    pub fs_group_policy: Option<String>,
    #[api(tag = 6, omitempty)]
    pub token_requests: Vec<TokenRequest>,
    #[api(tag = 7)]
    pub requires_republish: Option<bool>,
    #[api(tag = 8)]
    pub se_linux_mount: Option<bool>,
    #[api(tag = 9)]
    pub node_allocatable_update_period_seconds: Option<i64>,
    #[api(tag = 10)]
    pub service_account_token_in_secrets: Option<bool>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "storage.v1")]
pub struct TokenRequest {
    #[api(tag = 1, required)]
    pub audience: String,
    #[api(tag = 2)]
    pub expiration_seconds: Option<i64>,
}
