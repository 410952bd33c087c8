use crate::Api;
use crate::Time;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "authentication.v1")]
#[kind(group = "authentication.k8s.io", version = "v1")]
pub struct TokenRequest {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, required)]
    pub spec: TokenRequestSpec,
    #[api(tag = 3, omitempty)]
    pub status: TokenRequestStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "authentication.v1")]
pub struct TokenRequestSpec {
    #[api(tag = 1, required)]
    pub audiences: Vec<String>,
    #[api(tag = 4)]
    pub expiration_seconds: Option<i64>,
    #[api(tag = 3)]
    pub bound_object_ref: Option<Box<BoundObjectReference>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "authentication.v1")]
pub struct BoundObjectReference {
    #[api(tag = 1, omitempty)]
    pub kind: String,
    #[api(tag = 2, omitempty)]
    pub api_version: String,
    #[api(tag = 3, omitempty)]
    pub name: String,
    #[api(tag = 4, omitempty)]
    pub uid: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "authentication.v1")]
pub struct TokenRequestStatus {
    #[api(tag = 1, required)]
    pub token: String,
    #[api(tag = 2, nullable, required)]
    pub expiration_timestamp: Option<Time>,
}
