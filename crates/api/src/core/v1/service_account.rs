use super::*;
use crate::Api;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
#[kind(group = "", version = "v1", plural = "serviceaccounts", short = "sa", subresources = "token")]
pub struct ServiceAccount {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty, list = "map", keys = "name", patch = "merge", key = "name")]
    pub secrets: Vec<ObjectReference>,
    #[api(tag = 3, omitempty)]
    pub image_pull_secrets: Vec<LocalObjectReference>,
    #[api(tag = 4)]
    pub automount_service_account_token: Option<bool>,
}
