use crate::Api;
use crate::Items;
use crate::Time;
use crate::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "certificates.v1")]
#[kind(
    group = "certificates.k8s.io",
    version = "v1",
    plural = "certificatesigningrequests",
    short = "csr",
    cluster,
    subresources = "approval,status"
)]
pub struct CertificateSigningRequest {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, required)]
    pub spec: CertificateSigningRequestSpec,
    #[api(tag = 3, omitempty)]
    pub status: CertificateSigningRequestStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "certificates.v1")]
pub struct CertificateSigningRequestSpec {
    #[api(tag = 1, required)]
    pub request: Vec<u8>,
    #[api(tag = 7, required)]
    pub signer_name: String,
    #[api(tag = 8)]
    pub expiration_seconds: Option<i32>,
    #[api(tag = 5, omitempty)]
    pub usages: Vec<String>,
    #[api(tag = 2, omitempty)]
    pub username: String,
    #[api(tag = 3, omitempty)]
    pub uid: String,
    #[api(tag = 4, omitempty)]
    pub groups: Vec<String>,
    #[api(tag = 6, omitempty)]
    pub extra: BTreeMap<String, Items>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "certificates.v1")]
pub struct CertificateSigningRequestStatus {
    #[api(tag = 1, omitempty, list = "map", keys = "type")]
    pub conditions: Vec<CertificateSigningRequestCondition>,
    #[api(tag = 2, omitempty)]
    pub certificate: Vec<u8>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "certificates.v1")]
pub struct CertificateSigningRequestCondition {
    #[api(tag = 1, required)]
    pub type_: String,
    #[api(tag = 6, required)]
    pub status: String,
    #[api(tag = 2, omitempty)]
    pub reason: String,
    #[api(tag = 3, omitempty)]
    pub message: String,
    #[api(tag = 4, omitempty, nullable)]
    pub last_update_time: Option<Time>,
    #[api(tag = 5, omitempty, nullable)]
    pub last_transition_time: Option<Time>,
}
