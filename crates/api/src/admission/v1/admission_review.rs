use crate::Api;
use crate::Raw;
use crate::authentication::v1::UserInfo;
use crate::meta::v1::{GroupVersionKind, GroupVersionResource, Status};
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admission.v1")]
#[kind(group = "admission.k8s.io", version = "v1", bare)]
pub struct AdmissionReview {
    #[api(tag = 1)]
    pub request: Option<Box<AdmissionRequest>>,
    #[api(tag = 2)]
    pub response: Option<Box<AdmissionResponse>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admission.v1")]
pub struct AdmissionRequest {
    #[api(tag = 1, required)]
    pub uid: String,
    #[api(tag = 2, required)]
    pub kind: GroupVersionKind,
    #[api(tag = 3, required)]
    pub resource: GroupVersionResource,
    #[api(tag = 4, omitempty)]
    pub sub_resource: String,
    #[api(tag = 13)]
    pub request_kind: Option<Box<GroupVersionKind>>,
    #[api(tag = 14)]
    pub request_resource: Option<Box<GroupVersionResource>>,
    #[api(tag = 15, omitempty)]
    pub request_sub_resource: String,
    #[api(tag = 5, omitempty)]
    pub name: String,
    #[api(tag = 6, omitempty)]
    pub namespace: String,
    #[api(tag = 7, required)]
    pub operation: String,
    #[api(tag = 8, required)]
    pub user_info: UserInfo,
    #[api(tag = 9, omitempty)]
    pub object: Raw,
    #[api(tag = 10, omitempty)]
    pub old_object: Raw,
    #[api(tag = 11)]
    pub dry_run: Option<bool>,
    #[api(tag = 12, omitempty)]
    pub options: Raw,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admission.v1")]
pub struct AdmissionResponse {
    #[api(tag = 1, required)]
    pub uid: String,
    #[api(tag = 2, required)]
    pub allowed: bool,
    #[api(tag = 3)]
    pub status: Option<Box<Status>>,
    #[api(tag = 4, omitempty)]
    pub patch: Vec<u8>,
    #[api(tag = 5)]
    pub patch_type: Option<String>,
    #[api(tag = 6, omitempty)]
    pub audit_annotations: BTreeMap<String, String>,
    #[api(tag = 7, omitempty)]
    pub warnings: Vec<String>,
}
